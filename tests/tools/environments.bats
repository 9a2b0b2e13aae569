# environments.bats -- every script, found and not listed, in environments that people
# have: what it does is what it does without them.

setup() {
  load ../lib/course
  unset LC_ALL LC_MESSAGES
  export LANG=C.UTF-8
  mkdir "$BATS_TEST_TMPDIR/with blank"
}

# Their paths below scripts/.
scripts() { # FOLDER
  find "$1/scripts" -type f -perm -u+x -printf '%P\n' | sort
}

# What a script says to --help, with its exit status. (What bash says of a locale, it
# says before it reads the script.)
ask_for_help() { # FOLDER SCRIPT [COMMAND...]
  local status=0 words
  words=$(cd "$1" && "${@:3}" timeout "$LIMIT" "scripts/$2" --help 2>&1 </dev/null) || status=$?
  sed '/^[a-z/]*bash: warning: setlocale/d' <<<"$words"
  ((status == 0)) || echo "status $status"
}

# All scripts say the same as without it.
same_with() { # COMMAND...
  local name
  for name in $(scripts "$ROOT"); do
    assert_equal "$name: $(ask_for_help "$ROOT" "$name" "$@")" "$name: $(usual "$name")"
  done
}

# Once for all tests of the file.
usual() { # SCRIPT
  local kept=$SHARED/help.${1//\//.}
  [[ -e $kept ]] || { ask_for_help "$ROOT" "$1" >"$kept.$$" && mv "$kept.$$" "$kept"; }
  cat "$kept"
}

@test "every script has something to say to --help" {
  local name
  (($(scripts "$ROOT" | wc -l) > 20))
  for name in $(scripts "$ROOT"); do
    [[ $(usual "$name") == [uU]sage:* ]] || fail "$name says: $(usual "$name")"
  done
}

@test "no script heeds CDPATH, GREP_OPTIONS, POSIXLY_CORRECT or shell options" {
  same_with env CDPATH=/:/usr GREP_OPTIONS='-v --color=always' TAR_OPTIONS=-v GLOBIGNORE='*' SHELLOPTS=noclobber:noglob:posix BASHOPTS=nullglob:failglob
  # (With this one, bash takes no SHELLOPTS from the environment.)
  same_with env POSIXLY_CORRECT=1
}

# Bash reads it once, before the script; what the script starts does not.
@test "no script hands on a BASH_ENV, nor stumbles over one that is not there" {
  local name
  same_with env BASH_ENV=/none/such ENV=/none/such
  echo 'echo read' >"$BATS_TEST_TMPDIR/rc"
  for name in $(scripts "$ROOT"); do
    run ask_for_help "$ROOT" "$name" env BASH_ENV="$BATS_TEST_TMPDIR/rc" ENV="$BATS_TEST_TMPDIR/rc"
    assert_equal "$name: ${output#read$'\n'}" "$name: $(usual "$name")"
  done
}

@test "no script heeds a locale that is not UTF-8, or not there" {
  local name
  same_with env LC_ALL=xx_YY.ISO-8859-15
  for name in $(scripts "$ROOT"); do
    assert_equal "$name: $(ask_for_help "$ROOT" "$name" env LC_ALL=zh_CN.GBK)" \
      "$name: $(ask_for_help "$ROOT" "$name" env LANG=zh_CN.UTF-8)"
  done
}

@test "every script does with a folder for temporary files that is odd" {
  same_with env TMPDIR=/none/such
  same_with env TMPDIR="$BATS_TEST_TMPDIR/with blank"
}

@test "every script does with standard input closed, and with few descriptors" {
  # shellcheck disable=SC2016 # for the inner shell
  same_with sh -c 'ulimit -n 32 && exec "$@" <&-' sh
}

@test "every script does in a folder whose name has blanks and an apostrophe" {
  local copy="$BATS_TEST_TMPDIR/a teacher's copy" name
  mkdir "$copy"
  cp -R "$ROOT"/{Makefile,scripts} "$copy"
  for name in $(scripts "$copy"); do
    assert_equal "$name: $(ask_for_help "$copy" "$name")" "$name: $(usual "$name")"
  done
}

# All of them at once.
in_odd_environment() { # COMMAND...
  # shellcheck disable=SC2016 # for the inner shell
  env CDPATH=/:/usr GREP_OPTIONS=-v TAR_OPTIONS=-v GLOBIGNORE='*' \
    SHELLOPTS=noclobber:noglob:posix BASHOPTS=nullglob:failglob BASH_ENV=/none/such \
    LC_ALL=xx_YY.ISO-8859-15 TMPDIR="$BATS_TEST_TMPDIR/with blank" \
    sh -c 'ulimit -n 32 && exec "$@" <&-' sh "$@"
}

# What a script finds in the repository that it is told to look at.
findings() { # FOLDER SCRIPT [COMMAND...]
  local status=0 words list=()
  [[ $(usual "$2") != *'--list [--check]'* ]] || list=(--list)
  words=$(cd "$1" && "${@:3}" timeout "$LIMIT" "scripts/$2" "${list[@]}" --check 2>&1 </dev/null) || status=$?
  sed '/bash: warning: setlocale/d; /^$/d' <<<"$words"
  echo "status $status"
}

@test "every script that checks the repository finds in an odd one what it finds in a plain one" {
  local copy="$BATS_TEST_TMPDIR/a teacher's copy" name count=0 plain
  mkdir "$copy"
  (cd "$ROOT" && git ls-files -z | xargs -0 cp -P --parents -t "$copy")
  # One fault for each kind of check.
  sed -i '0,/^```c$/s//&\nint added;/' "$copy/chapters/03-event/README.md"
  sed -i '1d' "$copy/tests/broken/E1.patch"
  for name in $(scripts "$copy"); do
    # (These two look at the machine, and the demands take ten seconds.)
    [[ $(usual "$name") == *--check* && $name != labs/* && $name != lib/alone ]] || continue
    count=$((count + 1))
    plain=$(findings "$copy" "$name")
    assert_equal "$name: $(findings "$copy" "$name" in_odd_environment)" "$name: $plain"
  done
  ((count >= 3)) || fail "only $count scripts have a --check"
  [[ $(findings "$copy" text/snippets) == *README.md* ]] || fail "the fault in a page is not seen"
}

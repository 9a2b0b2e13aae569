# demos.bats -- the chapters' own demos: each shows what its narrator promises

setup() {
  load ../lib/course
  mkdir "$BATS_TEST_TMPDIR/tmp"
  # What a demo leaves behind is known by this name: a file lies in the folder, a
  # process has it in its environment, as DEMO_TEST.
  export TMPDIR=$BATS_TEST_TMPDIR/tmp
  unset LC_ALL LC_MESSAGES INTERACTIVE
  export BUILD SPEED=0 LIMIT=20 LANG=C.UTF-8 NO_COLOR=1
  # As a reader runs them: debug-mode uses an event that was freed.
  unset MALLOC_PERTURB_ GLIBC_TUNABLES
}

demo() { # [NAME...]
  "$ROOT/scripts/demo" "$@" 3>&-
}

# Fail if a demo that was given DEMO_TEST has left a file or a process.
assert_nothing_left() {
  local environment left
  left=$(ls -A "$TMPDIR")
  for environment in /proc/[0-9]*/environ; do
    if grep -qzxF "DEMO_TEST=$TMPDIR" "$environment" 2>/dev/null; then
      left+=" process ${environment//[^0-9]/}"
    fi
  done
  [[ ! $left ]] || fail "left behind: $left"
}

# The programs, in a folder where the one named is another.
replace_program() { # NAME PROGRAM
  mkdir "$BATS_TEST_TMPDIR/replaced"
  ln -s "$BUILD"/* "$BATS_TEST_TMPDIR/replaced"
  ln -sf "$2" "$BATS_TEST_TMPDIR/replaced/$1"
  BUILD=$BATS_TEST_TMPDIR/replaced
}

@test "all demos succeed, show both sides and leave nothing" {
  DEMO_TEST=$TMPDIR run -0 demo all
  refute_line --regexp '^demo: '
  assert_line --regexp '^\$ \./build/echo-server( 127\.0\.0\.1 0)?$'
  assert_line --regexp '^server \| listening on 127\.0\.0\.1 port [0-9]+$'
  assert_line 'client | hello'
  assert_line 'server | client closed'
  assert_line 'bob    | anybody here?'
  assert_line 'waiting | hello, client 2'
  assert_line 'client | HELLO'
  assert_line 'client | recv LIBEVENT from server'
  assert_line 'client | exit status 1'
  assert_line 'server | clients 1, open 0, bytes 6'
  assert_nothing_left
  # A block of more than 25 lines is too long to read.
  # shellcheck disable=SC2016
  run -0 awk '
    /^== / { name = $2; lines = 0 }
    /^[a-z-]+ *\|/ && ++lines == 26 { print "too long: " name }' <<<"$output"
  assert_output ''
}

@test "all demos succeed on poll and on select" {
  EVENT_NOEPOLL=1 run -0 demo
  assert_line 'method-probe | in use: poll'
  EVENT_NOEPOLL=1 EVENT_NOPOLL=1 run -0 demo
  assert_line 'method-probe | in use: select'
}

@test "every program of a chapter has a demo" {
  local source
  for source in "$ROOT"/chapters/[0-9][0-9]-*/*.c; do
    [[ -e ${source%.c}.demo ]] || is_part "$source" || fail "no demo: ${source%.c}.demo"
  done
}

@test "every demo says each thing in both languages" {
  local file words
  for file in "$ROOT"/chapters/*/*.demo; do
    # Each `say` is a line of English and a line of Chinese.
    words=$(grep -A 1 '^say ' "$file" | grep -v '^--$')
    (($(grep -c '^say "[^"]*[a-z]' <<<"$words") == $(grep -cP '^  "[^"]*\p{Han}' <<<"$words"))) ||
      fail "not in both languages: $file"
  done
}

@test "a demo fails when the server answers wrongly" {
  replace_program echo-server "$BUILD/uppercase-server"
  DEMO_TEST=$TMPDIR run -1 demo echo-server
  assert_line 'client | HELLO'
  assert_line 'demo: echo-server: expected from client: ^hello$'
  assert_line 'demo: failed: chapters/03-event/echo-server'
  assert_nothing_left
}

@test "a demo fails when one client's leaving ends the service for another" {
  build_own echo-server '/print_line\(stdout, "client closed/s/$/ event_del(conn->server->conns.lh_first->read_event);/'
  replace_program echo-server "$BATS_TEST_TMPDIR/echo-server"
  LIMIT=3 run -1 demo echo-server
  assert_line 'demo: echo-server: expected from bob: ^anybody here\?$'
}

@test "a demo fails when a paused listener greets" {
  build_own listener-pause 's/!set_accepting\(server, server->paused\)/0/'
  replace_program listener-pause "$BATS_TEST_TMPDIR/listener-pause"
  LIMIT=3 run -1 demo listener-pause
  assert_line 'demo: listener-pause: expected from server: ^client 2, by the first listener$'
}

@test "in a Chinese locale the narrator speaks Chinese" {
  LANG=zh_CN.UTF-8 run -0 demo echo-server
  assert_line --partial '直接用事件写的服务器'
  refute_output --partial 'A server on plain events'
}

@test "with INTERACTIVE=1 on a terminal the client is the reader's" {
  need_terminal
  local name
  for name in echo-server uppercase-server stdin-client; do
    INTERACTIVE=1 run -0 on_terminal "'$ROOT/scripts/demo' $name" <<<'typed by a person'
    assert_line --partial 'Ctrl-D ends'
    assert_line --regexp '(typed by a person|TYPED BY A PERSON)'
    refute_output --partial 'printf'
  done
}

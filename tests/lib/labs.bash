# labs.bash -- a course with one lab, for the tests of what makes, checks, grades
# and hands out labs: `tiny`, the template of scripts/labs/teacher/new-lab, filled in.

# shellcheck source=tests/lib/assertions.bash
source "${BASH_SOURCE[0]%/*}/assertions.bash"
# shellcheck source=tests/lib/terminal.bash
source "${BASH_SOURCE[0]%/*}/terminal.bash"

ROOT=$(cd "${BATS_TEST_DIRNAME%/tests*}" && pwd)
unset LC_ALL LC_MESSAGES SANDBOX LABS OUT JOBS
export LANG=C.UTF-8

# A mutant of the solution that a sed script makes.
add_mutant() { # LAB NAME SED-SCRIPT [CHECK-THAT-IT-FAILS]
  local name=${1##*/} room patch=$1/mutants/$2.patch
  room=$(mktemp -d -p "$BATS_FILE_TMPDIR")
  "$ROOT/scripts/labs/source" solution "$1" >"$room/a"
  sed -E "$3" "$room/a" >"$room/b"
  echo "the server ${2//-/ }${4:+$'\n\nFails: '$4}" >"$patch"
  diff -u --label "a/$name.c" --label "b/$name.c" "$room/a" "$room/b" >>"$patch" || [[ $? == 1 ]]
}

fill_in() { # LAB
  sed -i -E 's/TODO[:：]? *//' "$1"/*.md "$1"/solution/*.c "$1"/*.bash
  add_mutant "$1" says-hello 's/(cannot queue an answer.*)$/\1\n    bufferevent_write(bev, "hello", 5);/'
  add_mutant "$1" forgets-to-read 's/conn->bev, EV_READ/conn->bev, EV_WRITE/' answers_in_pieces
  add_mutant "$1" leaks-clients 's/^    conn_free\(arg\);$/    ;/'
  add_mutant "$1" deaf-to-sigterm 's/, SIGTERM,/, SIGUSR1,/'
}

# A course in DIR, known to git.
make_course() { # DIR
  mkdir -p "$1"/{chapters/03-event,tests}
  cp -r "$ROOT/scripts" "$ROOT/Makefile" "$ROOT/.gitignore" "$1"
  cp "$ROOT"/chapters/03-event/*.{md,c} "$1/chapters/03-event"
  cp "$ROOT/README.md" "$ROOT/README.zh.md" "$1"
  (
    cd "$1" || exit
    scripts/labs/teacher/new-lab 03 tiny
    fill_in chapters/03-event/labs/tiny
    git init -q . && git add -A
    # That this machine is sound is proved once for all tests of a file.
    scripts/labs/check --check >/dev/null || true
  )
}

# To be called by setup, where setup_file has made a course: a copy of it for the
# test, and where its lab and the student's file are.
enter_course() {
  COURSE=$BATS_TEST_TMPDIR/course
  cp -r "$BATS_FILE_TMPDIR/course" "$COURSE"
  cd "$COURSE" || exit
  MINE=labs/03-tiny/tiny.c
  # shellcheck disable=SC2034 # for the tests
  LAB=chapters/03-event/labs/tiny
  # Most of these tests wait for what does not come: not too long.
  export PATIENCE=20
}

# Make the student's file from the solution, changed by a sed script.
hand_in() { # [SED-SCRIPT]
  mkdir -p labs/03-tiny
  solution "$COURSE" | sed -E "${1-}" >"$MINE"
}

# The reference solution of tiny.
solution() { # COURSE
  "$ROOT/scripts/labs/source" solution "$1/chapters/03-event/labs/tiny"
}

boxed() {
  [[ $("$ROOT/scripts/labs/check" --check 2>/dev/null) == namespaces ]] ||
    skip "no namespaces can be made here"
}

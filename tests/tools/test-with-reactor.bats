# test-with-reactor.bats -- make test EVENT=reactor, of one chapter.

setup() {
  load ../lib/course
  unset QUICK MAKEFLAGS MAKELEVEL EVENT_NOEPOLL EVENT_NOPOLL UNDER
  cd "$ROOT" || return
  export BUILD=$BATS_TEST_TMPDIR/build
}

teardown() {
  course_teardown
}

try_chapter() { # NN
  scripts/test-with-reactor "$1" </dev/null 2>&1 3>&-
}

@test "a chapter's programs pass their own tests on the reactor, and those that it cannot link are named" {
  make -s reactor
  run -0 try_chapter 02
  assert_line "cannot be linked: loop-flags, which calls evthread_use_pthreads"
  assert_line --regexp '^=== chapter 02: [1-9][0-9]* passed, 0 failed, [0-9]+ skipped$'
  assert_equal "$(grep -cE '^✗' <<<"$output")" 0
  run ldd "$BUILD/reactor/event-states" "$BUILD/reactor/exit-vs-break"
  refute_output --partial libevent
}

@test "a reactor that does not do what libevent does fails the chapter's tests" {
  mkdir "$BATS_TEST_TMPDIR/library"
  cp chapters/17-reactor/*/*.[ch] "$BATS_TEST_TMPDIR/library"
  cd "$BATS_TEST_TMPDIR/library"
  sed -i 's|"../[a-z]*/|"|' ./*.[ch]
  sed -i '/^int event_base_loopbreak/,/^}/s/^{/{\n    return 0;/' ./*.c
  "$ROOT/scripts/lib/archive" "$BUILD/libreactor.a" cc -std=gnu11 -D_GNU_SOURCE -w ./*.c
  cd "$ROOT"
  run -1 try_chapter 02
  assert_line --regexp '^✗ '
  assert_line --regexp '^[0-9]+ passed, [1-9][0-9]* failed, [0-9]+ skipped$'
}

@test "test-with-reactor says that there is no such chapter, and no library" {
  run -2 scripts/test-with-reactor 99
  assert_output "test-with-reactor: no chapter 99"
  run -2 scripts/test-with-reactor 02
  assert_output "test-with-reactor: no $BUILD/libreactor.a: run make reactor"
  run -2 scripts/test-with-reactor -x
  assert_line --index 0 "usage: scripts/test-with-reactor [NN...]"
  run -0 scripts/test-with-reactor --help
  assert_line --index 0 "usage: scripts/test-with-reactor [NN...]"
}

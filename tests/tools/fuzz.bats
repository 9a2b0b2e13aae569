# fuzz.bats -- scripts/fuzz.

setup() {
  load ../lib/course
  command -v clang >/dev/null || skip "clang is not installed"
  cd "$ROOT" || return
  BUILD=$BATS_TEST_TMPDIR
  export BUILD
}

teardown() {
  course_teardown
}

@test "fuzz lists its targets, each with a first input, and refuses one that is not there" {
  run -0 scripts/fuzz --list
  assert_line line-reader
  for target in "${lines[@]}"; do
    [[ -n $(ls "tests/fuzz/$target") ]] || fail "tests/fuzz/$target is empty"
  done
  run -2 --separate-stderr scripts/fuzz no-such-target
  assert_output ""
}

@test "fuzz builds a target, runs it for its time, and counts" {
  SECONDS_EACH=1 run -0 scripts/fuzz line-reader
  assert_line --index 0 --regexp '^✓ line-reader: [0-9]+ executions, [0-9]+ edges$'
  assert_line --index 1 "1 passed, 0 failed, 0 skipped"
}

@test "fuzz finds that other packets get other answers, and keeps the input" {
  mkdir "$BATS_TEST_TMPDIR/broken"
  export BROKEN=$BATS_TEST_TMPDIR/broken
  cp chapters/10-evbuffer/line-reader.c "$BROKEN"
  patch -s "$BROKEN/line-reader.c" tests/broken/B10.patch
  SECONDS_EACH=60 run -1 scripts/fuzz line-reader
  assert_line --index 0 "✗ line-reader has failed"
  assert_line --partial "Test unit written to $BUILD/fuzz/line-reader-crash-"
  assert_line --index -1 "0 passed, 1 failed, 0 skipped"
  [[ -f $(echo "$BUILD"/fuzz/line-reader-crash-*) ]]
}

@test "fuzz says why a target cannot be built" {
  mkdir "$BATS_TEST_TMPDIR/broken"
  echo '#error "not a program"' >"$BATS_TEST_TMPDIR/broken/line-reader.c"
  BROKEN=$BATS_TEST_TMPDIR/broken run -1 scripts/fuzz line-reader
  assert_line --index 0 "✗ line-reader cannot be built"
  assert_line --partial "not a program"
}

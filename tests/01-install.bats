setup() {
  load lib/course
}

teardown() {
  course_teardown
}

# The back ends that the environment leaves, in libevent's order of choice.
left() {
  [[ ${EVENT_NOEPOLL-} ]] || echo epoll
  [[ ${EVENT_NOPOLL-} ]] || echo poll
  echo select
}

@test "method-probe names the version of the headers and of the library" {
  run -0 course method-probe
  version=$(pkg-config --modversion libevent)
  assert_line --index 0 --regexp "^libevent ${version%%-*}.* \(headers ${version%%-*}.*\)$"
}

@test "method-probe lists every back end that was compiled in (P1)" {
  run -0 course method-probe
  assert_line "compiled in:"
  assert_line "  poll"
  assert_line "  select"
}

@test "method-probe says which back end a new base uses (P2)" {
  run -0 course method-probe
  assert_line "in use: $(left | head -n 1)"
  EVENT_NOEPOLL=1 run -0 course method-probe
  assert_line "in use: $(EVENT_NOEPOLL=1 left | head -n 1)"
  assert_line "  poll"
  EVENT_NOEPOLL=1 EVENT_NOPOLL=1 run -0 course method-probe
  assert_line "in use: select"
}

@test "method-probe prints the features of the base" {
  EVENT_NOEPOLL=1 EVENT_NOPOLL=1 run -0 course method-probe
  assert_line "features: FDS"
  [[ ! ${EVENT_NOEPOLL-} ]] || return 0
  run -0 course method-probe
  assert_line "features: ET O1 EARLY_CLOSE"
}

@test "method-probe fails with a reason when no back end is left" {
  EVENT_NOEPOLL=1 EVENT_NOPOLL=1 EVENT_NOSELECT=1 run -1 course method-probe
  assert_line --partial "method-probe: cannot make an event base"
}

@test "every program prints its usage for --help, and for wrong arguments" {
  for source in "$ROOT"/chapters/*/*.c; do
    name=$(basename "$source" .c)
    run -0 --separate-stderr course "$name" --help
    assert_output --regexp "^usage: $name"
    assert_equal "$stderr" ""
    run -2 --separate-stderr course "$name" one two three
    assert_output ""
    assert_equal "${stderr_lines[0]}" "$(course "$name" --help)"
  done
}

@test "every program compiles alone with the command in its header" {
  for source in "$ROOT"/chapters/*/*.c; do
    mkdir -p "$BATS_TEST_TMPDIR/alone"
    cp "$source" "$BATS_TEST_TMPDIR/alone"
    command=$(sed -n 's/^ \* Build: //p' "$source")
    (cd "$BATS_TEST_TMPDIR/alone" && eval "$command")
    [[ -x $BATS_TEST_TMPDIR/alone/$(basename "$source" .c) ]]
  done
}

@test "a helper that stands in several programs is the same in each" {
  run -0 "$ROOT/tests/lib/same-helpers" "$ROOT"/chapters/*/*.c \
    "$ROOT"/chapters/*/labs/*/solution/*.c
}

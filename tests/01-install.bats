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
    ! grep -q '^int main(void)' "$source" || continue # takes none: first-loop
    name=$(basename "$source" .c)
    run -0 --separate-stderr course "$name" --help
    assert_output --regexp "^usage: $name"
    assert_equal "$stderr" ""
    run -2 --separate-stderr course "$name" one two three
    assert_output ""
    assert_equal "${stderr_lines[0]}" "$(course "$name" --help)"
  done
}

@test "a program whose output is its result fails when it cannot be written" {
  [[ -w /dev/full ]] || skip "there is no /dev/full"
  local name status
  local -A pids=()
  for name in method-probe first-loop trace-loop loop-flags exit-vs-break fork-reinit callback-order watermarks; do
    course "$name" >/dev/full 2>"$BATS_TEST_TMPDIR/$name.errors" 3>&- &
    pids[$name]=$!
  done
  for name in "${!pids[@]}"; do
    status=0
    wait "${pids[$name]}" || status=$?
    assert_equal "$name: $status" "$name: 1"
    [[ $name == first-loop ]] || grep -q "No space left on device" "$BATS_TEST_TMPDIR/$name.errors" ||
      fail "$name gives no reason"
  done
}

@test "no output of a program goes into a descriptor of libevent when the standard ones are closed" {
  for name in loop-flags fork-reinit callback-order watermarks; do
    program=$(program "$name")
    # shellcheck disable=SC2016 # the inner shell's own $1
    run -1 --separate-stderr bash -c 'exec "$1" <&- >&-' bash "$program"
    [[ $stderr == *"$name: cannot write to standard output: Bad file descriptor"* ]] ||
      fail "$name: $stderr"
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

# The labs have helpers of their own; those of the first four chapters print with
# printf(3) alone.
@test "a helper that stands in several programs is the same in each" {
  run "$ROOT/tests/lib/same-helpers" "$ROOT"/chapters/*/*.c "$ROOT"/samples/*/*.c
  assert_success
  run "$ROOT/tests/lib/same-helpers" "$ROOT"/chapters/0[5-8]-*/labs/*/solution/*.c
  assert_success
  run "$ROOT/tests/lib/same-helpers" "$ROOT"/chapters/0[1-4]-*/labs/*/solution/*.c
  assert_success
  for part in listen.c listen.h; do
    run -0 bash -c 'sha256sum "$@" | cut -d " " -f 1 | uniq' bash "$ROOT"/samples/*/"$part"
    assert_equal "${#lines[@]}" 1
  done
}

@test "a new helper that stands in two programs is compared without being listed" {
  cd "$BATS_TEST_TMPDIR"
  printf '%s\n' '/* Why. */' 'static int twice(int n)' '{' '    return n + n;' '}' >one.c
  sed 's/n + n/n * 2/' one.c >two.c
  run -1 "$ROOT/tests/lib/same-helpers" one.c two.c
  assert_output "two.c: twice differs from the one in one.c"
  sed 's/Why/Why not/' one.c >two.c
  run -1 "$ROOT/tests/lib/same-helpers" one.c two.c
  sed -i 's/twice/shared/' two.c
  run -0 "$ROOT/tests/lib/same-helpers" one.c two.c
  sed -i 's/twice/main/; s/shared/main/' one.c two.c
  run -1 "$ROOT/tests/lib/same-helpers" one.c two.c
  refute_output
}

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
    if is_part "$source" || is_left_out "$source"; then continue; fi
    ! grep -q '^int main(void)' "$source" || continue # takes none: first-loop
    name=$(basename "$source" .c)
    run -0 --separate-stderr course "$name" --help
    assert_output --regexp "^usage: $name"
    assert_equal "$stderr" ""
    run -2 --separate-stderr course "$name" --wrong one two three
    assert_output ""
    assert_equal "${stderr_lines[0]}" "$(course "$name" --help | head -n 1)"
  done
}

# The programs whose output is their result, and which need no argument.
with_a_result() {
  local source
  grep -l 'fflush(stdout)' "$ROOT"/chapters/*/*.c | while read -r source; do
    ! grep -qE '"usage: [a-z-]+ ([^[]|\[(-s )?ADDRESS|.* HOST PORT)' "$source" || continue
    basename "$source" .c
  done
}

@test "a program whose output is its result fails when it cannot be written" {
  [[ -w /dev/full ]] || skip "there is no /dev/full"
  local name names status
  local -A pids=()
  mapfile -t names < <(with_a_result)
  ((${#names[@]} >= 10)) || fail "only ${names[*]} were found"
  for name in "${names[@]}"; do
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
  local name names without errors pid status i=0
  local pids=()
  mapfile -t names < <(with_a_result | grep -vx first-loop) # which gives no reason
  # Each back end takes other numbers for its own descriptors.
  for without in "" EVENT_NOEPOLL=1 "EVENT_NOEPOLL=1 EVENT_NOPOLL=1"; do
    for name in "${names[@]}"; do
      # shellcheck disable=SC2086 # words without blanks
      env $without "$(program "$name")" <&- >&- 2>"$BATS_TEST_TMPDIR/$i.errors" 3>&- &
      pids[i]="$! $name ${without:-epoll}"
      i=$((i + 1))
    done
  done
  for i in "${!pids[@]}"; do
    read -r pid name without <<<"${pids[$i]}"
    status=0
    wait "$pid" || status=$?
    assert_equal "$name ($without): $status" "$name ($without): 1"
    errors=$(<"$BATS_TEST_TMPDIR/$i.errors")
    [[ $errors == *"$name: cannot write to standard output: Bad file descriptor"* ]] ||
      fail "$name ($without): $errors"
  done
}

# The programs of every third chapter: all of them take too long for one test.
compile_alone() { # REMAINDER
  local source alone part command compiled=0 chapter
  for source in "$ROOT"/chapters/*/*.c; do
    chapter=${source#"$ROOT/chapters/"}
    ((10#${chapter%%-*} % 3 == $1)) || continue
    if is_part "$source" || is_left_out "$source"; then continue; fi
    alone=$BATS_TEST_TMPDIR/alone/$(basename "${source%/*}")
    mkdir -p "$alone"
    cp "$source" "$alone"
    "$ROOT/scripts/lib/build-line" --parts "$source" | while read -r part; do
      mkdir -p "$alone/$(dirname "${part#"${source%/*}/"}")"
      cp "$part" "${part%.c}.h" "$alone/$(dirname "${part#"${source%/*}/"}")"
    done
    command=$("$ROOT/scripts/lib/build-line" "$source")
    (cd "$alone" && eval "$command")
    [[ -x $alone/$(basename "$source" .c) ]]
    rm -r "$BATS_TEST_TMPDIR/alone"
    compiled=$((compiled + 1))
  done
  ((compiled >= 5)) || fail "only $compiled programs were found"
}

@test "every program of chapters 3, 6 ... compiles alone with the command in its header" {
  compile_alone 0
}

@test "every program of chapters 1, 4 ... compiles alone with the command in its header" {
  compile_alone 1
}

@test "every program of chapters 2, 5 ... compiles alone with the command in its header" {
  compile_alone 2
}

# The labs have helpers of their own.
@test "a helper that stands in several programs is the same in each" {
  run "$ROOT/scripts/lib/same-helpers" "$ROOT"/chapters/*/*.c "$ROOT"/samples/*/*.c
  assert_success
  run "$ROOT/scripts/lib/same-helpers" "$ROOT"/chapters/*/labs/*/solution/*.c
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
  run -1 "$ROOT/scripts/lib/same-helpers" one.c two.c
  assert_output "two.c: twice differs from the one in one.c"
  sed 's/Why/Why not/' one.c >two.c
  run -1 "$ROOT/scripts/lib/same-helpers" one.c two.c
  sed -i 's/twice/shared/' two.c
  run -0 "$ROOT/scripts/lib/same-helpers" one.c two.c
  sed -i 's/twice/main/; s/shared/main/' one.c two.c
  run -1 "$ROOT/scripts/lib/same-helpers" one.c two.c
  refute_output
}

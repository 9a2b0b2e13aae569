# Each program of tests/reactor prints what it sees, linked with libevent and with the
# reactor of chapter 17: both have to print the same. The reactor's own build has the
# sanitizers, so that a wrong access or a leak fails as well.

SANITIZE=('-fsanitize=address,undefined' -fno-sanitize-recover=all)

# Both sides take epoll, whichever back end other chapters' tests are to run on.
setup() {
  load lib/course
  unset EVENT_NOEPOLL EVENT_NOPOLL
}

teardown() {
  course_teardown
}

# The library with sanitizers, which all tests of the file share. A defect of it is in a
# copy of the whole.
sanitized() {
  local lock source=$ROOT/chapters/17-reactor
  [[ ! -d ${BROKEN-}/17-reactor ]] || source=$BROKEN/17-reactor
  exec {lock}>"$SHARED/libreactor.lock"
  flock "$lock"
  [[ -e $SHARED/libreactor.a ]] ||
    "$ROOT/scripts/lib/archive" "$SHARED/libreactor.a" cc -std=gnu11 -D_GNU_SOURCE -g \
      "${SANITIZE[@]}" "$source"/*/*.c
  exec {lock}>&-
}

build_with_libevent() { # NAME
  # shellcheck disable=SC2046 # the flags are words
  cc -std=gnu11 -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/$1.libevent" "$ROOT/tests/reactor/$1.c" \
    $(pkg-config --cflags --libs libevent_core)
}

build_with_reactor() { # NAME [FLAG...]
  sanitized
  cc -std=gnu11 -D_GNU_SOURCE -g "${SANITIZE[@]}" "${@:2}" -o "$BATS_TEST_TMPDIR/$1.reactor" \
    "$ROOT/tests/reactor/$1.c" "$SHARED/libreactor.a"
}

# Addresses and times differ from run to run.
run_one() { # NAME LIBRARY [ARG...]
  timeout -k 1 "$LIMIT" "$BATS_TEST_TMPDIR/$1.$2" "${@:3}" 2>&1 |
    sed -E 's/0x[0-9a-f]{6,}/ADDRESS/; s/Timeout=[0-9]+\.[0-9]{6}/Timeout=TIME/'
}

# On a busy machine a timer may be late for either: what depends on time may be tried
# again.
assert_same() { # NAME [ARG...]
  local dir=$BATS_TEST_TMPDIR
  run_one "$1" libevent "${@:2}" >"$dir/expected"
  run_one "$1" reactor "${@:2}" >"$dir/actual"
  cmp -s "$dir/expected" "$dir/actual" || {
    diff "$dir/expected" "$dir/actual" >"$dir/difference" || true
    fail "$1 ${*:2} differs, < libevent, > the reactor:
$(head -n 40 "$dir/difference")" || return 1 # also where errexit is off
  }
  [[ -s $dir/expected ]] || fail "$1 prints nothing"
}

compare() { # NAME
  build_with_libevent "$1"
  build_with_reactor "$1"
  assert_same "$1"
}

compare_in_time() { # NAME
  build_with_libevent "$1"
  build_with_reactor "$1"
  for _ in 1 2 3 4; do
    (assert_same "$1") >/dev/null 2>&1 && return
  done
  assert_same "$1"
}

@test "the reactor calls callbacks in libevent's order (RX2)" {
  compare order
}

@test "the reactor knows what each event of a descriptor wants, also edge-triggered (RX3 RX4 RX12)" {
  compare interests
}

@test "the reactor's timers fire when libevent's do" {
  compare_in_time timers
}

@test "the reactor's timers that are due at the same time fire in the order of being added (RX1)" {
  build_with_reactor equal
  run -0 run_one equal reactor
  assert_output "loop 1, 666 fired, 0 out of order"
}

@test "the reactor's loop ends, and returns, as libevent's (RX5)" {
  compare_in_time loops
}

@test "the reactor counts signals, and gives them to the base that libevent would (RX7)" {
  compare signals
}

@test "the reactor runs priorities, and limits a round, as libevent does (RX6)" {
  compare priorities
}

@test "a base of the reactor that has to watch files does so" {
  compare files
}

@test "a child of the reactor has descriptors and signals of its own after event_reinit (RX8)" {
  compare forks
}

@test "the reactor answers as libevent what is pending, added and active" {
  compare questions
}

@test "rare calls on the reactor's buffers and bufferevents do what libevent's do" {
  compare rare
}

@test "the reactor forgets none of 10,000 descriptors and 100,000 timers (RX10)" {
  compare many
}

@test "the reactor does the same as libevent for a long row of random calls (RX13)" {
  build_with_libevent random
  build_with_reactor random
  for seed in {1..12}; do
    assert_same random "$seed"
  done
}

@test "the buffers on the reactor do the same as libevent's for a long row of random calls (RX11)" {
  build_with_libevent buffers
  build_with_reactor buffers
  for seed in {1..6}; do
    assert_same buffers "$seed"
  done
}

@test "the reactor survives each allocation that fails, and leaks nothing (RX9 RX14)" {
  build_with_reactor no-memory
  run -0 run_one no-memory reactor
  assert_line --regexp '^[1-9][0-9]+ allocations, [1-9][0-9]* refusals$'
}

@test "a function that the reactor lacks is an error of the linker" {
  cat >"$BATS_TEST_TMPDIR/lacks.c" <<'END'
#include <event2/event.h>
int main(void)
{
    event_enable_debug_mode();
}
END
  sanitized
  run ! cc -std=gnu11 "${SANITIZE[@]}" -o "$BATS_TEST_TMPDIR/lacks" "$BATS_TEST_TMPDIR/lacks.c" \
    "$SHARED/libreactor.a"
  assert_output --partial "undefined reference to \`event_enable_debug_mode'"
}

@test "the core of the reactor has at most 1,000 lines of code" {
  run -0 "$ROOT/scripts/lib/count-code" "$ROOT"/chapters/17-reactor/reactor/*.[ch]
  ((${lines[-1]%% *} <= 1000)) || fail "$output"
}

@test "the buffers, bufferevents and listeners on the reactor have at most 1,200" {
  run -0 "$ROOT/scripts/lib/count-code" "$ROOT"/chapters/17-reactor/stream/*.[ch]
  ((${lines[-1]%% *} <= 1200)) || fail "$output"
}

# The stage programs of chapter 17. The server of stage 1 has no signal handler: the
# tests end it by force, and look that it lives until then.

setup() {
  load lib/course
}

teardown() {
  course_teardown
}

serve() { # [SED-SCRIPT [FLAG...]]: change the server of stage 1, and start it
  (($# == 0)) || build_own bare-loop "$@"
  start bare-loop
  unset "STARTED[$PID]"
  OTHERS+=("$PID")
}

assert_lives() {
  is_running "$PID" || fail "bare-loop has ended: $(<"$LOG")"
}

assert_closed() { # FD
  local reply status=0
  read -r -t "$LIMIT" -u "$1" reply || status=$?
  assert_equal "read: status $status" "read: status 1"
}

@test "bare-loop echoes two clients at a time" {
  serve
  open_client 5
  open_client 6
  assert_talks 5
  assert_talks 6
  assert_talks 5
  assert_lives
}

@test "bare-loop gives the place of the oldest client to the third (ST1)" {
  serve
  open_client 5
  assert_talks 5
  open_client 6
  assert_talks 6
  open_client 7
  assert_talks 7
  assert_closed 5
  assert_talks 6
  assert_lives
}

# What is ready comes in the order in which it became so: the third client, and then a
# line of the first, whose event the callback of the listener has just deleted.
@test "bare-loop does not touch an event that a callback of the same batch has deleted (ST2)" {
  serve "" -fsanitize=address
  open_client 5
  assert_talks 5
  open_client 6
  assert_talks 6
  kill -STOP "$PID"
  open_client 7
  echo "too late" >&5
  kill -CONT "$PID"
  assert_talks 7
  assert_talks 6
  assert_lives
}

@test "bare-loop sends a long answer piece by piece, and meanwhile serves another client (ST3)" {
  serve
  make_bytes "$BATS_TEST_TMPDIR/bytes" 8388608
  start_late_reader "$BATS_TEST_TMPDIR/bytes"
  open_client 6
  assert_talks 6
  assert_idle "$PID"
  cmp "$BATS_TEST_TMPDIR/bytes" - <&5
}

@test "bare-loop goes on after a client that resets its connection (ST4)" {
  serve
  for _ in 1 2 3; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
  assert_lives
}

@test "bare-loop without a free descriptor drops its oldest client, and does not spin (ST5)" {
  [[ ! ${UNDER-} ]] || skip "at its limit valgrind takes connections and closes them"
  local i fd clients=()
  FDS=20 serve 's/PLACES = 2/PLACES = 99/'
  for i in {1..20}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[i]=$fd
    assert_talks "$fd"
  done
  assert_closed "${clients[1]}"
  assert_regex "$(<"$LOG")" "bare-loop: cannot accept: "
  assert_idle "$PID"
}

@test "what stage 1 cannot do: a second event on a descriptor" {
  build_own bare-loop 's/^(    for \(;;\)).*$/    struct event second = listener;\n    if (watch_event(\&second, EPOLL_CTL_ADD, EPOLLOUT, accept_cb) < 0)\n        err(1, "cannot watch it again");\n\1/'
  run -1 course bare-loop 127.0.0.1 0
  assert_line "bare-loop: cannot watch it again: File exists"
}

@test "what stage 1 cannot do: end cleanly" {
  serve
  kill -TERM "$PID"
  assert_exit 143
}

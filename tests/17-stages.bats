# The stage programs of chapter 17. The server of stage 1 has no signal handler: the
# tests end it by force, and look that it lives until then.

# The other programs end by themselves and print the same each time: once is enough.
setup_file() {
  load lib/course
  print_once descriptor-map timer-heap signal-pipe priority-queues
}

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
  if [[ ${UNDER-} ]]; then serve; else serve "" -fsanitize=address; fi
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

@test "descriptor-map asks epoll for the union of what the events of a descriptor want (ST6)" {
  run -0 scene descriptor-map "three events on a descriptor, one registration"
  assert_line --index 0 --regexp "^reader added +epoll watches for: in, calls: 1$"
  assert_line --index 1 --regexp "^writer added +epoll watches for: in out, calls: 2$"
  assert_line --index 2 --regexp "^second reader added +epoll watches for: in out, calls: 2$"
  assert_line --index 4 "  second reader runs: in"
  assert_line --index 5 "  writer runs: out"
  assert_line --index 6 "  reader runs: in"
}

@test "descriptor-map takes back only what no other event wants (ST7)" {
  run -0 scene descriptor-map "three events on a descriptor, one registration"
  assert_line --regexp "^reader deleted +epoll watches for: in out, calls: 2$"
  assert_line --regexp "^writer deleted +epoll watches for: in, calls: 3$"
  assert_line --regexp "^second reader deleted +epoll watches for: nothing, calls: 4$"
}

@test "descriptor-map does not run an active event that a callback has deleted (ST8)" {
  run -0 scene descriptor-map "three events on a descriptor, one registration"
  assert_line --index 7 "its callback deletes the reader, which is active:"
  assert_line --index 8 "  second reader runs: in"
  assert_line --index 9 "  writer runs: out"
  assert_line --index 10 --regexp "^reader deleted "
}

@test "descriptor-map tells the events of a descriptor of its error (ST9)" {
  run -0 scene descriptor-map "an error, for which no event waits"
  assert_line --index 1 "  writer runs: out"
}

@test "descriptor-map uses a number again, and deletes an event whose descriptor was closed (ST10)" {
  run -0 scene descriptor-map "deleted, closed, and the number used again"
  assert_line --index 4 "  new runs: in"
  run -0 printed descriptor-map
  assert_line --index -1 "descriptor 2147483647: Too many open files"
}

@test "what stage 2 cannot do: notice that a number was closed before its event was deleted" {
  run -0 scene descriptor-map "what it cannot do: notice that the number was closed before"
  assert_line --index 1 "input comes, a round:"
  assert_line --index 2 --regexp "^new deleted "
  assert_line --index 6 "  new runs: in"
}

@test "descriptor-map calls epoll_ctl as often as it says" {
  need_strace
  strace -o "$BATS_TEST_TMPDIR/calls" -e trace=epoll_ctl "$(program descriptor-map)" >"$BATS_TEST_TMPDIR/out"
  run -0 tail -n 2 "$BATS_TEST_TMPDIR/out"
  assert_regex "$output" "calls: $(grep -c '^epoll_ctl(' "$BATS_TEST_TMPDIR/calls")"
}

@test "timer-heap fires timers that are due at the same time in the order of being added (ST11)" {
  run -0 scene timer-heap "due at the same time, in the order of being added"
  assert_output "first
second
third
fourth
fifth"
}

@test "timer-heap puts a timer that is added again behind those of the same time (ST12)" {
  run -0 scene timer-heap "the first is added again, due with the third"
  assert_output "second
third
first
fourth
fifth"
}

@test "timer-heap does not fire a due timer that a callback has deleted (ST13)" {
  run -0 scene timer-heap "the second is deleted"
  assert_line --index 1 third
  run -0 scene timer-heap "the callback of the first adds it twice, and deletes the second"
  assert_output "first
third
fourth
fifth
first
first"
}

@test "timer-heap rounds up what epoll_wait waits (ST14)" {
  run -0 printed timer-heap
  assert_line "20 timers of 0.9 ms: 0 useless calls of epoll_wait"
}

@test "timer-heap deletes from anywhere in as many steps as the heap is deep (ST15)" {
  run -0 printed timer-heap
  assert_line "50000 of 100000 timers fired, 0 out of order, at most 16 steps each"
}

@test "what stage 3 cannot do: wake up for a flag that a signal handler has set" {
  run -0 scene timer-heap "what it cannot do: wake up for a signal"
  assert_output "the next timer
a flag that was set before the wait: 1"
}

@test "signal-pipe calls the events of a signal in the loop, with the count of it (ST16)" {
  run -0 scene signal-pipe "a signal comes three times, and two events wait for it"
  assert_output "the handler has run
second runs: the signal came 3 times
first runs: the signal came 3 times"
}

@test "signal-pipe has a handler that keeps errno and does not wait for a full pipe (ST17 ST18)" {
  run -0 scene signal-pipe "so often that the pipe is full"
  assert_output "errno is as it was
first runs: the signal came 1000 times or more"
}

@test "signal-pipe goes on after an interrupted epoll_wait (ST19)" {
  run -0 scene signal-pipe "a signal that was ignored interrupts epoll_wait"
  assert_line "alarm runs: the signal came 1 times"
}

@test "signal-pipe restores what was done about a signal (ST20)" {
  run -0 scene signal-pipe "a signal that was ignored interrupts epoll_wait"
  assert_line "after its event was deleted it is ignored"
}

@test "what stage 4 cannot do: give a child a pipe of its own" {
  run -0 scene signal-pipe "what it cannot do: a child with a pipe of its own"
  assert_output "the child got a signal, the parent none
the parent's event runs: the signal came 1 times"
}

@test "priority-queues runs what a callback makes active and is more urgent next (ST21)" {
  run -0 scene priority-queues "active in this order: low, middle, second middle"
  assert_output "middle, makes high active
high
second middle
low"
}

@test "priority-queues runs one queue a round: a high event that stays ready starves a low one (ST22)" {
  run -0 scene priority-queues "what it cannot do: serve a low event while a high one is always ready"
  assert_output "a high descriptor ran 1000 times, a high timer 1 times
a high descriptor ran 1000 times, a low timer 0 times"
}

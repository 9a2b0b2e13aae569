setup() {
  load lib/course
  load lib/servers
  need_uring
}

teardown() {
  course_teardown
}

@test "uring-echo gives back messages of every size, also to a client that half-closes" {
  local size
  start uring-echo
  for size in 1 65536 65537 8388608; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask "$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/answer"
    cmp "$BATS_TEST_TMPDIR/message" "$BATS_TEST_TMPDIR/answer"
  done
  wait_for_line "^client closed$" 4
}

# A request to send ends with what the socket takes: the rest has to be sent, too.
@test "uring-echo keeps its memory when a client does not read, serves others, and then sends it all (UR1) (UR2)" {
  local before
  make_bytes "$BATS_TEST_TMPDIR/message" $((16 << 20))
  build_with_small_buffers uring-echo
  start uring-echo
  before=$(memory_of "$PID")
  start_late_reader "$BATS_TEST_TMPDIR/message"
  assert_grew_at_most 1024 "$before" "$PID"
  open_client 6
  assert_talks 6
  cmp - "$BATS_TEST_TMPDIR/message" <&5
}

@test "uring-echo serves 100 clients at the same time, and asks silent ones whether they exist (UR3)" {
  start uring-echo
  assert_talks_to_many 100
  wait_for asks_silent_peers
  settle "$PID"
}

@test "uring-echo survives clients that send and close without reading (UR4)" {
  start uring-echo
  for _ in {1..20}; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
}

@test "uring-echo takes 300 connections while it is stopped" {
  takes_300_connections_while_stopped uring-echo
}

# Each time a client leaves, the next is served at once, not after a rest, which is a
# thousand seconds here. The kernel refuses to accept although nobody waits, too.
@test "uring-echo accepts again as soon as a descriptor is free, and rests until then (UR5) (UR6)" {
  local i fd waiting=()
  [[ ! ${UNDER-} ]] || skip "at its limit valgrind takes connections and closes them"
  build_own uring-echo 's/REST = 1,/REST = 1000,/' -O2
  FDS=20 start uring-echo
  for i in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    waiting[i]=$fd
  done
  wait_for_line "^uring-echo: cannot accept, trying again in a second: Too many open files$"
  settle "$PID"
  for i in {1..30}; do
    assert_talks "${waiting[i]}"
    close_client "${waiting[i]}"
  done
}

# No client of its own frees a descriptor here.
@test "uring-echo accepts again after a second, and says once that it cannot (UR7)" {
  [[ ! ${UNDER-} ]] || skip "valgrind keeps descriptors for itself"
  start uring-echo
  open_client 5
  assert_talks 5
  prlimit --pid "$PID" --nofile=5:
  open_client 6 # the request that takes it was made before
  wait_for_line "cannot accept"
  open_client 7
  settle "$PID"
  prlimit --pid "$PID" --nofile=64:
  assert_talks 7
  assert_equal "$(count_lines "cannot accept")" 1
}

@test "uring-echo drops a client that it finds no memory for, and goes on" {
  [[ $BUILD != */asan && ! ${UNDER-} ]] || skip "the sanitizers and valgrind need more memory"
  drops_clients_that_find_no_memory uring-echo
}

ends_while_clients() { # SIGNAL
  make_bytes "$BATS_TEST_TMPDIR/message" $((8 << 20))
  start uring-echo
  open_client 6 # it is silent: a request to receive is under way
  assert_talks 6
  start_late_reader "$BATS_TEST_TMPDIR/message" # and here to send
  kill "-$1" "$PID"
  assert_exit 0
  close_client 5
  close_client 6
}

@test "uring-echo ends at SIGINT and SIGTERM, and frees a connection once its request is cancelled (UR8) (UR9)" {
  find_leaks_in uring-echo
  ends_while_clients INT
  ends_while_clients TERM
}

@test "uring-echo goes on without a reader of its output, and without standard descriptors" {
  serves_with_a_full_pipe uring-echo
  serves_without_standard_descriptors uring-echo
}

all_are_answered() {
  [[ $(grep -c '^hello$' "$BATS_TEST_TMPDIR/answers") == 50 ]]
}

# With epoll they would be a hundred: to receive and to send for each.
@test "uring-echo answers 50 clients that speak at the same time with a few system calls (UR10)" {
  need_strace
  local fd
  start uring-echo
  assert_talks_to_many 50
  settle "$PID"
  trace -e trace=network,io_uring_enter
  kill -STOP "$PID"
  for fd in "${CLIENTS[@]}"; do echo hello >&"$fd"; done
  kill -CONT "$PID"
  for fd in "${CLIENTS[@]}"; do head -n 1 <&"$fd"; done >"$BATS_TEST_TMPDIR/answers"
  wait_for all_are_answered
  calls=$(grep -cE '^(io_uring_enter|recv|send)' "$BATS_TEST_TMPDIR/trace")
  ((calls <= 25)) || fail "$calls system calls"
}

@test "uring-echo says that io_uring is forbidden or missing, with a status of its own (UR11)" {
  need_strace
  local error
  for error in EPERM:"Operation not permitted" ENOSYS:"Function not implemented"; do
    run -3 --separate-stderr strace -o /dev/null -e "inject=io_uring_setup:error=${error%%:*}" "$(program uring-echo)" 127.0.0.1 0
    assert_output ""
    # shellcheck disable=SC2154 # run sets it
    assert_equal "$stderr" "uring-echo: cannot use io_uring here: ${error#*:}"
  done
  run -1 --separate-stderr strace -o /dev/null -e inject=io_uring_setup:error=ENOMEM "$(program uring-echo)" 127.0.0.1 0
  assert_equal "$stderr" "uring-echo: cannot make a ring: Cannot allocate memory"
}

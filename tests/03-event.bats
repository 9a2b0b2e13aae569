setup() {
  load lib/course
  load lib/servers
}

teardown() {
  course_teardown
}

# The states of one scene of event-states, a line each.
states() { # TITLE
  scene event-states "$1" | sed -E 's/ +event_pending:.*//; s/^ +//; s/  +/: /'
}

@test "a timeout goes from non-pending to pending, active, and back" {
  run -0 states "a timeout"
  assert_output "event_new: non-pending
event_add: pending
it has happened: pending
the loop has seen it: active
in its callback: non-pending
after its callback: non-pending"
}

@test "event_remove_timer removes the timeout alone, the event waits on (D4)" {
  run -0 scene event-states "a pipe, EV_READ | EV_PERSIST"
  assert_line --index 6 "event_add              pending              event_pending: EV_TIMEOUT EV_READ"
  assert_line --index 7 "event_remove_timer     pending              event_pending: EV_READ"
}

@test "an event with EV_PERSIST stays pending after its callback (T11)" {
  run -0 states "a pipe, EV_READ | EV_PERSIST"
  assert_output "event_new: non-pending
event_add: pending
it has happened: pending
the loop has seen it: pending and active
in its callback: pending
after its callback: pending
event_add: pending
event_remove_timer: pending
event_del: non-pending"
}

@test "a signal event goes through the same states" {
  run -0 states "a signal, EV_SIGNAL | EV_PERSIST"
  assert_output --partial "it has happened: pending
the loop has seen it: pending and active
in its callback: pending
after its callback: pending"
}

@test "an event knows what event_new was told, and libevent has events of its own (D1)" {
  run -0 scene event-states "a signal, EV_SIGNAL | EV_PERSIST"
  assert_equal "$(tail -n 3 <<<"$output")" "an event of libevent's own, which wakes it for signals
our event: fd 10, events 0x18, argument: the base
at most 2 events were active at the same time"
}

@test "event_active makes an event active without event_add, event_del undoes it" {
  run -0 states "made active by hand"
  assert_line --index 1 "event_active: active"
  assert_line --index 2 "in its callback: non-pending"
  run -0 states "made active by hand, then deleted"
  assert_line --index 1 "event_active: pending and active"
  assert_line --index 2 "event_del: non-pending"
  refute_line --partial "in its callback"
}

@test "echo-server gives back messages of every size, byte for byte" {
  start echo-server
  for size in 1 255 256 257 1000 4096 65536 65537 1048576 67108864; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask "$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/answer"
    cmp "$BATS_TEST_TMPDIR/message" "$BATS_TEST_TMPDIR/answer"
  done
}

@test "echo-server gives back all 256 byte values, NUL among them" {
  start echo-server
  for value in {0..255}; do
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %x "$value")"
  done >"$BATS_TEST_TMPDIR/message"
  ask "$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/answer"
  cmp "$BATS_TEST_TMPDIR/message" "$BATS_TEST_TMPDIR/answer"
}

@test "echo-server answers a message that comes one byte at a time" {
  start echo-server
  open_client 5
  for letter in h e l l o; do
    printf %s "$letter" >&5
    read -r -t "$LIMIT" -N 1 -u 5 reply
    assert_equal "$reply" "$letter"
  done
}

@test "echo-server serves 200 clients at once" {
  start echo-server
  assert_talks_to_many 200
}

@test "echo-server goes on with one client when another has closed (E1)" {
  start echo-server
  open_client 5
  open_client 6
  assert_talks 5
  assert_talks 6
  close_client 5
  wait_for_line "^client closed$"
  assert_talks 6
  close_client 6
  wait_for_line "^client closed$" 2
}

@test "echo-server answers a client that got the descriptor of a closed one (E2)" {
  start echo-server
  open_client 5
  open_client 6
  assert_talks 5
  assert_talks 6
  for round in 1 2 3; do
    close_client 5
    wait_for_line "^client closed$" "$round"
    open_client 5
    assert_talks 5
  done
}

@test "echo-server answers the next client when the second of two closed first (E3)" {
  start echo-server
  open_client 5
  open_client 6
  assert_talks 5
  assert_talks 6
  close_client 6
  wait_for_line "^client closed$"
  assert_talks 5
  close_client 5
  wait_for_line "^client closed$" 2
  open_client 7
  assert_talks 7
}

@test "echo-server serves a second wave of 50 clients like the first (E4)" {
  start echo-server
  for _ in 1 2; do
    assert_talks_to_many 50
    close_clients
  done
  wait_for_line "^client closed$" 100
}

@test "echo-server on poll is idle after one of two clients has closed (E5)" {
  EVENT_NOEPOLL=1 start echo-server
  open_client 5
  open_client 6
  assert_talks 5
  assert_talks 6
  close_client 5
  wait_for_line "^client closed$"
  assert_idle "$PID"
  assert_talks 6
}

@test "echo-server on select lives on after one of two clients has closed (E6)" {
  EVENT_NOEPOLL=1 EVENT_NOPOLL=1 start echo-server
  open_client 5
  open_client 6
  assert_talks 5
  assert_talks 6
  close_client 5
  wait_for_line "^client closed$"
  assert_talks 6
  is_running "$PID"
}

@test "echo-server frees its events before the base (E7)" {
  start echo-server
  open_client 5
  assert_talks 5
  kill -INT "$PID"
  assert_exit 0
}

@test "echo-server ends well when no client ever came (E8)" {
  start echo-server
  kill -INT "$PID"
  assert_exit 0
}

@test "echo-server leaves its loop and cleans up at SIGINT and at SIGTERM (E9)" {
  for signal in INT TERM; do
    start echo-server
    kill "-$signal" "$PID"
    assert_exit 0
  done
}

@test "echo-server survives clients that send and close without reading (E10)" {
  start echo-server
  for _ in {1..20}; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
}

@test "echo-server does not start on a port that is in use (E11)" {
  start echo-server
  run -1 course echo-server 127.0.0.1 "$PORT"
  assert_output "echo-server: cannot listen on 127.0.0.1 port $PORT: Address already in use"
}

@test "echo-server starts again at once on the port it has just left (E12)" {
  start echo-server
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  assert_exit 0
  close_client 5
  port=$PORT
  start echo-server 127.0.0.1 "$port"
  assert_equal "$PORT" "$port"
  open_client 5
  assert_talks 5
}

@test "echo-server answers others while one client does not read (E13)" {
  start echo-server
  open_client 5
  head -c 32M /dev/zero >&5 3>&- &
  OTHERS+=("$!")
  close_client 5
  settle "$PID"
  open_client 6
  assert_talks 6
}

@test "echo-server keeps its memory when a client does not read, and then sends it all" {
  start echo-server
  make_bytes "$BATS_TEST_TMPDIR/message" $((32 << 20))
  before=$(memory_of "$PID")
  start_late_reader "$BATS_TEST_TMPDIR/message"
  assert_grew_at_most 1024 "$before" "$PID"
  cmp - "$BATS_TEST_TMPDIR/message" <&5
}

@test "echo-server pauses when descriptors run out, and recovers (E14)" {
  FDS=20 start echo-server
  begin=$SECONDS
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  settle "$PID"
  wait_for_line "cannot accept, trying again in a second: Too many open files"
  warnings=$(count_lines "cannot accept")
  ((warnings <= SECONDS - begin + 2)) || fail "$warnings warnings"
  for client in {1..20}; do
    close_client "${clients[client]}"
  done
  # At its own limit valgrind takes a connection and closes it.
  [[ ! ${UNDER-} ]] || return 0
  assert_talks "${clients[30]}"
}

@test "echo-server keeps no memory for clients that have left (E15)" {
  find_leaks_in echo-server
  start echo-server
  for _ in {1..20}; do
    open_client 5
    assert_talks 5
    close_client 5
  done
  wait_for_line "^client closed$" 20
  kill -TERM "$PID"
  assert_exit 0
}

@test "echo-server fails with a reason when no back end is left (E16)" {
  EVENT_NOEPOLL=1 EVENT_NOPOLL=1 EVENT_NOSELECT=1 run -1 course echo-server 127.0.0.1 0
  assert_line "echo-server: cannot make an event base"
}

@test "echo-server's lines are written when they happen (E18)" {
  start echo-server
  ask <<<hello
  wait_for_line "^client closed$"
  kill -KILL "$PID"
  assert_exit 137
  has_lines 1 "^client closed$"
}

@test "echo-server frees its open connections at the end" {
  find_leaks_in echo-server
  start echo-server
  open_client 5
  open_client 6
  assert_talks 5
  assert_talks 6
  kill -TERM "$PID"
  assert_exit 0
}

@test "echo-server listens on IPv6 too" {
  start echo-server ::1
  run -0 nc -N ::1 "$PORT" <<<hello
  assert_output hello
}

@test "echo-server resolves names" {
  run -1 course echo-server no-such-host.invalid 0
  assert_output --regexp "^echo-server: cannot resolve no-such-host.invalid: "
}

@test "echo-server refuses ports that are no whole number from 0 to 65535" {
  for port in 65536 70000 -1 80x x '' 4294967297 99999999999999999999; do
    run -2 course echo-server 127.0.0.1 "$port"
    assert_output --partial "usage: echo-server"
  done
}

@test "echo-server says why it may not use a privileged port" {
  ((EUID != 0)) || drop=(setpriv --reuid 65534 --clear-groups)
  (($(sysctl -n net.ipv4.ip_unprivileged_port_start 2>/dev/null || echo 1024) > 7)) ||
    skip "ports below 1024 are free for all here"
  cp "$(program echo-server)" "$BATS_TEST_TMPDIR/echo-server"
  chmod 711 "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "${BATS_TEST_TMPDIR%/*/*}" "$BATS_TEST_TMPDIR"
  run -1 "${drop[@]}" "$BATS_TEST_TMPDIR/echo-server" 127.0.0.1 7
  assert_output "echo-server: cannot listen on 127.0.0.1 port 7: Permission denied"
}

@test "echo-server goes on when no process reads its output (E19)" {
  serves_with_a_full_pipe echo-server
}

@test "echo-server goes on when its terminal is stopped (E19)" {
  serves_on_a_stopped_terminal echo-server
}

@test "echo-server keeps the numbers of missing standard descriptors free (E20)" {
  serves_without_standard_descriptors echo-server
}

@test "echo-server serves the next client as soon as a descriptor is free (E21)" {
  serves_as_soon_as_a_descriptor_is_free echo-server
}

@test "echo-server lets 300 clients wait while it is busy (E22)" {
  takes_300_connections_while_stopped echo-server
}

@test "echo-server has the kernel ask silent peers whether they still exist (E25)" {
  start echo-server
  open_client 5
  assert_talks 5
  wait_for asks_silent_peers
}

@test "echo-server can be ended while it looks up a name (E23)" {
  ends_while_it_looks_up_a_name echo-server
}

@test "echo-server drops clients that find no memory, and lives on (E24)" {
  drops_clients_that_find_no_memory echo-server
}

@test "event-states exits 1 when its output cannot be written" {
  run -1 states_to_a_full_disk
  assert_output "event-states: cannot write to standard output: No space left on device"
}

states_to_a_full_disk() {
  course event-states >/dev/full
}

setup() {
  load lib/course
}

teardown() {
  course_teardown
}

# listener-pause has two listeners: PORT is the first's, SECOND the other's.
start_two() {
  start listener-pause "$@"
  wait_for_line "^listening on" 2
  SECOND=$(sed -n 's/^listening on .* port //p' "$LOG" | sed -n 2p)
}

@test "evconnlistener_new_bind and evconnlistener_new both accept" {
  start_two
  run -0 nc -N 127.0.0.1 "$PORT" </dev/null
  assert_output "hello, client 1"
  run -0 nc -N 127.0.0.1 "$SECOND" </dev/null
  assert_output "hello, client 2"
  has_lines 1 "^client 1, by the first listener$"
  has_lines 1 "^client 2, by the second listener$"
}

@test "a disabled listener leaves clients in the backlog, enabled it serves them" {
  start_two
  kill -USR1 "$PID"
  wait_for_line "^paused"
  exec 5<>"/dev/tcp/127.0.0.1/$PORT" 6<>"/dev/tcp/127.0.0.1/$SECOND"
  run -142 read -r -t 0.2 -u 5 _
  assert_equal "$(count_lines "^client")" 0
  kill -USR1 "$PID"
  wait_for_line "^resumed$"
  read -r -t "$LIMIT" -u 5 first
  read -r -t "$LIMIT" -u 6 second
  assert_regex "$first $second" "^hello, client [12] hello, client [12]$"
}

@test "a paused listener is idle while clients wait" {
  start_two
  kill -USR1 "$PID"
  wait_for_line "^paused"
  exec 5<>"/dev/tcp/127.0.0.1/$PORT"
  assert_idle "$PID"
}

@test "with no descriptor left the listeners rest, and recover" {
  FDS=12 start_two
  kill -USR1 "$PID"
  wait_for_line "^paused"
  for client in {1..12}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  kill -USR1 "$PID"
  wait_for_line "^listener-pause: cannot accept, trying again in a second: Too many open files$"
  assert_idle "$PID"
  # At its own limit valgrind takes a connection and closes it; the kernel leaves
  # it in the backlog, to be greeted later.
  [[ ! ${UNDER-} ]] || return 0
  for fd in "${clients[@]}"; do
    read -r -t "$LIMIT" -u "$fd" reply
    assert_regex "$reply" "^hello, client [0-9]+$"
  done
  (($(count_lines "cannot accept") <= 12)) || fail "$(count_lines "cannot accept") warnings"
}

@test "a rest does not end a pause" {
  FDS=12 start_two
  kill -USR1 "$PID"
  wait_for_line "^paused"
  for client in {1..12}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  done
  kill -USR1 "$PID"
  wait_for_line "cannot accept"
  kill -USR1 "$PID"
  wait_for_line "^paused" 2
  before=$(count_lines "^client")
  sleep 1.2 # longer than the rest
  assert_equal "$(count_lines "^client")" "$before"
}

@test "listener-pause survives clients that go at once" {
  start_two
  for _ in {1..50}; do
    exec 5<>"/dev/tcp/127.0.0.1/$PORT"
    exec 5>&-
  done
  wait_for_line "^client 50"
  run -0 nc -N 127.0.0.1 "$PORT" </dev/null
  assert_output "hello, client 51"
}

@test "listener-pause frees its open connections and listeners at SIGINT" {
  find_leaks_in listener-pause
  start_two
  exec 5<>"/dev/tcp/127.0.0.1/$PORT"
  kill -INT "$PID"
  assert_exit 0
}

@test "listener-pause listens on IPv6, and not on a port in use" {
  start_two ::1
  run -0 nc -N ::1 "$SECOND" </dev/null
  assert_output "hello, client 1"
  run -1 course listener-pause ::1 "$PORT"
  assert_line "listener-pause: cannot listen on ::1 port $PORT: Address already in use"
}

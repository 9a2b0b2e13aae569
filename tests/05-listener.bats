setup() {
  load lib/course
  load lib/servers
  # shellcheck disable=SC2317 # called by lib/servers
  # Its clients are greeted: nothing that they say is answered.
  assert_talks() { # FD
    local greeting
    read -r -t "$LIMIT" -u "$1" greeting || fail "client $1 is not greeted"
    assert_regex "$greeting" "^hello, client [0-9]+$"
  }
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

@test "the timer of a pause for descriptors does not end a pause by hand" {
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

# Connect, say 1000 bytes, and read what comes: the last line is "end" or the error.
talk_first() {
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    my $port = shift;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    syswrite($s, "x" x 1000);
    print "sent\n"; $| = 1; print ""; <STDIN>;
    my $got;
    while ($got = sysread($s, my $bytes, 4096)) { print $bytes }
    print defined $got ? "end\n" : "$!\n"' "$PORT"
}

@test "a client that spoke first reads the greeting and the end, no reset (J1)" {
  start_two
  kill -USR1 "$PID"
  wait_for_line "^paused"
  mkfifo "$BATS_TEST_TMPDIR/go"
  talk_first <"$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/client" 3>&- &
  OTHERS+=($!)
  exec 6>"$BATS_TEST_TMPDIR/go"
  wait_for grep -q sent "$BATS_TEST_TMPDIR/client"
  kill -USR1 "$PID"
  wait_for_line "^client 1"
  settle "$PID"
  echo go >&6
  wait_for has_ended "${OTHERS[-1]}"
  run -0 cat "$BATS_TEST_TMPDIR/client"
  assert_output "sent
hello, client 1
end"
}

@test "a client that does not close after the greeting is not waited for" {
  build_own listener-pause 's/(LINGER = )\{2, 0\}/\1{0, 100000}/'
  start_two
  before=$(descriptors_of "$PID")
  open_client 5
  assert_talks 5
  has_descriptors "$PID" $((before + 1)) || has_descriptors "$PID" "$before"
  wait_for has_descriptors "$PID" "$before"
}

descriptors_of() { # PID
  find "/proc/$1/fd" -mindepth 1 | wc -l
}

has_descriptors() { # PID COUNT
  [[ $(descriptors_of "$1") == "$2" ]]
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

@test "listener-pause goes on when no process reads its output" {
  serves_with_a_full_pipe listener-pause
}

@test "listener-pause goes on when its terminal is stopped" {
  serves_on_a_stopped_terminal listener-pause
}

@test "listener-pause keeps the numbers of missing standard descriptors free" {
  serves_without_standard_descriptors listener-pause
}

@test "listener-pause serves the next client as soon as a descriptor is free" {
  serves_as_soon_as_a_descriptor_is_free listener-pause
}

@test "listener-pause lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped listener-pause
}

@test "the kernel asks silent peers of both listeners whether they still exist (J2)" {
  build_own listener-pause 's/(LINGER = )\{2, 0\}/\1{60, 0}/'
  start_two
  open_client 5
  assert_talks 5
  wait_for asks_silent_peers
  PORT=$SECOND
  open_client 6
  assert_talks 6
  wait_for asks_silent_peers
}

@test "listener-pause can be ended while it looks up a name" {
  ends_while_it_looks_up_a_name listener-pause
}

setup() {
  load lib/course
  load lib/servers
}

teardown() {
  course_teardown
}

milliseconds() {
  echo $(($(date +%s%N) / 1000000))
}

@test "signal-shutdown leaves at once when nobody is connected" {
  for signal in INT TERM; do
    start signal-shutdown
    begin=$(milliseconds)
    kill "-$signal" "$PID"
    assert_exit 0
    (($(milliseconds) - begin < (${UNDER:+4}1 * 1000))) || fail "it waited"
    has_lines 1 "^Caught an interrupt signal; exiting at once\.$"
    has_lines 1 "^done$"
  done
}

@test "signal-shutdown leaves after two seconds when a client stays" {
  start signal-shutdown
  open_client 5
  assert_talks 5
  begin=$(milliseconds)
  kill -INT "$PID"
  assert_exit 0
  took=$(($(milliseconds) - begin))
  ((took >= 1950)) || fail "it took $took ms"
  has_lines 1 "^Caught an interrupt signal; exiting cleanly in two seconds\.$"
  has_lines 1 "^done$"
}

@test "signal-shutdown leaves as soon as the last client has gone" {
  start signal-shutdown
  open_client 5
  assert_talks 5
  begin=$(milliseconds)
  kill -TERM "$PID"
  wait_for_line "^Caught"
  exec 5>&-
  assert_exit 0
  (($(milliseconds) - begin < (${UNDER:+4}1900))) || fail "it waited"
}

@test "signal-shutdown tells its clients that it is leaving" {
  start signal-shutdown
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  run -1 read -r -t "$LIMIT" -u 5 _
}

@test "signal-shutdown accepts nobody once it is leaving" {
  start signal-shutdown
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  wait_for_line "^Caught"
  run -1 nc -z 127.0.0.1 "$PORT"
}

@test "signal-shutdown finishes the answer that is under way" {
  # Under valgrind two seconds are too few for so much.
  [[ ! ${UNDER-} ]] || build_own signal-shutdown 's/(GRACE = \{)2/\130/'
  start signal-shutdown
  make_bytes "$BATS_TEST_TMPDIR/message" $((16 << 20))
  start_late_reader "$BATS_TEST_TMPDIR/message"
  kill -TERM "$PID"
  wait_for_line "^Caught"
  cmp - "$BATS_TEST_TMPDIR/message" <&5
  assert_exit 0
}

@test "signal-shutdown leaves at once at the second signal" {
  start signal-shutdown
  open_client 5
  assert_talks 5
  begin=$(milliseconds)
  kill -INT "$PID"
  wait_for_line "exiting cleanly in two seconds"
  kill -INT "$PID"
  assert_exit 0
  (($(milliseconds) - begin < (${UNDER:+4}1900))) || fail "it waited"
  has_lines 1 "exiting at once"
}

@test "signal-shutdown prints statistics at SIGUSR1 and SIGHUP, and goes on" {
  start signal-shutdown
  open_client 5
  assert_talks 5
  kill -USR1 "$PID"
  wait_for_line "^clients 1, open 1, bytes 8$"
  open_client 6
  assert_talks 6
  kill -HUP "$PID"
  wait_for_line "^clients 2, open 2, bytes 16$"
  exec 6>&-
  assert_talks 5
  wait_for_statistics "^clients 2, open 1, bytes 24$"
}

# Ask until the numbers are there: the close is not heard at once.
wait_for_statistics() { # REGEX
  wait_for ask_statistics "$1"
}

ask_statistics() { # REGEX
  kill -USR1 "$PID"
  has_lines 1 "$1"
}

@test "signal-shutdown throws away what comes after its goodbye" {
  start signal-shutdown
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  run -1 read -r -t "$LIMIT" -u 5 _
  echo late >&5
  exec 5>&-
  assert_exit 0
  assert_equal "$(count_lines "got an error")" 0
}

@test "signal-shutdown frees its open connections" {
  find_leaks_in signal-shutdown
  start signal-shutdown
  for fd in 5 6 7; do
    open_client "$fd"
    assert_talks "$fd"
  done
  kill -INT "$PID"
  wait_for_line "^Caught"
  kill -INT "$PID"
  assert_exit 0
}

@test "signal-shutdown echoes messages of every size, byte for byte" {
  start signal-shutdown
  for size in 1 256 257 4096 1048576 16777216; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask "$BATS_TEST_TMPDIR/message" | cmp - "$BATS_TEST_TMPDIR/message"
  done
}

@test "signal-shutdown keeps its memory when a client does not read" {
  start signal-shutdown
  before=$(memory_of "$PID")
  open_client 5
  head -c 200M /dev/zero >&5 3>&- &
  OTHERS+=($!)
  settle "$PID"
  assert_grew_at_most 2048 "$before" "$PID"
  is_running $! || fail "all 200 MiB were taken"
}

@test "signal-shutdown keeps single bytes for a client that never reads in little memory (U19)" {
  keeps_single_bytes_small signal-shutdown
}

@test "signal-shutdown goes on when nobody reads its output" {
  serves_with_a_full_pipe signal-shutdown
}

@test "signal-shutdown goes on when its terminal is stopped" {
  serves_on_a_stopped_terminal signal-shutdown
}

@test "signal-shutdown keeps the numbers of missing standard descriptors free" {
  serves_without_standard_descriptors signal-shutdown
}

@test "signal-shutdown serves the next client as soon as a descriptor is free" {
  serves_as_soon_as_a_descriptor_is_free signal-shutdown
}

@test "signal-shutdown lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped signal-shutdown
}

@test "signal-shutdown has the kernel ask silent peers whether they still exist" {
  start signal-shutdown
  open_client 5
  assert_talks 5
  wait_for asks_silent_peers
}

@test "signal-shutdown can be ended while it looks up a name" {
  ends_while_it_looks_up_a_name signal-shutdown
}

@test "signal-shutdown drops clients that find no memory, and lives on" {
  drops_clients_that_find_no_memory signal-shutdown
}

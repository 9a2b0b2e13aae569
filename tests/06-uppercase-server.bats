setup() {
  load lib/course
  load lib/servers
  CAPITALS=yes
}

teardown() {
  course_teardown
}

# Send SIZE bytes, half-close, and compare the answer byte for byte.
assert_answers() { # SIZE
  make_bytes "$BATS_TEST_TMPDIR/message" "$1"
  upper <"$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/expected"
  ask "$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/answer"
  cmp "$BATS_TEST_TMPDIR/answer" "$BATS_TEST_TMPDIR/expected"
}

@test "uppercase-server answers a message of 1000 bytes whole (U1)" {
  start uppercase-server
  open_client 5
  message=$(printf 'x%.0s' {1..1000})
  printf %s "$message" >&5
  read -r -t "$LIMIT" -N 1000 -u 5 reply
  assert_equal "$reply" "${message^^}"
}

@test "uppercase-server answers messages of every size, byte for byte" {
  start uppercase-server
  for size in 1 255 256 257 1000 4096 4097 65536 1048576 67108864; do
    assert_answers "$size"
  done
}

@test "uppercase-server answers later messages in step (U2)" {
  start uppercase-server
  open_client 5
  for message in "$(printf 'x%.0s' {1..1000})" end "$(printf 'y%.0s' {1..5000})" last; do
    echo "$message" >&5
    read -r -t "$LIMIT" -u 5 reply
    assert_equal "$reply" "${message^^}"
  done
}

@test "uppercase-server answers all that came before the end of input (U3)" {
  start uppercase-server
  for _ in {1..50}; do
    run -0 ask <<<"$(printf 'x%.0s' {1..1000})"
    assert_equal "${#output}" 1000
  done
}

@test "uppercase-server sends the whole answer to a half-closed, slow reader (U4)" {
  # With this much room the server sees the end of input at once, and then has
  # more to send than the kernel takes.
  build_own uppercase-server 's/(HIGH = )256 \* 1024/\1 64 << 20/'
  start uppercase-server
  make_bytes "$BATS_TEST_TMPDIR/message" $((16 << 20))
  start_late_reader "$BATS_TEST_TMPDIR/message"
  cmp - <(upper <"$BATS_TEST_TMPDIR/message") <&5
}

@test "uppercase-server keeps its memory when a client never reads 200 MiB (U5)" {
  start uppercase-server
  before=$(memory_of "$PID")
  open_client 5
  head -c 200M /dev/zero >&5 3>&- &
  OTHERS+=($!)
  settle "$PID"
  assert_grew_at_most 2048 "$before" "$PID"
  is_running $! || fail "all 200 MiB were taken"
}

@test "uppercase-server gives every byte of 32 MiB to a client that reads late, and says so" {
  start uppercase-server
  make_bytes "$BATS_TEST_TMPDIR/message" $((32 << 20))
  start_late_reader "$BATS_TEST_TMPDIR/message"
  cmp - <(upper <"$BATS_TEST_TMPDIR/message") <&5
  wait_for_line "^flushed answer$"
  wait_for_line "^Connection closed\.$"
}

@test "uppercase-server answers others while one client does not read" {
  start uppercase-server
  open_client 5
  head -c 32M /dev/zero >&5 3>&- &
  OTHERS+=($!)
  settle "$PID"
  open_client 6
  assert_talks 6
}

@test "uppercase-server survives clients that send and close without reading (U6)" {
  start uppercase-server
  for _ in {1..20}; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
}

@test "uppercase-server frees the connections that are open at the end (U7)" {
  find_leaks_in uppercase-server
  # What only a frame that has been left still points to is a leak as well.
  start uppercase-server
  for fd in 5 6 7; do
    open_client "$fd"
    assert_talks "$fd"
  done
  kill -INT "$PID"
  wait_for_line "exiting cleanly"
  kill -INT "$PID"
  assert_exit 0
}

@test "uppercase-server rests when descriptors run out, and recovers (U8)" {
  FDS=20 start uppercase-server
  began=$SECONDS
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  wait_for_line "Too many open files$"
  assert_idle "$PID"
  has_lines 1 "^uppercase-server: cannot accept, trying again in a second: Too many open files$"
  warnings=$(count_lines "cannot accept")
  ((warnings <= SECONDS - began + 2)) || fail "$warnings warnings"
  for client in {1..20}; do
    close_client "${clients[client]}"
  done
  # At its own limit valgrind takes a connection and closes it.
  [[ ! ${UNDER-} ]] || return 0
  assert_talks "${clients[30]}"
}

@test "uppercase-server names the error of the connection, whatever else fails (U9)" {
  mkfifo "$BATS_TEST_TMPDIR/out"
  path=$(program uppercase-server)
  "${UNDER_COMMAND[@]}" "$path" 127.0.0.1 0 >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err.log" 3>&- &
  PID=$! LOG=$BATS_TEST_TMPDIR/err.log
  STARTED[$PID]=$LOG
  # Standard output is gone after the first line: writing to it now is EPIPE.
  read -r -t "$LIMIT" _ _ _ _ PORT <"$BATS_TEST_TMPDIR/out"
  open_client 5
  echo "an answer that stays unread" >&5
  read -r -t "$LIMIT" -N 1 -u 5 _
  close_client 5
  wait_for_line "got an error on the connection"
  run -0 cat "$LOG"
  assert_output "uppercase-server: got an error on the connection: Connection reset by peer"
  # Its other lines go nowhere: that it has heard the first signal shows only here.
  kill -TERM "$PID"
  wait_for refuses
  kill -TERM "$PID"
  assert_exit 0
}

refuses() {
  ! nc -z 127.0.0.1 "$PORT"
}

@test "uppercase-server changes ASCII letters alone, and no byte of UTF-8 (U10)" {
  start uppercase-server
  run -0 ask <<<"äöü 中文 straße"
  assert_output "äöü 中文 STRAßE"
  for value in {0..255}; do
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %x "$value")"
  done >"$BATS_TEST_TMPDIR/message"
  ask "$BATS_TEST_TMPDIR/message" | cmp - <(upper <"$BATS_TEST_TMPDIR/message")
}

@test "uppercase-server says nothing is flushed where nothing was written (U11)" {
  start uppercase-server
  open_client 5
  close_client 5
  wait_for_line "^Connection closed\.$"
  assert_equal "$(count_lines "flushed")" 0
}

@test "uppercase-server takes SIGTERM like SIGINT (U12)" {
  for signal in INT TERM; do
    start uppercase-server
    kill "-$signal" "$PID"
    wait_for_line "^Caught an interrupt signal; exiting cleanly in two seconds\.$"
    kill "-$signal" "$PID"
    assert_exit 0
    has_lines 1 "^done$"
  done
}

@test "uppercase-server accepts nobody after SIGINT, and says so once (U13)" {
  start uppercase-server
  open_client 5
  assert_talks 5
  kill -INT "$PID"
  wait_for_line "^Caught an interrupt signal"
  run -1 nc -z 127.0.0.1 "$PORT"
  assert_talks 5
  kill -INT "$PID"
  assert_exit 0
  assert_equal "$(count_lines "^Caught an interrupt signal")" 1
}

@test "uppercase-server leaves two seconds after SIGINT" {
  start uppercase-server
  open_client 5
  begin=$(date +%s%N)
  kill -INT "$PID"
  assert_exit 0
  took=$((($(date +%s%N) - begin) / 1000000))
  ((took >= 1950)) || fail "it took $took ms"
}

@test "uppercase-server leaks nothing when it cannot start (U15)" {
  find_leaks_in uppercase-server
  # What only a frame that has been left still points to is a leak as well.
  start uppercase-server
  run -1 course uppercase-server 127.0.0.1 "$PORT"
  assert_output "uppercase-server: cannot listen on 127.0.0.1 port $PORT: Address already in use"
}

@test "uppercase-server listens on the address that it is given, IPv6 too (U16)" {
  start uppercase-server ::1
  run -0 nc -N ::1 "$PORT" <<<hello
  assert_output HELLO
  has_lines 1 "^listening on ::1 port $PORT$"
}

@test "uppercase-server listens on loopback alone unless told otherwise (U16)" {
  LOG=$BATS_TEST_TMPDIR/alone.log
  : >"$LOG"
  path=$(program uppercase-server)
  alone true
  alone "${UNDER_COMMAND[@]}" "$path" >"$LOG" 2>&1 3>&- &
  PID=$!
  OTHERS+=("$PID")
  wait_for_line "^listening on "
  run -0 cat "$LOG"
  assert_output "listening on 127.0.0.1 port 9995"
}

@test "uppercase-server drops a client that is idle for too long (U17)" {
  build_own uppercase-server 's/(IDLE = )\{60, 0\}/\1{1, 0}/'
  start uppercase-server
  open_client 5
  echo hello >&5 # at once: a second may be short on a busy machine
  wait_for_line "^uppercase-server: dropped a client that was idle$"
  run -0 timeout "$LIMIT" cat <&5
  assert_output HELLO
}

@test "uppercase-server does not drop a client that reads slowly (U26)" {
  build_own uppercase-server 's/(IDLE = )\{60, 0\}/\1{2, 0}/'
  start uppercase-server
  make_bytes "$BATS_TEST_TMPDIR/message" $((2 << 20))
  open_client 5
  cat "$BATS_TEST_TMPDIR/message" >&5 3>&- &
  OTHERS+=($!)
  # 50 kB at a time, for three times as long as it may be idle; then the rest.
  for _ in {1..30}; do
    head -c 50000 <&5
    sleep 0.2
  done >"$BATS_TEST_TMPDIR/answer"
  assert_equal "$(count_lines "dropped")" 0
  head -c $(((2 << 20) - 30 * 50000)) <&5 >>"$BATS_TEST_TMPDIR/answer"
  cmp "$BATS_TEST_TMPDIR/answer" <(upper <"$BATS_TEST_TMPDIR/message")
}

@test "uppercase-server drops a client that reads nothing for too long" {
  build_own uppercase-server 's/(IDLE = )\{60, 0\}/\1{0, 300000}/'
  start uppercase-server
  open_client 5
  head -c 32M /dev/zero >&5 3>&- 2>/dev/null &
  OTHERS+=($!)
  wait_for_line "^uppercase-server: dropped a client that was idle$"
}

@test "uppercase-server answers 64 KiB messages without a 40 ms wait each" {
  start uppercase-server
  # The kernel acknowledges the first few at once; then a wait is in each of them,
  # other work only in some. So of 21, look at the sixth quickest.
  # shellcheck disable=SC2016 # perl's own $
  run -0 perl -MSocket=:all -MTime::HiRes=time -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die "connect: $!";
    my @took;
    for (0 .. 20) {
      my ($began, $came) = (time, 0);
      syswrite($s, "x" x 65536) == 65536 or die "write: $!";
      while ($came < 65536) { $came += sysread($s, my $bytes, 65536) || die "read: $!" }
      push @took, int(1000 * (time - $began));
    }
    @took = sort { $a <=> $b } @took;
    print "$took[5]\n"' "$PORT"
  ((output < ${UNDER:+10}40)) || fail "five of 21 answers took less than $output ms"
}

@test "uppercase-server keeps single bytes for a client that never reads in little memory (U18)" {
  keeps_single_bytes_small uppercase-server
}

@test "uppercase-server answers a message that comes one byte at a time" {
  start uppercase-server
  open_client 5
  for letter in h e l l o; do
    printf %s "$letter" >&5
    read -r -t "$LIMIT" -N 1 -u 5 reply
    assert_equal "$reply" "${letter^}"
  done
}

@test "uppercase-server serves 200 clients at once, and a second wave of 200" {
  start uppercase-server
  for _ in 1 2; do
    assert_talks_to_many 200
    close_clients
  done
  wait_for_line "^Connection closed\.$" 400
}

@test "uppercase-server does not start on a wrong port or an unknown host" {
  for port in 65536 -1 80x x ''; do
    run -2 course uppercase-server 127.0.0.1 "$port"
    assert_output --partial "usage: uppercase-server"
  done
  run -1 course uppercase-server no-such-host.invalid 0
  assert_output --regexp "^uppercase-server: cannot resolve no-such-host.invalid: "
}

@test "uppercase-server goes on when nobody reads its output (U20)" {
  serves_with_a_full_pipe uppercase-server
}

@test "uppercase-server goes on when its terminal is stopped (U20)" {
  serves_on_a_stopped_terminal uppercase-server
}

@test "uppercase-server keeps the numbers of missing standard descriptors free (U21)" {
  serves_without_standard_descriptors uppercase-server
}

@test "uppercase-server serves the next client as soon as a descriptor is free (U22)" {
  serves_as_soon_as_a_descriptor_is_free uppercase-server
}

@test "uppercase-server lets 300 clients wait while it is busy (U23)" {
  takes_300_connections_while_stopped uppercase-server
}

@test "uppercase-server has the kernel ask silent peers whether they still exist" {
  start uppercase-server
  open_client 5
  assert_talks 5
  wait_for asks_silent_peers
}

@test "uppercase-server can be ended while it looks up a name (U24)" {
  ends_while_it_looks_up_a_name uppercase-server
}

@test "uppercase-server drops clients that find no memory, and lives on (U25)" {
  drops_clients_that_find_no_memory uppercase-server
}

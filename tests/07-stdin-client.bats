setup() {
  load lib/course
}

teardown() {
  course_teardown
}

# The replies that the client printed, without its words around each line.
replies() {
  sed -n 's/^recv \(.*\) from server$/\1/p'
}

client() { # [ADDRESS]
  course stdin-client "${1:-127.0.0.1}" "$PORT"
}

# Call the client on a machine that knows the name course.test, with a server on
# 127.0.0.1.
ask_course_test() { # ADDRESS[,ADDRESS]
  mkdir -p "$BATS_TEST_TMPDIR/etc"
  printf '%s course.test\n' "${1/,*/}" "${1/*,/}" >"$BATS_TEST_TMPDIR/etc/hosts"
  echo "multi on" >"$BATS_TEST_TMPDIR/etc/host.conf"
  echo "hosts: files" >"$BATS_TEST_TMPDIR/etc/nsswitch.conf"
  # shellcheck disable=SC2016 # for the inner shell
  alone --etc "$BATS_TEST_TMPDIR/etc" timeout "$LIMIT" bash -c '
    "$0" >"$2" &
    until grep -qs listening "$2"; do sleep 0.02; done
    "$1" course.test 9995' \
    "$(program uppercase-server)" "$(program stdin-client)" "$BATS_TEST_TMPDIR/server.log"
}

@test "stdin-client prints each reply and ends after the last" {
  start uppercase-server
  run -0 client <<<$'hello\nworld'
  assert_output "the client has connected to server
recv HELLO from server
recv WORLD from server
connection closed
finished"
}

@test "stdin-client prints a reply of exactly 1024 bytes (C1)" {
  find_leaks_in stdin-client
  start uppercase-server
  for size in 1023 1024 1025; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size" text
    run -0 client <"$BATS_TEST_TMPDIR/message"
    assert_line "recv $(upper <"$BATS_TEST_TMPDIR/message") from server"
  done
}

@test "stdin-client prints a reply of 3000 bytes whole (C2)" {
  start uppercase-server
  make_bytes "$BATS_TEST_TMPDIR/message" 3000 text
  run -0 client <"$BATS_TEST_TMPDIR/message"
  assert_line "recv $(upper <"$BATS_TEST_TMPDIR/message") from server"
}

@test "stdin-client half-closes at the end of input and ends, without a spin (C3)" {
  start uppercase-server
  LOG=$BATS_TEST_TMPDIR/client.log
  client <<<hello >"$LOG" 2>&1
  has_lines 1 "^recv HELLO from server$"
  has_lines 1 "^finished$"
}

@test "stdin-client is idle while the server keeps the half-closed connection (C3)" {
  start_silent_server
  silent=$PID
  spawn stdin-client 127.0.0.1 "$PORT"
  wait_for_line "^the client has connected to server$"
  assert_idle "$PID"
  kill -KILL "$silent"
  assert_exit 1
}

@test "stdin-client takes /dev/null and a regular file as standard input (C4)" {
  start uppercase-server
  run -0 client </dev/null
  assert_output "the client has connected to server
connection closed
finished"
  make_bytes "$BATS_TEST_TMPDIR/message" 100000 text
  run -0 client <"$BATS_TEST_TMPDIR/message"
  assert_equal "$(replies <<<"$output" | tr -d '\n')" \
    "$(upper <"$BATS_TEST_TMPDIR/message")"
}

@test "stdin-client takes a terminal as standard input" {
  need_terminal
  start uppercase-server
  path=$(program stdin-client)
  { echo hello && wait_for_reply && printf '\4'; } |
    on_terminal "$path 127.0.0.1 $PORT" "$BATS_TEST_TMPDIR/typescript" >/dev/null
  run -0 tr -d '\r' <"$BATS_TEST_TMPDIR/typescript"
  assert_line "recv HELLO from server"
  assert_line "finished"
}

# The end of a terminal's input is a key that must come after the reply.
wait_for_reply() {
  wait_for grep -q "recv HELLO" "$BATS_TEST_TMPDIR/typescript"
}

@test "stdin-client says so at once when there is no way to the address (C5)" {
  path=$(program stdin-client)
  alone true
  run -1 alone timeout "$LIMIT" "$path" 192.0.2.1 9 <<<hello
  assert_output "stdin-client: cannot connect to 192.0.2.1 port 9: Network is unreachable"
}

@test "stdin-client resolves names and refuses what is no address (C6)" {
  alone true
  run -0 ask_course_test 127.0.0.1 <<<hello
  assert_line "recv HELLO from server"
  start uppercase-server
  for host in no-such-host.invalid ''; do
    run -1 course stdin-client "$host" "$PORT" <<<hello
    assert_output --regexp "^stdin-client: cannot (resolve|connect to) $host"
  done
}

@test "stdin-client tries the next address when the first does not answer" {
  alone true
  run -0 ask_course_test ::1,127.0.0.1 <<<hello
  assert_line "recv HELLO from server"
}

@test "stdin-client talks IPv6" {
  start uppercase-server ::1
  run -0 client ::1 <<<hello
  assert_line "recv HELLO from server"
}

@test "stdin-client refuses ports that are no whole number from 1 to 65535 (C7)" {
  for port in 0 72536 http 80x -1 '' 99999999999999999999; do
    run -2 course stdin-client 127.0.0.1 "$port"
    assert_output "usage: stdin-client ADDRESS PORT"
  done
}

@test "stdin-client exits 1 with the reason when the connection is refused (C8)" {
  start uppercase-server
  kill -TERM "$PID"
  wait_for_line "exiting cleanly"
  run -1 --separate-stderr client <<<hello
  assert_output ""
  assert_equal "$stderr" "stdin-client: cannot connect to 127.0.0.1 port $PORT: Connection refused"
}

@test "stdin-client exits 1 with the reason when the connection is lost" {
  start_silent_server
  silent=$PID
  spawn stdin-client 127.0.0.1 "$PORT"
  wait_for_line "^the client has connected to server$"
  kill -KILL "$silent" # the kernel resets a connection that was not accepted
  assert_exit 1
  has_lines 1 "^stdin-client: lost the connection to 127.0.0.1 port $PORT: Connection reset by peer$"
}

@test "stdin-client tells the reset when it comes just before the half-close (C17)" {
  local silent trace=$BATS_TEST_TMPDIR/trace path
  need_strace
  start_silent_server
  silent=$PID
  path=$(program stdin-client)
  LOG=$BATS_TEST_TMPDIR/held.log
  strace -o "$trace" -e trace=shutdown -e inject=shutdown:delay_enter=700000 \
    "$path" 127.0.0.1 "$PORT" </dev/null >"$LOG" 2>&1 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
  wait_for grep -q '^shutdown' "$trace"
  kill -KILL "$silent"
  assert_exit 1
  has_lines 1 "^stdin-client: lost the connection to 127.0.0.1 port $PORT: Connection reset by peer$"
}

# A server for one client: it reads 80,000 bytes, says "enough", and then ends its
# side and reads on, or closes. At the end it prints how many bytes came.
start_server_that_has_enough() { # half-closes|closes
  LOG=$BATS_TEST_TMPDIR/enough.log
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    $| = 1;
    socket(my $l, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    bind($l, sockaddr_in(0, INADDR_LOOPBACK)) && listen($l, 1) or die "listen: $!";
    print "listening on port ", (sockaddr_in(getsockname($l)))[0], "\n";
    accept(my $s, $l) or die "accept: $!";
    my $came = 0;
    while ($came < 80000) { $came += sysread($s, my $bytes, 80000 - $came) || last }
    syswrite($s, "enough\n");
    if ($ARGV[0] eq "half-closes") {
      shutdown($s, 1);
      while (my $got = sysread($s, my $bytes, 65536)) { $came += $got }
    }
    close($s);
    print "came $came\n"; ' "$1" >"$LOG" 2>&1 </dev/null 3>&- &
  PID=$!
  OTHERS+=("$PID")
  wait_for_line "^listening on port [0-9]+$"
  PORT=$(sed -n 's/^listening on port //p' "$LOG")
}

@test "stdin-client sends the rest when the server has ended its side alone (C15)" {
  start_server_that_has_enough half-closes
  server=$LOG
  mkfifo "$BATS_TEST_TMPDIR/input"
  spawn_client_on "$BATS_TEST_TMPDIR/input"
  exec 6>"$BATS_TEST_TMPDIR/input"
  head -c 80000 /dev/zero >&6
  wait_for_line "^connection closed$"
  head -c 920000 /dev/zero >&6
  exec 6>&-
  assert_exit 0
  assert_equal "$(<"$LOG")" "the client has connected to server
recv enough from server
connection closed
finished"
  LOG=$server
  wait_for has_lines 1 "^came 1000000$"
}

@test "stdin-client exits 1 and says so where input could not be sent" {
  start_server_that_has_enough closes
  make_bytes "$BATS_TEST_TMPDIR/message" 1000000
  run -1 client <"$BATS_TEST_TMPDIR/message"
  assert_line --regexp "^stdin-client: lost the connection to 127.0.0.1 port $PORT: (Connection reset by peer|Broken pipe)$"
  refute_line finished
}

@test "stdin-client says that a late last line was not read (C16)" {
  start_server_that_has_enough closes
  mkfifo "$BATS_TEST_TMPDIR/input"
  spawn_client_on "$BATS_TEST_TMPDIR/input"
  exec 6>"$BATS_TEST_TMPDIR/input"
  head -c 80000 /dev/zero >&6
  wait_for_line "^connection closed$"
  echo late >&6
  exec 6>&-
  assert_exit 1
  has_lines 1 "^stdin-client: lost the connection to "
}

spawn_client_on() { # INPUT
  local path
  path=$(program stdin-client)
  LOG=$BATS_TEST_TMPDIR/client.log
  "${UNDER_COMMAND[@]}" "$path" 127.0.0.1 "$PORT" <"$1" >"$LOG" 2>&1 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
}

@test "stdin-client ends on a terminal when the server closes, without a key" {
  need_terminal
  start_server_that_has_enough closes
  path=$(program stdin-client)
  { head -c 80000 /dev/zero | tr '\0' '\n' && wait_for grep -q finished "$BATS_TEST_TMPDIR/typescript"; } |
    on_terminal "$path 127.0.0.1 $PORT" "$BATS_TEST_TMPDIR/typescript" >/dev/null
  grep -q "^connection closed" "$BATS_TEST_TMPDIR/typescript"
}

@test "stdin-client keeps the numbers of missing standard descriptors free" {
  [[ ! ${UNDER-} ]] || skip "valgrind takes the numbers of missing descriptors for itself"
  start uppercase-server
  run -1 client_without_output <<<hello
  assert_output --partial "stdin-client: cannot write to standard output: Bad file descriptor"
}

client_without_output() {
  course stdin-client 127.0.0.1 "$PORT" >&-
}

@test "stdin-client frees all that it made (C10)" {
  find_leaks_in stdin-client
  # What only a frame that has been left still points to is a leak as well.
  start uppercase-server
  run -0 client <<<hello
  assert_line finished
  run -1 course stdin-client 127.0.0.1 1 <<<hello
  assert_output --partial "Connection refused"
}

@test "stdin-client prints a NUL byte like any other (C11)" {
  start uppercase-server
  printf 'a\0b\n' | client >"$BATS_TEST_TMPDIR/answer"
  grep -aPq '^recv A\x00B from server$' "$BATS_TEST_TMPDIR/answer"
}

@test "stdin-client does not queue input that the server does not take (C12)" {
  start_silent_server
  silent=$PID
  mkfifo "$BATS_TEST_TMPDIR/input"
  path=$(program stdin-client)
  "${UNDER_COMMAND[@]}" "$path" 127.0.0.1 "$PORT" <"$BATS_TEST_TMPDIR/input" \
    >"$BATS_TEST_TMPDIR/client.log" 2>&1 3>&- &
  PID=$! LOG=$BATS_TEST_TMPDIR/client.log
  STARTED[$PID]=$LOG
  exec 6>"$BATS_TEST_TMPDIR/input"
  wait_for_line "has connected"
  before=$(memory_of "$PID")
  head -c 300M /dev/zero >&6 3>&- &
  OTHERS+=($!)
  settle "$PID"
  assert_grew_at_most 2048 "$before" "$PID"
  is_running $! || fail "all 300 MiB were taken"
  kill $!
  exec 6>&-
  kill -KILL "$silent"
  assert_exit 1
}

@test "stdin-client loses no reply of 4 MiB in 64-byte lines" {
  start uppercase-server
  make_bytes "$BATS_TEST_TMPDIR/bytes" $((4 << 20)) text
  fold -w 63 "$BATS_TEST_TMPDIR/bytes" >"$BATS_TEST_TMPDIR/message"
  echo >>"$BATS_TEST_TMPDIR/message"
  client <"$BATS_TEST_TMPDIR/message" | replies | cmp - <(upper <"$BATS_TEST_TMPDIR/message")
}

@test "stdin-client ends with a reason when standard output or input is gone" {
  start uppercase-server
  run -1 to_full_device <<<hello
  assert_output "stdin-client: cannot write to standard output: No space left on device"
  run -1 from_closed_input
  assert_output "stdin-client: cannot read standard input: Bad file descriptor"
}

to_full_device() {
  client >/dev/full
}

from_closed_input() {
  bash -c '"$0" 127.0.0.1 9 <&-' "$(program stdin-client)"
}

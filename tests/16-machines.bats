# shellcheck disable=SC2154,SC2016,SC2034 # bats sets output; perl has a $ of its own
setup() {
  load lib/course
  load lib/servers
  CAPITALS=1
}

teardown() {
  course_teardown
}

start_behind() { # [ADDRESS [PORT]]: with -p
  start_with balanced-server -p "${1-127.0.0.1}" "${2-0}"
}

MARK='\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\x0a'
# Version 2, PROXY, TCP over IPv4, 12 bytes: 192.0.2.7 port 4660 to 192.0.2.8 port 1.
HEADER=$MARK'\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x08\x12\x34\x00\x01'

send() { # BYTES, as printf has them: prints the answer
  printf '%b' "$1" | timeout "$LIMIT" nc -N 127.0.0.1 "$PORT"
}

@test "balanced-server gives text back in capitals, and tells who its clients are" {
  start balanced-server
  make_bytes "$BATS_TEST_TMPDIR/message" $((4 << 20))
  ask "$BATS_TEST_TMPDIR/message" | cmp - <(upper <"$BATS_TEST_TMPDIR/message")
  has_lines 1 "^client 127.0.0.1 port [0-9]+$"
  assert_talks_to_many 50
}

@test "balanced-server -p reads the client's address from the header (BS1)" {
  start_behind
  run -0 send "${HEADER}hello\n"
  assert_output HELLO
  has_lines 1 "^client 192.0.2.7 port 4660$"
  # IPv6, with seven bytes of options behind the addresses.
  run -0 send "$MARK"'\x21\x21\x00\x2b\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50\x00\x51\x04\x00\x04abcdsix\n'
  assert_output SIX
  has_lines 1 "^client 2001:db8::5 port 80$"
  # Unknown: with an empty part for addresses.
  run -0 send "$MARK"'\x21\x00\x00\x00who\n'
  assert_output WHO
  has_lines 1 "^client unknown$"
}

@test "balanced-server -p takes a header that comes byte by byte (BS2)" {
  start_behind
  open_client 5
  run -0 perl -MSocket=:all -e '
    my ($port, $limit) = @ARGV;
    alarm $limit;
    my $bytes = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x08\x12\x34\0\x01hi\n";
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($s, IPPROTO_TCP, 1, 1) or die; # TCP_NODELAY
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die;
    for (split //, $bytes) { syswrite($s, $_) == 1 or die; select(undef, undef, undef, 0.002) }
    read($s, my $answer, 3) == 3 or die "no answer";
    print $answer' "$PORT" "$LIMIT"
  assert_output HI
  close_client 5
}

@test "balanced-server -p drops what is no header of version 2 (BS3 BS4)" {
  start_behind
  local bad count=0
  for bad in 'hello\n' 'PROXY TCP4 192.0.2.7 192.0.2.8 4660 1\r\nhello\n' "$MARK"'\x11\x11\x00\x0chello world, this' \
    "$MARK"'\x22\x11\x00\x0c0123456789abhello\n' "$MARK"'\x21\x12\x00\x0c0123456789abhello\n' \
    "$MARK"'\x21\x11\x00\x0b0123456789abhello\n' "$MARK"'\x21\x21\x00\x0c0123456789abhello\n' "$MARK"'\x21\x11\xff\xff' '\x0d\x0a\x0dx'; do
    count=$((count + 1))
    run send "$bad"
    assert_output ""
    wait_for_line "dropped a connection without a PROXY v2 header" "$count"
  done
  run -0 send "${HEADER}hello\n"
  assert_output HELLO
}

@test "balanced-server without -p takes a header for text: it does not guess" {
  start balanced-server
  run -0 send "PROXY TCP4 192.0.2.7 192.0.2.8 4660 1\r\n"
  assert_output "PROXY TCP4 192.0.2.7 192.0.2.8 4660 1"$'\r'
  run -1 grep 192.0.2.7 "$LOG"
}

@test "balanced-server -p counts health checks, and says nothing about them (BS5)" {
  start_behind
  for _ in 1 2 3; do send "$MARK"'\x20\x00\x00\x00' >/dev/null; done
  # As HAProxy ends them.
  perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die;
    syswrite($s, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)) or die' "$PORT"
  wait_for counts 0 3 4
  run -1 grep -E "^client |error" "$LOG"
}

counts() { # CLIENTS LEAST-CHECKS MOST-CHECKS
  kill -USR1 "$PID"
  has_lines 1 "^clients $1, checks [$2-$3], open 0"
}

@test "balanced-server -p drops a connection whose header does not come in time (BS6)" {
  build_own balanced-server 's/^(static const struct timeval WAIT = .)3, 0/\10, 200000/'
  start_behind
  open_client 5
  open_client 6
  printf '%b' "$MARK"'\x21\x11' >&6
  wait_for_line "dropped a connection that sent no header in time" 2
  for fd in 5 6; do
    run -0 timeout "$LIMIT" cat <&$fd
    assert_output ""
  done
}

@test "balanced-server -p keeps a client whose header came, however long it is silent (BS7)" {
  build_own balanced-server 's/^(static const struct timeval WAIT = .)3, 0/\10, 200000/'
  start_behind
  open_client 5
  printf '%b' "$HEADER" >&5
  open_client 6
  wait_for_line "dropped a connection that sent no header in time"
  assert_talks 5
}

@test "balanced-server lets clients finish at SIGTERM, for two seconds" {
  start balanced-server
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  wait_for_line "exiting cleanly in two seconds"
  assert_talks 5
  close_client 5
  assert_exit 0
}

@test "balanced-server takes an option, an address and a port" {
  for arguments in "-x" "-p -p" "127.0.0.1" "-p 127.0.0.1" "127.0.0.1 65536" "127.0.0.1 0 1"; do
    # shellcheck disable=SC2086 # words
    run -2 course balanced-server $arguments
    assert_output "usage: balanced-server [-p] [ADDRESS PORT]"
  done
}

@test "balanced-server goes on when no process reads its output" {
  serves_with_a_full_pipe balanced-server
}

@test "balanced-server serves the next client as soon as a descriptor is free" {
  serves_as_soon_as_a_descriptor_is_free balanced-server
}

@test "balanced-server drops clients that find no memory, and lives on" {
  drops_clients_that_find_no_memory balanced-server
}

# Three servers behind HAProxy, on a port that is free on all their addresses. HOSTS
# are their pids.
start_machines() {
  command -v haproxy >/dev/null || skip "haproxy is missing"
  local host
  HOSTS=()
  start_behind 127.0.0.2
  HOSTS[2]=$PID
  for host in 3 4; do
    start_behind "127.0.0.$host" "$PORT"
    HOSTS[host]=$PID
  done
  SERVERS=$PORT
  SOCKET=$BATS_TEST_TMPDIR/haproxy.sock
  # HAProxy inherits its socket, since it does not tell which port the kernel chose.
  SOCKET=$SOCKET PORT=$SERVERS perl -MIO::Socket::INET -e '
    $^F = 255; # not closed by exec
    my $s = IO::Socket::INET->new(Listen => 100, LocalAddr => "127.0.0.1") or die;
    open(my $file, ">", $ARGV[0]) or die;
    print $file $s->sockport, "\n";
    close($file);
    $ENV{ADDRESS} = "fd@" . fileno($s);
    exec "haproxy", "-db", "-f", $ARGV[1]' "$BATS_TEST_TMPDIR/port" "$ROOT/chapters/16-scaling/haproxy.cfg" \
    >"$BATS_TEST_TMPDIR/haproxy.log" 2>&1 3>&- &
  OTHERS+=($!)
  wait_for is_up 2 3 4
  PORT=$(<"$BATS_TEST_TMPDIR/port")
}

# What HAProxy says about the server of a host: UP, DOWN, DRAIN ...
health_of() { # HOST
  local names=([2]=one [3]=two [4]=three)
  echo "show stat" | timeout 5 nc -U -N "$SOCKET" 2>/dev/null |
    awk -F, -v name="${names[$1]}" '$1 == "workers" && $2 == name { print $18, $37 }'
}

# Up, and after a check that has succeeded: before that HAProxy calls it up, too.
is_up() { # HOST...
  local host
  for host in "$@"; do [[ $(health_of "$host") == "UP L4OK" ]] || return; done
}

is_down() { # HOST
  [[ $(health_of "$1") == "DOWN"* ]]
}

# Clients come and go until the file is gone. Prints how many were served; one whose
# first answer does not come ends it: a new connection must never fail.
start_new_clients() {
  : >"$BATS_TEST_TMPDIR/stream"
  perl -MSocket=:all -e '
    my ($port, $file, $limit) = @ARGV;
    my ($count, $failed) = (0, 0);
    while (-e $file) {
      alarm $limit;
      socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
      my $well = connect($s, sockaddr_in($port, INADDR_LOOPBACK)) && syswrite($s, "hello\n")
        && (read($s, my $answer, 6) // 0) == 6;
      $well ? $count++ : $failed++;
      open(my $mark, ">", "$file.came") or die "$file: $!" if $count + $failed == 1;
      select(undef, undef, undef, 0.005);
    }
    print "$count $failed\n"' "$PORT" "$BATS_TEST_TMPDIR/stream" "$LIMIT" >"$BATS_TEST_TMPDIR/served" 2>&1 3>&- &
  STREAM=$!
  OTHERS+=("$STREAM")
  wait_for test -e "$BATS_TEST_TMPDIR/stream.came"
}

end_new_clients() { # prints SERVED FAILED
  rm "$BATS_TEST_TMPDIR/stream"
  wait "$STREAM" || fail "the clients ended early: $(<"$BATS_TEST_TMPDIR/served")"
  read -r SERVED FAILED <"$BATS_TEST_TMPDIR/served"
}

@test "haproxy.cfg is right as it stands, without a variable that is set" {
  command -v haproxy >/dev/null || skip "haproxy is missing"
  run -0 env -u SOCKET -u ADDRESS -u PORT haproxy -c -f "$ROOT/chapters/16-scaling/haproxy.cfg"
}

@test "behind HAProxy each server gets a third of the clients, and knows them" {
  start_machines
  assert_talks_to_many 30
  for host in 2 3 4; do
    run grep -c "^client 127.0.0.1 port" "${STARTED[${HOSTS[$host]}]}"
    assert_output 10
  done
}

@test "one host is killed in mid-load: a client that comes then or later is served, and the host comes back" {
  start_machines
  start_new_clients
  PID=${HOSTS[3]}
  kill -KILL "$PID"
  wait "$PID" 2>/dev/null || true
  unset "STARTED[$PID]"
  wait_for is_down 3
  main=$PORT
  start_behind 127.0.0.3 "$SERVERS"
  PORT=$main
  wait_for is_up 3
  wait_for_line "^client 127.0.0.1"
  end_new_clients
  # One may have been on the host in the moment that it was killed.
  ((SERVED > 0 && FAILED <= 1)) || fail "$SERVED served, $FAILED failed"
}

@test "a host that drains gets no new clients, and keeps those that it has" {
  start_machines
  assert_talks_to_many 6
  echo "set server workers/two state drain" | timeout 5 nc -U -N "$SOCKET"
  before=$(grep -c "^client" "${STARTED[${HOSTS[3]}]}")
  for _ in {1..9}; do ask <<<hello >/dev/null; done
  assert_equal "$(grep -c "^client" "${STARTED[${HOSTS[3]}]}")" "$before"
  for fd in "${CLIENTS[@]}"; do assert_talks "$fd"; done
}

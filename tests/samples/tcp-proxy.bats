# tcp-proxy.bats -- the proxy between clients of netcat and bash, and upstreams
# that socat plays

setup() {
  load ../lib/course
  # How the library sees that a server waits for its clients before it leaves.
  # shellcheck disable=SC2317 # it is the library that calls it
  waits_for_clients() { # PID
    grep -q '^draining$' "${STARTED[$1]}"
  }
  UPSTREAMS=0
  BIG=$((1 << 30))
  [[ ! ${UNDER-} && $BUILD != */asan ]] || BIG=$((16 << 20))
}

teardown() {
  course_teardown
}

# An upstream: what it does with a connection is socat's second address. Sets UP,
# its port, and UP_PID.
start_upstream() { # ADDRESS [LISTEN-OPTIONS]
  local log=$BATS_TEST_TMPDIR/upstream.$((++UPSTREAMS)).log
  : >"$log"
  socat -dd -b 131072 -t 60 "TCP-LISTEN:0,bind=127.0.0.1${2:+,$2}" "$1" 2>"$log" 3>&- &
  UP_PID=$!
  OTHERS+=("$UP_PID")
  wait_for grep -q "listening on" "$log"
  UP=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$log")
}

start_echo() {
  start_upstream EXEC:cat fork
}

# A port on which nobody listens: it was bound just now, by one that has ended.
start_nobody() {
  start_upstream /dev/null
  kill -KILL "$UP_PID"
  wait_for has_ended "$UP_PID"
}

# An upstream whose queue is full: the kernel drops what else would connect.
start_full() {
  start_upstream /dev/null backlog=0
  kill -STOP "$UP_PID"
  exec {FILLER}<>"/dev/tcp/127.0.0.1/$UP"
}

start_proxy() { # [OPTION...] UPSTREAM...
  local options=()
  while [[ $1 == -* ]]; do
    options+=("$1")
    shift
  done
  spawn tcp-proxy "${options[@]}" "${ADDRESS:-127.0.0.1}" 0 "$@"
  wait_for_line '^listening on .* port [0-9]+$'
  PORT=$(sed -n 's/^listening on .* port //p' "$LOG" | head -n 1)
}

# The most memory that the process has ever had, in kB.
peak_of() { # PID
  awk '/^VmHWM/ { print $2 }' "/proc/$1/status"
}

# valgrind and the sanitizers need much more than the program.
assert_peak_below() { # KB PID
  [[ ! ${UNDER-} && $BUILD != */asan ]] || return 0
  local peak
  peak=$(peak_of "$2")
  ((peak < $1)) || fail "the memory was $peak kB at its peak"
}

# Whether a socket whose own port or whose peer's is PORT holds bytes that were
# not read.
has_unread() { # own|peer PORT
  local address=2
  [[ $1 == own ]] || address=3
  # shellcheck disable=SC2016 # awk's own $
  has_socket "$2" "\$$address"' ~ port && $4 != "0A" && $5 !~ /:0+$/'
}

has_stopped() { # PID
  grep -q '^State:.T' "/proc/$1/status"
}

refuses() { # PORT
  ! nc -z 127.0.0.1 "$1"
}

assert_reset() { # FD
  run -1 --separate-stderr cat <&"$1"
  assert_equal "$stderr" "cat: -: Connection reset by peer"
}

@test "tcp-proxy carries messages of every size both ways, byte for byte" {
  start_echo
  start_proxy "127.0.0.1:$UP"
  for size in 0 1 4096 131071 131072 131073 8388608; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask "$BATS_TEST_TMPDIR/message" | cmp - "$BATS_TEST_TMPDIR/message"
  done
}

@test "tcp-proxy prints a summary of each connection (P1)" {
  start_upstream SYSTEM:'cat >/dev/null; printf abc' fork
  start_proxy "127.0.0.1:$UP"
  printf 1234567 | ask
  wait_for_line "^127\.0\.0\.1:[0-9]+ to 127\.0\.0\.1:$UP: 7 up, 3 down, 0\.[0-9]{3} s, closed$"
  printf 12345678 | ask
  wait_for_line "^127\.0\.0\.1:[0-9]+ to 127\.0\.0\.1:$UP: 8 up, 3 down, 0\.[0-9]{3} s, closed$"
  assert_equal "$(wc -l <"$LOG")" 3
}

@test "tcp-proxy passes a half-close of the client on, after the last byte (P1)" {
  start_upstream "SYSTEM:cat >$BATS_TEST_TMPDIR/got; echo and an answer"
  start_proxy "127.0.0.1:$UP"
  make_bytes "$BATS_TEST_TMPDIR/message" 20000000
  kill -STOP "$UP_PID" # so that much has to wait
  ask "$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/answer" 3>&- &
  OTHERS+=($!)
  settle "$PID"
  kill -CONT "$UP_PID"
  assert_exit 0 $!
  assert_equal "$(<"$BATS_TEST_TMPDIR/answer")" "and an answer"
  cmp "$BATS_TEST_TMPDIR/got" "$BATS_TEST_TMPDIR/message"
  wait_for_line ", closed$"
}

@test "tcp-proxy passes a half-close of the upstream on, and the client may go on (P1 P2)" {
  echo hello >"$BATS_TEST_TMPDIR/hello"
  start_upstream "OPEN:$BATS_TEST_TMPDIR/hello,rdonly!!CREATE:$BATS_TEST_TMPDIR/got"
  start_proxy "127.0.0.1:$UP"
  open_client 5
  run -0 timeout "$LIMIT" cat <&5
  assert_output hello
  echo "there you are" >&5
  seq 100000 >&5
  close_client 5
  wait_for_line ", closed$"
  wait_for has_ended "$UP_PID"
  cmp "$BATS_TEST_TMPDIR/got" <(echo "there you are" && seq 100000)
}

# Send and take BIG bytes at once, as fast as the other side can.
big_both_ways() {
  echo "OPEN:/dev/zero,rdonly,readbytes=$BIG!!OPEN:/dev/null,wronly"
}

@test "tcp-proxy carries a GiB each way at once in less than 8 MiB of memory" {
  start_upstream "$(big_both_ways)"
  start_proxy "127.0.0.1:$UP"
  socat -b 131072 -t 60 "$(big_both_ways)" "TCP:127.0.0.1:$PORT" 3>&-
  wait_for_line ": $BIG up, $BIG down, .* closed$"
  assert_peak_below 8192 "$PID"
}

@test "tcp-proxy holds a client back while the upstream does not read (P3)" {
  start_upstream STDIO
  start_proxy "127.0.0.1:$UP"
  kill -STOP "$UP_PID"
  open_client 5
  head -c 1G /dev/zero >&5 3>&- &
  sender=$!
  OTHERS+=("$sender")
  wait_for has_unread own "$UP"
  settle "$PID"
  assert_peak_below 8192 "$PID"
  is_running "$sender" || fail "the whole GiB was taken"
  assert_idle "$PID"
}

@test "tcp-proxy holds an upstream back while the client does not read, and loses nothing (P3)" {
  make_bytes "$BATS_TEST_TMPDIR/message" $((32 << 20))
  start_upstream "OPEN:$BATS_TEST_TMPDIR/message,rdonly"
  start_proxy "127.0.0.1:$UP"
  open_client 5
  wait_for has_unread peer "$PORT"
  settle "$PID"
  is_running "$UP_PID" || fail "all was taken"
  assert_peak_below 8192 "$PID"
  cmp - "$BATS_TEST_TMPDIR/message" <&5
}

@test "tcp-proxy serves others while one client does not read" {
  start_echo
  start_proxy "127.0.0.1:$UP"
  open_client 5
  head -c 16M /dev/zero >&5 3>&- &
  OTHERS+=($!)
  wait_for has_unread peer "$PORT"
  settle "$PID"
  open_client 6
  assert_talks 6
}

@test "tcp-proxy tells a refused upstream from a lost one, and resets the client" {
  start_nobody
  start_proxy "127.0.0.1:$UP"
  # The reset may come before connect returns: connect says so then.
  # shellcheck disable=SC2016 # perl's own $
  run -0 timeout "$LIMIT" perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    print defined sysread($s, my $b, 1) ? "end of file" : $!
      if connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or not print $!' "$PORT"
  assert_output "Connection reset by peer"
  wait_for_line "^127\.0\.0\.1:[0-9]+ to 127\.0\.0\.1:$UP: 0 up, 0 down, 0\.[0-9]{3} s, refused$"
  has_lines 1 "^tcp-proxy: cannot connect to 127\.0\.0\.1:$UP: Connection refused$"
  start_upstream EXEC:cat linger=0
  start_proxy "127.0.0.1:$UP"
  open_client 6
  assert_talks 6
  kill -KILL "$UP_PID"
  wait_for_line ": 8 up, 8 down, [0-9.]* s, upstream lost: Connection reset by peer$"
  assert_reset 6
}

count_fds() {
  find "/proc/$PID/fd" -type l | wc -l
}

# Play connections at random, and check what their sides get.
play_model() { # CONNECTIONS SEED
  local upstream open
  start_nobody
  upstream=$UP
  start_proxy "127.0.0.1:$upstream"
  open=$(count_fds)
  run -0 perl "$BATS_TEST_DIRNAME/tcp-proxy/model.pl" "$PORT" "$upstream" "$@"
  echo "# seed $2: $output" >&3
  wait_for has_lines "$1" " down, "
  assert_equal "$(count_fds)" "$open"
  kill -TERM "$PID"
  assert_exit 0
  run ! grep "draining" "$LOG"
}

@test "tcp-proxy passes random half-closes, resets and stalls on as they were" {
  play_model "${MODEL:-300}" "${SEED:-$RANDOM}"
}

@test "tcp-proxy ends a connection when both sides are blocked and then reset (P13)" {
  start_nobody
  start_proxy "127.0.0.1:$UP"
  mkfifo "$BATS_TEST_TMPDIR/go"
  exec 7<>"$BATS_TEST_TMPDIR/go"
  perl "$BATS_TEST_DIRNAME/tcp-proxy/blocked.pl" "$PORT" "$UP" <&7 >"$BATS_TEST_TMPDIR/sides" 3>&- &
  OTHERS+=($!)
  wait_for grep -q blocked "$BATS_TEST_TMPDIR/sides"
  # The proxy is to find both resets at once.
  kill -STOP "$PID"
  wait_for has_stopped "$PID"
  echo >&7
  wait_for grep -q reset "$BATS_TEST_TMPDIR/sides"
  kill -CONT "$PID"
  wait_for_line " (client|upstream) lost: (Connection reset by peer|Broken pipe)$"
}

@test "tcp-proxy passes the loss of a client on to the upstream" {
  start_upstream EXEC:cat
  start_proxy "127.0.0.1:$UP"
  socat -u OPEN:/dev/null "TCP:127.0.0.1:$PORT,linger=0,shut-close" 3>&-
  wait_for_line "client lost: Connection reset by peer$"
  wait_for grep -q "Connection reset by peer" "$BATS_TEST_TMPDIR/upstream.1.log"
}

@test "tcp-proxy passes on the last words of an upstream that takes no more (P4)" {
  mkfifo "$BATS_TEST_TMPDIR/words"
  start_upstream "OPEN:$BATS_TEST_TMPDIR/words,rdonly!!OPEN:/dev/null,wronly" linger=0
  start_proxy "127.0.0.1:$UP"
  open_client 5
  exec 6>"$BATS_TEST_TMPDIR/words"
  echo hello >&6
  read -r -t "$LIMIT" -u 5 reply
  assert_equal "$reply" hello
  # The proxy finds both at once: first a message, then that nobody takes it.
  settle "$PID"
  kill -STOP "$PID"
  wait_for has_stopped "$PID"
  echo "an order" >&5
  echo "no, closed" >&6
  wait_for has_unread peer "$UP"
  kill -KILL "$UP_PID"
  wait_for has_ended "$UP_PID"
  kill -CONT "$PID"
  read -r -t "$LIMIT" -u 5 reply
  assert_equal "$reply" "no, closed"
  wait_for_line "upstream lost: (Connection reset by peer|Broken pipe)$"
}

@test "tcp-proxy goes to the second upstream when the first refuses (P5)" {
  start_nobody
  nobody=$UP
  start_echo
  start_proxy "127.0.0.1:$nobody" "127.0.0.1:$UP"
  open_client 5
  assert_talks 5
  close_client 5
  wait_for_line " to 127\.0\.0\.1:$UP: 8 up, 8 down, .* closed$"
  has_lines 1 "^tcp-proxy: cannot connect to 127\.0\.0\.1:$nobody: Connection refused$"
}

@test "tcp-proxy goes to the second upstream when the first does not answer (P5 P6)" {
  start_full
  full=$UP
  start_echo
  start_proxy -c0.3 "127.0.0.1:$full" "127.0.0.1:$UP"
  open_client 5
  assert_talks 5
  close_client 5
  wait_for_line " to 127\.0\.0\.1:$UP: 8 up, 8 down, .* closed$"
  has_lines 1 "^tcp-proxy: cannot connect to 127\.0\.0\.1:$full: Connection timed out$"
}

@test "tcp-proxy gives up after the connect timeout, and says so (P6)" {
  start_full
  start_proxy --connect=0.3 "127.0.0.1:$UP"
  open_client 5
  echo hello >&5
  wait_for_line ": 0 up, 0 down, [0-9.]+ s, timeout$"
  took=$(sed -nE 's/.* down, ([0-9]+)\.([0-9]+) s, timeout$/\1\2/p' "$LOG")
  ((10#$took >= 300 && 10#$took < 3000)) || fail "it took $took ms"
  assert_reset 5
}

# Whether a socket is connected to a local PORT.
is_connected_to() { # PORT
  # shellcheck disable=SC2016 # awk's own $
  has_socket "$1" '$3 ~ "^0100007F" port && $4 == "01"'
}

# The program stands still while the upstream takes its connection, and for
# longer than that may take; then it finds both at once.
@test "tcp-proxy counts what came before what is late: a connection (P12)" {
  start_upstream EXEC:cat fork,backlog=0
  kill -STOP "$UP_PID"
  wait_for has_stopped "$UP_PID"
  exec {FILLER}<>"/dev/tcp/127.0.0.1/$UP"
  limit=$((${UNDER:+15} + 2))
  start_proxy "-c$limit" "127.0.0.1:$UP"
  open_client 5
  end=$((SECONDS + limit + 1))
  settle "$PID"
  kill -STOP "$PID"
  exec {FILLER}>&-
  kill -CONT "$UP_PID" # the kernel of the proxy asks again after a second
  wait_for is_connected_to "$UP"
  while ((SECONDS < end)); do sleep 0.1; done # longer than the limit
  kill -CONT "$PID"
  assert_talks 5
}

@test "tcp-proxy stays with the first upstream while it serves" {
  start_echo
  first=$UP
  start_echo
  start_proxy "127.0.0.1:$first" "127.0.0.1:$UP"
  for fd in 5 6; do
    open_client "$fd"
    assert_talks "$fd"
    close_client "$fd"
  done
  wait_for_line " to 127\.0\.0\.1:$first: .* closed$" 2
}

@test "tcp-proxy ends a connection that is silent for too long, not one that is slow" {
  start_echo
  start_proxy -i1.6 "127.0.0.1:$UP"
  open_client 5
  open_client 6
  assert_talks 5
  for _ in {1..11}; do
    sleep 0.2 # the client is slow, and longer at it than the limit
    assert_talks 6
  done
  wait_for_line ": 8 up, 8 down, .* idle$"
  took=$(sed -nE 's/.*: 8 up, .* ([0-9]+)\.([0-9]+) s, idle$/\1\2/p' "$LOG")
  ((10#$took >= 1600)) || fail "it was ended after $took ms"
  assert_reset 5
  wait_for_line ": 88 up, 88 down, .* idle$"
}

# Run the script on standard input on a network of its own, with the functions
# of tests/samples/tcp-proxy/network.bash.
in_own_network() {
  alone true
  mkdir -p "$BATS_TEST_TMPDIR/etc"
  cp -a /etc/alternatives /etc/ld.so.cache "$BATS_TEST_TMPDIR/etc/"
  # shellcheck disable=SC2016 # for the inner shell
  alone --etc "$BATS_TEST_TMPDIR/etc" bash -c \
    'script=$1; . "$2/samples/tcp-proxy/network.bash" "${@:3}"; eval "$script"' \
    alone "$(cat)" "$ROOT/tests" "$BATS_TEST_TMPDIR" "${UNDER_COMMAND[@]}" "$(program tcp-proxy)"
}

@test "tcp-proxy does not end a connection whose client reads slowly (P14)" {
  make_bytes "$BATS_TEST_TMPDIR/message" 3000000
  start_upstream "OPEN:$BATS_TEST_TMPDIR/message,rdonly!!OPEN:/dev/null,wronly" fork
  start_proxy -i1 "127.0.0.1:$UP"
  # shellcheck disable=SC2016 # perl's own $
  timeout $((LIMIT * 2)) perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 16384) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die;
    binmode STDOUT;
    # 40,000 bytes a second, for four times the limit; then all the rest.
    for (1 .. 40) { sysread($s, my $b, 4000); print $b; select(undef, undef, undef, 0.1) }
    while (sysread($s, my $b, 65536)) { print $b }' "$PORT" |
    cmp - "$BATS_TEST_TMPDIR/message"
}

@test "tcp-proxy takes names from /etc/hosts, and from a name server" {
  run in_own_network <<'END'
usual_servers
echo_host
echo "127.0.0.1 by-hosts.test" >/etc/hosts
start_proxy 127.0.0.1 7000 by-hosts.test:7001
hello
stop_proxy
resolv_conf 5301
for name in four six both; do
  start_proxy 127.0.0.1 7000 "$name.test:7001"
  hello
  stop_proxy
done
cat "$DIR/out.log"
END
  assert_success
  assert_equal "$(printf '%s\n' "${lines[@]:0:4}")" "$(printf 'hello\n%.0s' 1 2 3 4)"
  assert_line --regexp "^127\.0\.0\.1:[0-9]+ to both.test:7001: 6 up, 6 down, .* closed$"
}

@test "tcp-proxy says when nobody knows the name, and when the name server is silent" {
  run in_own_network <<'END'
usual_servers
echo_host
resolv_conf 5301
for upstreams in unknown.test:7001 silent.test:7001 "silent.test:7001 127.0.0.1:7001"; do
  start_proxy -c "$SLOW" 127.0.0.1 7000 $upstreams
  hello
  stop_proxy
done
END
  assert_success
  assert_output "unknown host
timeout
hello"
}

@test "tcp-proxy asks the next name server when one is silent, gone, or refuses (P7)" {
  run in_own_network <<'END'
usual_servers
echo_host
for servers in "5303 5301" "5399 5301" "5302 5301" "5304 5301" "5302 5305 5301" "5303 5399 5301"; do
  resolv_conf $servers
  for name in four six; do
    start_proxy -c "$((2 * SLOW))" 127.0.0.1 7000 "$name.test:7001"
    hello
    stop_proxy
  done
done
END
  assert_success
  assert_output "$(printf 'hello\n%.0s' {1..12})"
}

@test "tcp-proxy uses the addresses that have come, when another question is dropped (P8)" {
  run in_own_network <<'END'
usual_servers
echo_host
resolv_conf 5301
for limit in 3 8; do
  for name in half later; do
    start_proxy -c "$((limit * SLOW))" 127.0.0.1 7000 "$name.test:7001"
    hello_within 2500
    hello_within 2500
    stop_proxy
  done
done
END
  assert_success
  assert_output "$(printf 'hello\n%.0s' {1..8})"
}

@test "tcp-proxy reads a resolv.conf that was empty at the start, or has changed (P9)" {
  run in_own_network <<'END'
usual_servers
echo_host
: >/etc/resolv.conf
start_proxy -c "$((2 * SLOW))" 127.0.0.1 7000 four.test:7001
hello
echo "nameserver 127.0.0.1:5301" >>/etc/resolv.conf
hello
resolv_conf 5306
hello
resolv_conf 5301
hello
stop_proxy
echo "a client that waits does not hold up one that comes after the change"
resolv_conf 5303
start_proxy -c "$((10 * SLOW))" 127.0.0.1 7000 four.test:7001
socat -u OPEN:/dev/null TCP:127.0.0.1:7000
await grep -q "5303 AAAA" "$DIR/questions"
resolv_conf 5301
hello_within 5000
kill "$PROXY"
stop_proxy
END
  assert_success
  assert_output "timeout
hello
unknown host
hello
a client that waits does not hold up one that comes after the change
hello"
}

@test "tcp-proxy asks once for all clients that wait for the same name" {
  run in_own_network <<'END'
usual_servers
echo_host
resolv_conf 5301
kill -STOP "$NAME_SERVERS"
start_proxy -c "$((15 * SLOW))" 127.0.0.1 7000 four.test:7001
for client in {1..20}; do
  echo hello | socat -t 100 - TCP:127.0.0.1:7000 >"$DIR/reply.$client" &
done
await eval "((\$(ls /proc/$PROXY/fd | wc -l) > 45))"
kill -CONT "$NAME_SERVERS"
await has_ended 20
cat "$DIR"/reply.* | uniq -c
# A question is repeated when the answer is late.
(($(grep -c " four.test" "$DIR/questions") < 20)) && echo not each
stop_proxy
END
  assert_success
  assert_line --index 0 --regexp "^ *20 hello$"
  assert_line --index 1 "not each"
}

# The program stands still while a name server answers, and for longer than that
# may take; then it finds both at once.
@test "tcp-proxy counts what came before what is late: an answer (P10)" {
  run in_own_network <<'END'
usual_servers
echo_host
resolv_conf 5301
kill -STOP "$NAME_SERVERS"
start_proxy -c "$((2 * SLOW))" 127.0.0.1 7000 four.test:7001
echo hello | socat -t 100 - TCP:127.0.0.1:7000 &
client=$!
await has_question
kill -STOP "$PROXY"
kill -CONT "$NAME_SERVERS"
sleep "$((2 * SLOW)).2" # longer than the limit
kill -CONT "$PROXY"
wait "$client"
stop_proxy
END
  assert_success
  assert_output hello
}

@test "tcp-proxy ends at SIGTERM while it looks for its own address (P11)" {
  ((UID == 0)) || skip "only root may listen on port 53, which getaddrinfo(3) asks"
  run in_own_network <<'END'
name_servers 53=silent
echo "nameserver 127.0.0.1" >/etc/resolv.conf
"${PROGRAM[@]}" silent.test 7000 127.0.0.1:1 &
PROXY=$!
await grep -q silent.test "$DIR/questions"
begin=$(date +%s%N)
stop_proxy
((($(date +%s%N) - begin) / 1000000 < 2000)) || echo "late"
END
  assert_success
  assert_output "exit status 143"
}

@test "tcp-proxy listens and connects on IPv6 too" {
  start_upstream EXEC:cat fork
  ipv4=$UP
  ADDRESS=::1 start_proxy "127.0.0.1:$ipv4"
  inner=$PORT
  has_lines 1 "^listening on ::1 port $inner$"
  start_proxy "[::1]:$inner"
  open_client 5
  assert_talks 5
  close_client 5
  wait_for_line "^127\.0\.0\.1:[0-9]+ to \[::1\]:$inner: 8 up, 8 down, .* closed$"
  LOG=$BATS_TEST_TMPDIR/tcp-proxy.0.log
  wait_for_line "^\[::1\]:[0-9]+ to 127\.0\.0\.1:$ipv4: 8 up, 8 down, .* closed$"
}

@test "tcp-proxy listens on every address of its name, and on one port (P20)" {
  run in_own_network <<'END'
usual_servers
echo_host
echo "multi on" >/etc/host.conf
printf '%s every.test\n' 127.0.0.1 ::1 127.0.0.1 127.0.0.5 >/etc/hosts
for port in 7000 0; do
  start_proxy every.test "$port" 127.0.0.1:7001
  await eval '(($(grep -c "^listening" "$DIR/out.log") == 3))'
  port=$(sed -n 's/^listening.* port //p' "$DIR/out.log" | sort -u)
  for address in 127.0.0.1 '[::1]' 127.0.0.5; do
    echo hello | socat -t 100 - "TCP:$address:$port"
  done
  stop_proxy
done
echo one of them is taken
socat TCP-LISTEN:7000,bind=127.0.0.5,reuseaddr /dev/null &
await grep -q '0500007F:1B58 00000000:0000 0A' /proc/net/tcp # (it listens)
timeout $((20 * SLOW)) "${PROGRAM[@]}" every.test 7000 127.0.0.1:7001 2>&1
echo "status $?"
END
  assert_success
  assert_output "$(printf 'hello\n%.0s' {1..6})
one of them is taken
tcp-proxy: cannot listen on 127.0.0.5 port 7000: Address already in use
status 1"
}

# Each call of FUNCTION in a program that is built here fails.
build_failing() { # FUNCTION
  echo "int __wrap_$1(void); int __wrap_$1(void) { return -1; }" >"$BATS_TEST_TMPDIR/wrap-$1.c"
  build_own tcp-proxy "" "-Wl,--wrap=$1" "$BATS_TEST_TMPDIR/wrap-$1.c"
}

@test "tcp-proxy ends a connection for which there is no memory, and no other (P21)" {
  build_failing evbuffer_add
  start_echo
  start_proxy "127.0.0.1:$UP"
  open_client 5
  open_client 6
  assert_talks 5
  head -c 64M /dev/zero >&6 2>/dev/null 3>&- || true
  wait_for_line "down, .* s, out of memory$"
  assert_talks 5
}

@test "tcp-proxy drains on SIGTERM and SIGINT: what is open may end by itself" {
  start_echo
  for signal in TERM INT; do
    start_proxy "127.0.0.1:$UP"
    open_client 5
    assert_talks 5
    kill "-$signal" "$PID"
    wait_for_line "^draining$"
    refuses "$PORT"
    assert_talks 5
    close_client 5
    assert_exit 0
    has_lines 1 ": 16 up, 16 down, .* closed$"
  done
}

@test "tcp-proxy ends at the second signal, or when the grace is over" {
  start_echo
  start_proxy "127.0.0.1:$UP"
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  wait_for_line "^draining$"
  kill -TERM "$PID"
  assert_exit 0
  has_lines 1 ": 8 up, 8 down, .* stopped$"
  start_proxy --grace=0.5 "127.0.0.1:$UP"
  open_client 6
  assert_talks 6
  begin=$(date +%s%N)
  kill -TERM "$PID"
  assert_exit 0
  took=$((($(date +%s%N) - begin) / 1000000))
  ((took >= 450)) || fail "it took $took ms"
  has_lines 1 ": 8 up, 8 down, .* stopped$"
}

@test "tcp-proxy without connections ends at the first signal" {
  start_proxy 127.0.0.1:1
  kill -TERM "$PID"
  assert_exit 0
  assert_equal "$(wc -l <"$LOG")" 1
}

@test "tcp-proxy ends cleanly while it looks for a name and while it connects" {
  start_full
  start_proxy "127.0.0.1:$UP" "no-such-host.invalid:1"
  open_client 5
  start_proxy "no-such-host.invalid:1"
  open_client 6
  for PID in "${!STARTED[@]}"; do
    LOG=${STARTED[$PID]}
    settle "$PID"
    stop "$PID"
    assert_exit 0
  done
}

@test "tcp-proxy rests when descriptors run out, and recovers" {
  start_echo
  FDS=24 start_proxy "127.0.0.1:$UP"
  for _ in {1..16}; do
    # The proxy resets those for which it has no second descriptor, maybe before
    # connect returns.
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || continue
    clients+=("$fd")
  done
  wait_for_line "Too many open files$"
  assert_idle "$PID"
  assert_talks "${clients[0]}"
  for fd in "${clients[@]}"; do
    close_client "$fd"
  done
  wait_for_line " (closed|no descriptor|(client|upstream) lost: .*)$" 16
  open_client 5
  assert_talks 5
}

@test "tcp-proxy accepts again as soon as a descriptor is free (P15)" {
  start_nobody
  for host in 127.0.0.1 localhost; do
    FDS=20 start_proxy "$host:$UP"
    # 40 clients at once, and how long it takes until all are served.
    # shellcheck disable=SC2016 # perl's own $
    run -0 timeout "$LIMIT" perl -MSocket=:all -MTime::HiRes=time -e '
      my ($begin, @all) = time;
      for (1 .. 40) {
        socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
        # The proxy may have refused it before connect returns.
        connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or $!{ECONNRESET} or die "connect: $!";
        push @all, $s;
      }
      sysread($_, my $b, 1) for @all;
      printf "%d\n", 1000 * (time - $begin)' "$PORT"
    [[ ${UNDER-} ]] || ((output < 1000)) || fail "40 clients took $output ms"
    wait_for has_lines 40 ", refused$"
    run ! grep "no descriptor" "$LOG"
  done
}

@test "tcp-proxy serves on when nobody reads its output (P16)" {
  start_nobody
  mkfifo "$BATS_TEST_TMPDIR/unread"
  exec {unread}<>"$BATS_TEST_TMPDIR/unread"
  path=$(program tcp-proxy)
  "${UNDER_COMMAND[@]}" "$path" 127.0.0.1 0 "127.0.0.1:$UP" >&"$unread" 2>&1 3>&- &
  PID=$!
  LOG=$BATS_TEST_TMPDIR/read.log
  STARTED[$PID]=$LOG
  read -r -t "$LIMIT" -u "$unread" line
  echo "$line" >"$LOG"
  PORT=${line##* }
  # More lines than a pipe holds: one on each stream for each of these.
  # shellcheck disable=SC2016 # perl's own $
  timeout "$LIMIT" perl -MSocket=:all -e '
    for (1 .. 1000) {
      socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
      # The proxy may have refused it before connect returns.
      connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or $!{ECONNRESET} or die "connect: $!";
      sysread($s, my $b, 1);
    }' "$PORT"
  kill -TERM "$PID"
  assert_exit 0
}

@test "tcp-proxy holds 300 clients in its queue while it stands still (P17)" {
  start_echo
  start_proxy "127.0.0.1:$UP"
  kill -STOP "$PID"
  # shellcheck disable=SC2016 # perl's own $
  run -0 perl -MSocket=:all -MFcntl -e '
    my (@all, $made);
    for (1 .. 300) {
      socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
      fcntl($s, F_SETFL, O_NONBLOCK) or die;
      connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK));
      push @all, $s;
    }
    select(undef, undef, undef, 0.2);
    getpeername($_) and $made++ for @all;
    print $made' "$PORT"
  kill -CONT "$PID"
  assert_output 300
}

@test "tcp-proxy opens the standard descriptors that it lacks (P18)" {
  start_nobody
  path=$(program tcp-proxy)
  "$path" 127.0.0.1 "$UP" 127.0.0.1:1 <&- >&- 2>&- 3>&- &
  PID=$!
  STARTED[$PID]=/dev/null
  wait_for nc -z 127.0.0.1 "$UP"
  for fd in 0 1 2; do
    assert_equal "$(readlink "/proc/$PID/fd/$fd")" /dev/null
  done
}

@test "tcp-proxy leaves at once when it cannot set an end to its grace (P19)" {
  build_failing event_base_loopexit
  start_echo
  start_proxy "127.0.0.1:$UP"
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  assert_exit 0
  has_lines 1 ": 8 up, 8 down, .* stopped$"
}

@test "tcp-proxy survives clients that send and close without reading" {
  start_echo
  start_proxy "127.0.0.1:$UP"
  for _ in {1..20}; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
  close_client 5
  wait_for_line " down, " 21
}

@test "tcp-proxy answers small messages without a 40 ms wait each" {
  start_echo
  start_proxy "127.0.0.1:$UP"
  open_client 5
  # On a machine that is busy with other work one round may be slow, not all.
  for _ in {1..5}; do
    begin=$(date +%s%N)
    for _ in {1..20}; do
      assert_talks 5
    done
    took=$((($(date +%s%N) - begin) / 1000000))
    ((took >= 20 * 40)) || return 0
  done
  fail "20 answers took $took ms"
}

@test "tcp-proxy serves 100 clients at once" {
  start_upstream PIPE fork # quicker to start than cat, but holds 64 KiB at most
  start_proxy "127.0.0.1:$UP"
  assert_talks_to_many 100
  close_clients
  wait_for_line ", closed$" 100
}

@test "tcp-proxy says how it is called, and takes no other call" {
  run -0 course tcp-proxy --help
  assert_line --index 0 "usage: tcp-proxy [OPTION...] ADDRESS PORT UPSTREAM [UPSTREAM]"
  for call in "" "127.0.0.1" "127.0.0.1 0" "127.0.0.1 0 a:1 b:2 c:3" "127.0.0.1 65536 a:1" \
    "127.0.0.1 x a:1" "127.0.0.1 0 a" "127.0.0.1 0 :1" "127.0.0.1 0 a:" "127.0.0.1 0 a:0" \
    "127.0.0.1 0 a:65536" "127.0.0.1 0 a:1x" "127.0.0.1 0 ::1:1" "127.0.0.1 0 [::1:1" \
    "127.0.0.1 0 []:1" "-c 0 127.0.0.1 0 a:1" "-i x 127.0.0.1 0 a:1" "-g 1s 127.0.0.1 0 a:1" \
    "-c nan 127.0.0.1 0 a:1" "-c -1 127.0.0.1 0 a:1" "-x 127.0.0.1 0 a:1"; do
    # shellcheck disable=SC2086 # the words of the call
    run -2 course tcp-proxy $call
    assert_line --partial "usage: tcp-proxy"
  done
}

@test "tcp-proxy does not start where it cannot listen" {
  start_upstream /dev/null
  run -1 course tcp-proxy 127.0.0.1 "$UP" a:1
  assert_output "tcp-proxy: cannot listen on 127.0.0.1 port $UP: Address already in use"
  run -1 course tcp-proxy no-such-host.invalid 0 a:1
  assert_output --regexp "^tcp-proxy: cannot resolve no-such-host.invalid: "
}

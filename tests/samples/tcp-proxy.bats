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
# not read: see proc(5), /proc/net/tcp.
has_unread() { # own|peer PORT
  local port line where=1
  [[ $1 == own ]] || where=2
  printf -v port ':%04X' "$2"
  while read -r -a line; do
    [[ ${line[where]} != *"$port" || ${line[3]} == 0A ]] ||
      ((16#${line[4]#*:} == 0)) || return 0
  done < <(tail -n +2 /proc/net/tcp)
  return 1
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
  open_client 5
  wait_for_line "^127\.0\.0\.1:[0-9]+ to 127\.0\.0\.1:$UP: 0 up, 0 down, 0\.[0-9]{3} s, refused$"
  has_lines 1 "^tcp-proxy: cannot connect to 127\.0\.0\.1:$UP: Connection refused$"
  assert_reset 5
  start_upstream EXEC:cat linger=0
  start_proxy "127.0.0.1:$UP"
  open_client 6
  assert_talks 6
  kill -KILL "$UP_PID"
  wait_for_line ": 8 up, 8 down, [0-9.]* s, upstream lost: Connection reset by peer$"
  assert_reset 6
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
  start_proxy -i0.8 "127.0.0.1:$UP"
  open_client 5
  open_client 6
  assert_talks 5
  for _ in {1..8}; do
    sleep 0.2 # the client is slow, and longer at it than the limit
    assert_talks 6
  done
  wait_for_line ": 8 up, 8 down, .* idle$"
  took=$(sed -nE 's/.*: 8 up, .* ([0-9]+)\.([0-9]+) s, idle$/\1\2/p' "$LOG")
  ((10#$took >= 800)) || fail "it was ended after $took ms"
  assert_reset 5
  assert_talks 6
  wait_for_line ": 72 up, 72 down, .* idle$"
}

@test "tcp-proxy takes names from /etc/hosts, and from a name server" {
  mkdir "$BATS_TEST_TMPDIR/etc"
  echo "127.0.0.1 by-hosts.test" >"$BATS_TEST_TMPDIR/etc/hosts"
  for name in by-hosts.test by-server.test; do
    run -0 in_own_network 5 "$name:7001"
    assert_line "hello"
    assert_line --regexp "^127\.0\.0\.1:[0-9]+ to $name:7001: 6 up, 6 down, .* closed$"
    # The first name has to be found without a name server.
    echo "nameserver 127.0.0.1:5353" >"$BATS_TEST_TMPDIR/etc/resolv.conf"
  done
}

@test "tcp-proxy says when nobody knows the name, and when the name server is silent" {
  mkdir "$BATS_TEST_TMPDIR/etc"
  echo "nameserver 127.0.0.1:5353" >"$BATS_TEST_TMPDIR/etc/resolv.conf"
  run -0 in_own_network 5 unknown.test:7001
  assert_line --regexp " to unknown.test:7001: 0 up, 0 down, .* unknown host$"
  run -0 in_own_network 0.3 silent.test:7001
  assert_line --regexp " to silent.test:7001: 0 up, 0 down, .* timeout$"
  run -0 in_own_network 0.3 silent.test:7001 127.0.0.1:7001
  assert_line hello
}

# Say hello through a proxy, on a network with a name server and an echo server,
# and print all that the proxy printed.
in_own_network() { # CONNECT-LIMIT UPSTREAM...
  alone true
  cp -a /etc/alternatives /etc/ld.so.cache "$BATS_TEST_TMPDIR/etc/"
  cat >"$BATS_TEST_TMPDIR/name-server" <<'END'
#!/usr/bin/env bash
# Answers one query: an address for by-server, silence for silent, else no.
query=$(od -An -v -tx1 | tr -d ' \n')
name=$(sed 's/../\\x&/g' <<<"${query:26}")
head=${query:0:4}8180${query:8:4} body=${query:24} answer=c00c000100010000003c00047f000001
case $(printf '%b' "$name" | tr -dc 'a-zA-Z-' | tr 'A-Z' 'a-z') in
  silent*) exit ;;
  by-server*) if [[ $body == *00010001 ]]; then n=0001; else n=0000 answer=; fi ;;
  *) head=${query:0:4}8183${query:8:4} n=0000 answer= ;;
esac
printf '%b' "$(sed 's/../\\x&/g' <<<"$head${n}00000000$body$answer")"
END
  chmod +x "$BATS_TEST_TMPDIR/name-server"
  # shellcheck disable=SC2016 # for the inner shell
  alone --etc "$BATS_TEST_TMPDIR/etc" bash -c '
    limit=$1 dir=$2 upstreams=$3
    shift 3
    socat UDP-RECVFROM:5353,bind=127.0.0.1,fork "EXEC:$dir/name-server" &
    socat TCP-LISTEN:7001,bind=127.0.0.1,reuseaddr,fork EXEC:cat &
    "$@" -c "$limit" 127.0.0.1 7000 $upstreams >"$dir/out.log" 2>&1 &
    until grep -q "^listening" "$dir/out.log" && socat -u OPEN:/dev/null TCP:127.0.0.1:7001; do
      sleep 0.05
    done 2>/dev/null
    echo hello | timeout 20 socat -t 20 - TCP:127.0.0.1:7000
    until grep -qE ", (closed|timeout|unknown host)$" "$dir/out.log"; do sleep 0.05; done
    kill %3
    wait %3 || echo "exit status $?"
    cat "$dir/out.log"' alone "$1" "$BATS_TEST_TMPDIR" "${*:2}" \
    "${UNDER_COMMAND[@]}" "$(program tcp-proxy)"
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
  for client in {1..16}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  wait_for_line "Too many open files$"
  assert_idle "$PID"
  assert_talks "${clients[1]}"
  for client in {1..16}; do
    close_client "${clients[client]}"
  done
  wait_for_line " (closed|no descriptor|(client|upstream) lost: .*)$" 16
  open_client 5
  assert_talks 5
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
  begin=$(date +%s%N)
  for _ in {1..20}; do
    assert_talks 5
  done
  took=$((($(date +%s%N) - begin) / 1000000))
  ((took < 20 * 40)) || fail "20 answers took $took ms"
}

@test "tcp-proxy serves 100 clients at once" {
  start_upstream PIPE fork # quicker to start than cat, but holds 64 KiB at most
  start_proxy "127.0.0.1:$UP"
  for client in {1..100}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  for fd in "${clients[@]}"; do
    assert_talks "$fd"
  done
  for fd in "${clients[@]}"; do
    close_client "$fd"
  done
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

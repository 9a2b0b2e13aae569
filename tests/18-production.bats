# shellcheck disable=SC2016 # what stands in quotes is for other shells, awk and perl
setup() {
  load lib/course
  load lib/servers
  CAPITALS=yes
}

teardown() {
  course_teardown
}

harden() { # [OPTION...]
  start_with hardened-server "$@" 127.0.0.1 0
}

# Whether the server ends the connection on FD, without a byte.
is_refused() { # FD
  local status=0 byte
  read -r -t "$LIMIT" -N 1 -u "$1" byte || status=$?
  ((status == 1))
}

# What a line of the statistics says about a word, as in "served: 3".
figure() { # WORD: a regular expression behind the number
  local before
  before=$(count_lines "^info: log: ")
  kill -USR1 "$PID"
  wait_for_line "^info: log: " $((before + 1))
  grep -oE "[0-9]+ $1" "$LOG" | tail -n 1 | cut -d ' ' -f 1
}

# A client in the background that sends a lot and reads KB kilobytes each tenth of a
# second, or nothing for 0. After ENOUGH bytes it says so.
start_slow_reader() { # KB [ENOUGH]
  perl -MSocket=:all -MFcntl -e '
    my ($port, $kb, $enough, $all) = @ARGV;
    $SIG{PIPE} = "IGNORE";
    $| = 1;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 16384) or die;
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    fcntl($s, F_SETFL, O_NONBLOCK) or die;
    for (;;) {
      my $sent = syswrite($s, "x" x 65536);
      my $got = $kb ? sysread($s, my $text, 1024 * $kb) : 0;
      last if defined $got && $got == 0 && $kb;
      print "enough\n" if ($all += $got // 0) > $enough;
      select(undef, undef, undef, 0.1) if !$sent;
    }' "$PORT" "$1" "${2:-1000000000}" >"$BATS_TEST_TMPDIR/reader" 3>&- &
  OTHERS+=($!)
}

# --- the wire: as the uppercase server ---

@test "hardened-server answers messages of every size, byte for byte" {
  start hardened-server
  for size in 1 255 4096 4097 65536 1048576 1048577; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask "$BATS_TEST_TMPDIR/message" | cmp - <(upper <"$BATS_TEST_TMPDIR/message")
  done
}

@test "hardened-server gives every byte to a client that reads late, in order, and says so (HS1 HS2)" {
  start hardened-server
  make_bytes "$BATS_TEST_TMPDIR/message" $((8 << 20))
  start_late_reader "$BATS_TEST_TMPDIR/message"
  cmp - <(upper <"$BATS_TEST_TMPDIR/message") <&5
  wait_for_line "^info: flushed answer$"
  wait_for_line "^info: Connection closed\.$"
}

@test "hardened-server sends around the bufferevent, which costs no epoll_ctl (HS3)" {
  harden
  open_client 5
  assert_talks 5
  trace -e trace=epoll_ctl,sendto,writev
  for _ in {1..20}; do assert_talks 5; done
  assert_equal "$(grep -c sendto "$BATS_TEST_TMPDIR/trace")" 20
  run ! grep -E 'epoll_ctl|writev' "$BATS_TEST_TMPDIR/trace"
}

@test "hardened-server does not send around the bufferevent that limits a rate (HS4)" {
  harden --rate=100M
  open_client 5
  assert_talks 5
  trace -e trace=sendto,writev
  for _ in {1..20}; do assert_talks 5; done
  assert_equal "$(grep -c writev "$BATS_TEST_TMPDIR/trace")" 20
  run ! grep sendto "$BATS_TEST_TMPDIR/trace"
}

@test "hardened-server survives clients that send and close without reading (HS5)" {
  for option in --rate=100M --rate=0; do
    harden "$option"
    for _ in {1..5}; do send_and_vanish; done
    open_client 5
    assert_talks 5
  done
}

# --- limits on clients ---

@test "hardened-server refuses clients when all places are taken, until one leaves (HS6 HS24)" {
  harden --clients=3
  for fd in 5 6 7; do open_client "$fd" && assert_talks "$fd"; done
  for _ in 1 2; do
    open_client 8
    is_refused 8
  done
  wait_for_line "^warning: refused [12] clients: all 3 places are taken$"
  close_client 5
  wait_for_line "Connection closed"
  open_client 8
  assert_talks 8
}

@test "hardened-server limits the clients of one address, and no others (HS7 HS8)" {
  harden --per-address=2
  open_client 5 && assert_talks 5
  open_client 6 && assert_talks 6
  open_client 7
  is_refused 7
  wait_for_line "^warning: refused 1 clients: their address has 2 already$"
  run -0 bash -c 'echo other | nc -N -s 127.0.0.2 127.0.0.1 "$0"' "$PORT"
  assert_output OTHER
  close_client 5
  wait_for_line "Connection closed" 2
  open_client 7
  assert_talks 7
}

@test "hardened-server counts addresses of IPv6 by their network (HS37)" {
  alone true
  run -0 alone bash -c '
    ip address add 2001:db8::1/64 dev lo nodad
    ip address add 2001:db8::2/64 dev lo nodad
    ip address add 2001:db8:0:1::1/64 dev lo nodad
    "$0" --per-address=1 2001:db8::1 9995 2>/dev/null >&2 &
    until nc -N -s 2001:db8::1 2001:db8::1 9995 <<<first; do sleep 0.05; done
    coproc nc -s 2001:db8::1 2001:db8::1 9995
    echo second >&${COPROC[1]}
    read -r -u ${COPROC[0]} line; echo "$line"
    nc -N -s 2001:db8::2 2001:db8::1 9995 <<<third
    nc -N -s 2001:db8:0:1::1 2001:db8::1 9995 <<<fourth
    kill %1' "$(program hardened-server)"
  assert_output $'FIRST\nSECOND\nFOURTH'
}

# --- limits on rates ---

@test "hardened-server lets each client have no more than its rate (HS9)" {
  harden --rate=200k
  begin=$(date +%s%N)
  # One second's worth at once, and half as much again.
  run -0 bash -c 'head -c 300k /dev/zero | nc -N 127.0.0.1 "$0" | wc -c' "$PORT"
  assert_output 307200
  took=$((($(date +%s%N) - begin) / 1000000))
  ((took >= 350)) || fail "300 KiB took $took ms"
}

@test "hardened-server lets all clients together have no more than the rate of all (HS10)" {
  harden --rate-all=400k
  begin=$(date +%s%N)
  for client in 1 2 3; do
    head -c 200k /dev/zero | nc -N 127.0.0.1 "$PORT" 3>&- | wc -c >"$BATS_TEST_TMPDIR/$client" 3>&- &
    pids[client]=$!
  done
  wait "${pids[@]}"
  took=$((($(date +%s%N) - begin) / 1000000))
  for client in 1 2 3; do assert_equal "$(<"$BATS_TEST_TMPDIR/$client")" 204800; done
  ((took >= 350)) || fail "600 KiB took $took ms"
}

# --- time-outs ---

@test "hardened-server drops a client that is silent, and not one that talks (HS11)" {
  harden --idle=1
  open_client 5
  open_client 6
  until has_lines 1 "^warning: dropped a client that was idle: 127.0.0.1 port"; do
    assert_talks 6
    sleep 0.05
  done
  run ! read -r -t "$LIMIT" -u 5 _
  assert_talks 6
  assert_equal "$(figure idle)" 1
}

@test "hardened-server drops a client that takes nothing of its answer (HS12)" {
  harden --stuck=0.5
  start_slow_reader 0
  wait_for_line "^warning: dropped a client that takes none of its answer: 127.0.0.1 port"
}

@test "hardened-server drops a client that takes its answer too slowly, and not one that is quick enough (HS13)" {
  harden --progress=0.5 --slowest=10M
  start_slow_reader 16
  wait_for_line "^warning: dropped a client that takes its answer too slowly: 127.0.0.1 port"
  harden --progress=0.3 --slowest=1
  start_slow_reader 64 500000
  wait_for grep -q enough "$BATS_TEST_TMPDIR/reader"
  assert_equal "$(figure slow)" 0
}

@test "hardened-server does not blame a client for a rate that it limits itself" {
  harden --rate=20k --stuck=0.3 --progress=0.3 --slowest=1M --idle=0.3
  run -0 bash -c 'head -c 40k /dev/zero | nc -N 127.0.0.1 "$0" | wc -c' "$PORT"
  assert_output 40960
}

@test "hardened-server drops no client because it was stopped itself (HS14)" {
  harden --idle=2.5
  open_client 5
  wait_for eval '[[ $(figure now) == 1 ]]'
  kill -STOP "$PID"
  sleep 2.7
  kill -CONT "$PID"
  # It looks after its clients now, before it answers a second time.
  run -0 figure now
  assert_equal "$(figure now)" 1
}

# --- limits on memory ---

@test "hardened-server stops reading from a client that never reads (HS15)" {
  harden
  before=$(memory_of "$PID")
  open_client 5
  head -c 100M /dev/zero >&5 3>&- &
  OTHERS+=($!)
  settle "$PID"
  assert_grew_at_most 2048 "$before" "$PID"
  is_running $! || fail "all 100 MiB were taken"
}

@test "hardened-server drops the client for which most waits when memory is used up (HS16 HS17)" {
  harden --output=8M --memory=2M
  # Some waits for this one, but never most.
  open_client 5
  assert_talks 5
  start_slow_reader 0
  wait_for_line "^warning: dropped a client that held too much memory: 127.0.0.1 port"
  assert_talks 5
  (($(figure 'of answers wait') <= 2 << 20)) || fail "more waits than is allowed"
}

@test "hardened-server drops clients that find no memory, and lives on" {
  drops_clients_that_find_no_memory hardened-server
}

@test "hardened-server keeps little for a client that sends single bytes and never reads" {
  keeps_single_bytes_small hardened-server/clients
}

# --- descriptors ---

@test "hardened-server says no at once when no descriptor is left, and rests (HS18)" {
  [[ ! ${UNDER-} ]] || skip "valgrind has descriptors of its own"
  harden
  open_client 5
  assert_talks 5
  # The number that the next client would get.
  next=3
  while [[ -e /proc/$PID/fd/$next ]]; do next=$((next + 1)); done
  prlimit --pid "$PID" "--nofile=$next:1024"
  for _ in 1 2 3; do
    open_client 6
    is_refused 6
  done
  wait_for_line "^error: refused [1-3] clients: no descriptor is left$"
  assert_idle "$PID"
  close_client 5
  wait_for_line "Connection closed"
  open_client 6
  assert_talks 6
}

@test "hardened-server serves fewer clients where it may not have more descriptors (HS36)" {
  [[ ! ${UNDER-} ]] || skip "valgrind has descriptors of its own"
  FDS=30 harden
  wait_for_line "^warning: only 15 clients at a time: the limit is 30 descriptors$"
  assert_talks_to_many 15
  open_client 5
  is_refused 5
}

@test "hardened-server raises its limit of descriptors as far as it may" {
  harden --clients=900
  run -0 awk '/^Max open files/ { print ($4 >= 932) }' "/proc/$PID/limits"
  assert_output 1
}

# --- the log ---

# The log goes into a pipe of 4 KiB that no process reads. Descriptor 7 is its end.
start_with_unread_log() { # [OPTION...]
  local path
  path=$(program hardened-server)
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  exec 7<>"$BATS_TEST_TMPDIR/pipe"
  perl -e 'open my $pipe, "<&=", 7; fcntl($pipe, 1031, 4096) or die "F_SETPIPE_SZ: $!"'
  LOG=$BATS_TEST_TMPDIR/out
  "${UNDER_COMMAND[@]}" "$path" "$@" 127.0.0.1 0 2>&7 >"$LOG" 7>&- 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
  wait_for_line "$READY"
  find_port "$LOG"
}

# Have the server write lines, and answer a client after each time, so that no signal
# is merged with the next.
write_much() { # TIMES SIGNAL
  timeout "$LIMIT" perl -MSocket -e '
    my ($pid, $times, $signal, $port) = @ARGV;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    for (1 .. $times) {
      kill $signal, $pid;
      syswrite($s, "a") and sysread($s, my $answer, 1) or die "no answer: $!";
    }' "$PID" "$1" "$2" "$PORT"
}

@test "hardened-server drops lines that its log does not take, counts them, and lets no client wait (HS19 HS20)" {
  start_with_unread_log
  write_much 300 USR1
  settle "$PID"
  cat <&7 >"$BATS_TEST_TMPDIR/read" 3>&- &
  OTHERS+=($!)
  LOG=$BATS_TEST_TMPDIR/read
  wait_for_line "^warning: [0-9]+ lines of the log were dropped$"
  run -0 figure "lines dropped"
  # Each time five lines, and one for the client: written, or dropped and told.
  noticed=$(sed -n 's/^warning: \([0-9]*\) lines of the log were dropped$/\1/p' "$LOG" | awk '{ sum += $1 } END { print sum }')
  assert_equal "$noticed" "$output"
  assert_equal "$((noticed + $(count_lines '^info: (clients|refused|dropped|bytes|log|Connection)[: ]')))" $((301 * 5 + 1))
}

@test "hardened-server writes lines whole and in order once its log is read (HS21)" {
  start_with_unread_log
  write_much 30 USR2
  settle "$PID"
  cat <&7 >"$BATS_TEST_TMPDIR/read" 3>&- &
  OTHERS+=($!)
  LOG=$BATS_TEST_TMPDIR/read
  write_much 150 USR2
  wait_for_line "^info: Active events:$" 180
  run grep -vE '^(info: (Inserted events:|Active events:|  0x[0-9a-f]+ \[.*\].*|Connection closed\.)|warning: serving as root.*)$' "$LOG"
  assert_output ""
}

# Abort where an event is added while libevent reports something.
write_wrapper() { # FILE
  cat >"$1" <<'END'
#include <stdlib.h>
#include <event2/event.h>

static event_log_cb callback;
static int within;

void __real_event_set_log_callback(event_log_cb);
int __real_event_add(struct event *, const struct timeval *);

static void report(int severity, const char *text)
{
    within++;
    callback(severity, text);
    within--;
}

void __wrap_event_set_log_callback(event_log_cb chosen)
{
    callback = chosen;
    __real_event_set_log_callback(report);
}

int __wrap_event_add(struct event *event, const struct timeval *time)
{
    if (within)
        abort();
    return __real_event_add(event, time);
}
END
}

@test "hardened-server calls nothing of libevent while it reports something, and writes its lines later (HS38 HS39)" {
  write_wrapper "$BATS_TEST_TMPDIR/wrapper.c"
  build_own hardened-server "" -Wl,--wrap=event_add,--wrap=event_set_log_callback "$BATS_TEST_TMPDIR/wrapper.c"
  ulimit -c 0
  start_with_unread_log --log=debug --idle=2
  # More lines than fit into the pipe and the ring, all of them libevent's.
  write_much 300 0
  cat <&7 >"$BATS_TEST_TMPDIR/read" 3>&- &
  OTHERS+=($!)
  LOG=$BATS_TEST_TMPDIR/read
  wait_for_line "^warning: [0-9]+ lines of the log were dropped$"
}

@test "hardened-server goes on when no process reads its output" {
  serves_with_a_full_pipe hardened-server
}

@test "hardened-server goes on when its terminal is stopped" {
  serves_on_a_stopped_terminal hardened-server
}

@test "hardened-server leaves the pipe of its log as blocking as it was (HS22)" {
  start_with_unread_log
  run -0 awk '/^flags:/ { print $2 }' "/proc/$PID/fdinfo/2"
  (((8#$output & 8#4000) == 0)) || fail "flags $output"
}

@test "hardened-server keeps the numbers of missing standard descriptors free" {
  serves_without_standard_descriptors hardened-server
}

@test "hardened-server writes the levels that it is told to, and libevent's lines among them (HS23)" {
  harden --log=debug
  wait_for_line "^debug: libevent: "
  harden --log=warning --clients=1
  open_client 5 && assert_talks 5
  open_client 6 && is_refused 6
  wait_for_line "^warning: refused"
  close_client 5
  kill -TERM "$PID"
  assert_exit 0
  run ! grep -E '^(info|debug)' "$LOG"
}

# The server uses an event that it has forgotten, in the eyes of debug mode.
@test "hardened-server checks calls on events with --debug, and says why it aborts (HS34)" {
  [[ ! ${UNDER-} ]] || skip "valgrind tells the end in its own way"
  build_own hardened-server 's/^    clients_tick\(.*/    event_debug_unassign(server->rest_event);\n    event_del(server->rest_event);/'
  ulimit -c 0
  harden --idle=0.1
  assert_idle "$PID"
  spawn hardened-server --debug --idle=0.1 127.0.0.1 0
  wait_for_line "^error: libevent: event_debug_note_del_: noting a del on a non-setup event"
  assert_exit 134
}

# --- a service ---

@test "hardened-server tells at SIGUSR1 and SIGUSR2 what it does" {
  harden --clients=2
  open_client 5 && assert_talks 5
  open_client 6 && assert_talks 6
  open_client 7 && is_refused 7
  assert_equal "$(figure now)" 2
  assert_equal "$(figure served)" 2
  assert_equal "$(figure 'all places')" 1
  assert_equal "$(figure answered)" 16
  kill -USR2 "$PID"
  wait_for_line "^info: Active events:$"
  (($(count_lines '^info:   0x[0-9a-f]+ \[fd +[0-9]+\] Read Persist$') >= 3)) || fail "too few events"
}

@test "hardened-server tells its manager when it is ready, alive and stopping (HS25 HS26)" {
  local name log=$BATS_TEST_TMPDIR/notices
  for name in "$BATS_TEST_TMPDIR/notify" "@notify.$BATS_TEST_NUMBER.$$"; do
    : >"$log"
    if [[ $name == /* ]]; then
      socat -u "UNIX-RECV:$name" "OPEN:$log" 3>&- &
    else
      socat -u "ABSTRACT-RECV:${name#@}" "OPEN:$log" 3>&- &
    fi
    OTHERS+=($!)
    wait_for grep -q "$name" /proc/net/unix
    NOTIFY_SOCKET=$name WATCHDOG_USEC=800000 start hardened-server
    wait_for grep -q "^READY=1.*WATCHDOG=1" "$log"
    kill -TERM "$PID"
    assert_exit 0
    wait_for grep -q "STOPPING=1$" "$log"
  done
}

# Listen on a port, and let the client's connection wait; then start the server with
# that socket as descriptor 3, meant for itself or for another process.
start_activated() { # PID-TO-NAME
  PORT_FILE=$BATS_TEST_TMPDIR/port
  local script='
    use Socket qw(:all);
    close STDERR; open STDERR, ">&", STDOUT;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die;
    listen($s, 10) or die;
    my ($port) = sockaddr_in(getsockname $s);
    syscall(33, fileno $s, 3) == 3 or die "dup2: $!" if fileno($s) != 3;
    fcntl(STDIN, 0, 0);
    { $^F = 10; open my $three, "<&=", 3; fcntl($three, 2, 0); }
    $ENV{LISTEN_PID} = $ENV{NAMED} || $$; $ENV{LISTEN_FDS} = 1;
    open my $file, ">", "$ARGV[0].new"; print $file $port; close $file;
    rename "$ARGV[0].new", $ARGV[0];
    sleep 0.1 until -e "$ARGV[0].go";
    exec @ARGV[1 .. $#ARGV] or die;'
  LOG=$BATS_TEST_TMPDIR/activated.log
  : >"$LOG"
  NAMED=$1 perl -e "$script" "$PORT_FILE" "${UNDER_COMMAND[@]}" "$(program hardened-server)" \
    127.0.0.1 0 >"$LOG" 2>&1 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
  wait_for test -e "$PORT_FILE"
  PORT=$(<"$PORT_FILE")
}

@test "hardened-server serves on the socket that its manager has opened before (HS27 HS35)" {
  start_activated ""
  open_client 5
  echo early >&5
  touch "$PORT_FILE.go"
  read -r -t "$LIMIT" -u 5 reply
  assert_equal "$reply" EARLY
  wait_for_line "^listening on 127.0.0.1 port $PORT$"
  assert_talks 5
  wait_for asks_silent_peers
}

@test "hardened-server leaves a socket alone that is meant for another process (HS28)" {
  [[ ! ${UNDER-} ]] || skip "valgrind may use the number itself"
  start_activated 1
  touch "$PORT_FILE.go"
  wait_for_line "$READY"
  before=$PORT
  find_port "$LOG"
  ((PORT != before)) || fail "it listens on the socket of another process"
}

@test "hardened-server does not start on a socket that does not listen" {
  run -1 bash -c 'exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"' bash "$(program hardened-server)"
  assert_output "hardened-server: descriptor 3 does not listen for TCP"
}

@test "hardened-server is another user once it listens, for good (HS29)" {
  ((EUID == 0)) || skip "only root can become another user"
  harden --user=nobody
  run -0 awk '/^(Uid|Gid|Groups|NoNewPrivs|CapEff):/ { $1 = $1; print }' "/proc/$PID/status"
  uid=$(id -u nobody) gid=$(id -g nobody)
  assert_line "Uid: $uid $uid $uid $uid"
  assert_line "Gid: $gid $gid $gid $gid"
  assert_line "Groups: $(id -G nobody)"
  assert_line "NoNewPrivs: 1"
  assert_line "CapEff: 0000000000000000"
  open_client 5
  assert_talks 5
}

@test "hardened-server does not start as a user that is none, or root" {
  run -1 course hardened-server --user=no-such-user 127.0.0.1 0
  assert_output --partial "hardened-server: cannot find the user no-such-user: "
  run -1 course hardened-server --user=root 127.0.0.1 0
  assert_output --partial "hardened-server: root is root"
}

@test "hardened-server's unit files are right, and its sandbox is tight" {
  command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
  mkdir "$BATS_TEST_TMPDIR/units"
  cp "$ROOT"/chapters/18-production/*.{service,socket} "$BATS_TEST_TMPDIR/units"
  sed -i "s|^ExecStart=[^ ]*|ExecStart=$(program hardened-server)|" "$BATS_TEST_TMPDIR/units/hardened-server.service"
  run systemd-analyze --man=no verify "$BATS_TEST_TMPDIR"/units/*
  assert_output ""
  run -0 systemd-analyze security --offline=yes --threshold=20 "$BATS_TEST_TMPDIR/units/hardened-server.service"
  assert_line --regexp '^✓ IPAddressDeny= '
}

# --- the end ---

@test "hardened-server gives each client its answer before it ends, and closes silent ones (HS30 HS31)" {
  build_own hardened-server 's/^(static const struct timeval GRACE = .)2,/\11000,/'
  harden
  open_client 6
  assert_talks 6
  make_bytes "$BATS_TEST_TMPDIR/message" $((4 << 20))
  start_late_reader "$BATS_TEST_TMPDIR/message"
  kill -TERM "$PID"
  wait_for_line "exiting cleanly in two seconds"
  # The silent client hears the end of the connection, and leaves.
  is_refused 6
  close_client 6
  cmp - <(upper <"$BATS_TEST_TMPDIR/message") <&5
  assert_exit 0
  run -0 grep -x "info: done" "$LOG"
}

@test "hardened-server accepts nobody after SIGTERM, and ends at once at a second one" {
  harden
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  wait_for_line "exiting cleanly in two seconds"
  run ! bash -c 'exec 6<>"/dev/tcp/127.0.0.1/$0"' "$PORT"
  kill -INT "$PID"
  assert_exit 0
}

@test "hardened-server frees what all kinds of clients have taken (HS32)" {
  find_leaks_in hardened-server
  harden --rate=1M --rate-all=10M --idle=0.3 --clients=3 --debug
  open_client 5 && assert_talks 5
  wait_for_line "was idle"
  for fd in 5 6 7; do open_client "$fd" && assert_talks "$fd"; done
  open_client 8 && is_refused 8
  kill -TERM "$PID"
  assert_exit 0
}

@test "hardened-server takes options in their bounds only (HS33)" {
  for option in --clients=0 --clients= --clients=x --rate=-1 --rate=1G --rate=3000M --idle=0 --idle=0.001 --idle=x \
    --idle=100000 --log=loud --nothing --user; do
    run -2 course hardened-server "$option" 127.0.0.1 0
    assert_output "usage: hardened-server [OPTION...] [ADDRESS PORT]"
  done
  for port in -1 65536 http ""; do run -2 course hardened-server 127.0.0.1 "$port"; done
  run -0 course hardened-server --help
  assert_line "  --memory=BYTES        bytes of answers that may wait for all clients (64M)"
}

@test "hardened-server listens on IPv6, and not on a port in use" {
  start hardened-server ::1
  run -0 nc -N ::1 "$PORT" <<<hello
  assert_output HELLO
  run -1 course hardened-server ::1 "$PORT"
  assert_output --partial "hardened-server: cannot listen on ::1 port $PORT: Address already in use"
}

@test "hardened-server has the kernel ask silent peers whether they still exist" {
  start hardened-server
  open_client 5
  assert_talks 5
  wait_for asks_silent_peers
}

@test "hardened-server lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped hardened-server
}

@test "hardened-server can be ended while it looks up a name" {
  ends_while_it_looks_up_a_name hardened-server
}

setup() {
  load lib/course
  load lib/servers
}

teardown() {
  course_teardown
}

# ticker prints times. All tests look at the same run of a ticker whose kernel wakes it
# 30 ms late: see prctl(2). The exact clock has a timerfd, which is not late. On a busy
# machine a tick may come later than the next one is due, which is not the program's
# fault: then it runs again.
measured() {
  local lock status=0 file=$SHARED/ticker
  exec {lock}>"$file.lock"
  flock "$lock"
  if [[ ! -e $file.status ]]; then
    build_own ticker 's/^(#include <sys\/)resource.h>/&\n\1prctl.h>/; s/^( +)open_standard_fds\(\);/&\n\1prctl(PR_SET_TIMERSLACK, 30000000UL);/'
    for _ in 1 2 3; do
      status=0
      course ticker 100 10 >"$file" 2>&1 || status=$?
      drifted "$file" || break
    done
    echo "$status" >"$file.status"
  fi
  exec {lock}>&-
  cat "$file"
  return "$(<"$file.status")"
}

# Whether a timer that should make up for a late tick took a whole tick longer.
drifted() { # FILE
  local clock timer
  for clock in usual exact; do
    for timer in persistent "added again from when due"; do
      awk -v drift="$(figure_of "$1" "$clock" "$timer" drift)" 'BEGIN { exit !(drift >= 100) }' && return
    done
  done
  return 1
}

# A number of ticker's line about a timer, from the scene of the clock.
figure_of() { # FILE CLOCK TIMER took|drift|tick
  awk -v clock="the $2 clock:" -v timer="  $3  " -v word="$4" '
    /^[0-9]/ { inside = index($0, clock) }
    inside && index($0, timer) == 1 {
      for (i = 1; i < NF; i++)
        if ($i == word) print $(i + 1) + 0
    }' "$1"
}

# Whether a condition of awk holds for the numbers of the three timers in the output.
assert_compares() { # CLOCK took|drift|tick CONDITION
  echo "$output" >"$BATS_TEST_TMPDIR/output"
  awk -v persistent="$(figure_of "$BATS_TEST_TMPDIR/output" "$1" persistent "$2")" \
    -v now="$(figure_of "$BATS_TEST_TMPDIR/output" "$1" "added again from now" "$2")" \
    -v due="$(figure_of "$BATS_TEST_TMPDIR/output" "$1" "added again from when due" "$2")" \
    'BEGIN { exit !('"$3"') }' || fail "not so with the $1 clock, $2: $3:
$output"
}

@test "a persistent timer does not drift by a tick, however late each is (R1)" {
  run -0 measured
  assert_compares usual drift '-10 < persistent && persistent < 100'
  assert_compares exact drift '-10 < persistent && persistent < 100'
}

@test "a timer added again from now drifts by the delays of all ticks" {
  run -0 measured
  assert_compares usual drift 'now > 150'
  assert_compares exact drift 'now > 0'
}

@test "a timer added again from when it was due does not drift by a tick (R2)" {
  run -0 measured
  assert_compares usual drift '-10 < due && due < 100'
  assert_compares exact drift '-10 < due && due < 100'
}

# Seconds between two readings of the clock that a base uses by default.
coarse_step() {
  perl -MTime::HiRes=clock_getres -e 'print clock_getres(6)'
}

@test "with the usual clock a tick of 1 ms takes several sleeps, with the exact one a single one (R3)" {
  [[ ! ${UNDER-} ]] || skip "under valgrind a process sleeps for other reasons"
  # A process that has to wait for the processor sleeps less often: then try again.
  for _ in 1 2 3 4; do
    run -0 course ticker 1 100
    (($(figure_of <(echo "$output") usual persistent tick | cut -d. -f1) < 2)) || break
  done
  assert_compares exact tick 'persistent < 1.5 && now < 1.5'
  awk -v step="$(coarse_step)" 'BEGIN { exit !(step > 0.003) }' || skip "the coarse clock is not that coarse here"
  assert_compares usual tick 'persistent >= 2'
  assert_compares usual took 'persistent > 250'
}

# What ticker prints for one tick of 200 ms, and for the first ones of event_active.
one_tick() {
  local lock
  exec {lock}>"$SHARED/one.lock"
  flock "$lock"
  [[ -e $SHARED/one ]] || course ticker 200 1 >"$SHARED/one"
  exec {lock}>&-
  cat "$SHARED/one"
}

@test "event_active with EV_TIMEOUT makes the next tick late, with EV_READ not (R4)" {
  run -0 one_tick
  assert_line --regexp "^  event_active, EV_TIMEOUT +ticks at [0-9]{1,2}, 4[0-9]{2} and 6[0-9]{2} ms$"
  assert_line --regexp "^  event_active, EV_READ +ticks at [0-9]{1,2}, 2[0-9]{2} and 4[0-9]{2} ms$"
}

@test "ticker counts as many ticks as it is told (R5)" {
  run -0 one_tick
  assert_line "1 ticks of 200 ms, the usual clock:"
  for clock in usual exact; do
    for timer in persistent now due; do
      assert_compares "$clock" took "190 < $timer && $timer < 380"
    done
  done
}

@test "ticker takes two whole numbers of 1 or more, or nothing (R6)" {
  for arguments in 0 -1 1.5 10x "" 86400001 99999999999999999999; do
    run -2 course ticker "$arguments" 1
    assert_output "usage: ticker [MILLISECONDS COUNT]"
    run -2 course ticker 1 "$arguments"
    assert_output "usage: ticker [MILLISECONDS COUNT]"
  done
  run -2 course ticker 10
}

@test "ticker frees its timers and bases (R7)" {
  find_leaks_in ticker
  run -0 course ticker 1 3
  refute_output --partial LeakSanitizer
}

# --- idle-timeout ---

start_with_limit() { # MILLISECONDS
  start_with idle-timeout 127.0.0.1 0 "$1"
}

@test "idle-timeout gives back messages of every size, byte for byte" {
  start idle-timeout
  for size in 1 255 256 1000 65536 65537 1048576 67108864; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask "$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/answer"
    cmp "$BATS_TEST_TMPDIR/message" "$BATS_TEST_TMPDIR/answer"
  done
}

@test "idle-timeout answers a message that comes one byte at a time" {
  start idle-timeout
  open_client 5
  for letter in h e l l o; do
    printf %s "$letter" >&5
    read -r -t "$LIMIT" -N 1 -u 5 reply
    assert_equal "$reply" "$letter"
  done
}

@test "idle-timeout serves 200 clients at once, and a second wave of 200" {
  start idle-timeout
  for _ in 1 2; do
    assert_talks_to_many 200
    close_clients
  done
  wait_for_line "^client [0-9]+ closed$" 400
}

# Connect, say a word if there is one, and wait: milliseconds until the end of file.
wait_for_the_end() { # [WORD]
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -MTime::HiRes=time -e '
    my ($port, $word) = @ARGV;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    my $began = time;
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    syswrite($s, $word) if defined $word;
    1 while sysread($s, my $bytes, 4096);
    printf "%d\n", 1000 * (time - $began)' "$PORT" "$@"
}

@test "idle-timeout closes a silent client when the limit has passed, not before (I1)" {
  start_with_limit 600
  for word in "" hello; do
    run -0 timeout "$LIMIT" bash -c "$(declare -f wait_for_the_end); PORT=$PORT wait_for_the_end $word"
    # The coarse clock may be 4 ms behind.
    ((output >= 590)) || fail "closed after $output ms"
    [[ ${UNDER-} ]] || ((output < 1150)) || fail "closed only after $output ms"
  done
  has_lines 2 "^client [12] was silent, closed$"
}

@test "idle-timeout does not close a client that talks, while it closes a silent one (I2)" {
  start_with_limit 1500
  open_client 5
  open_client 6
  for _ in {1..20}; do
    assert_talks 5
    sleep 0.2
  done
  wait_for_line "^client 2 was silent, closed$"
  assert_talks 5
  assert_equal "$(count_lines "^client 1 was silent")" 0
}

@test "idle-timeout does not close a client that reads slowly (I3)" {
  start_with_limit 800
  # The answer waits in the kernel of the server, which takes 2 MB on loopback; the
  # client takes 50 kB a second, and says nothing for four limits.
  # shellcheck disable=SC2016 # perl's own $
  run -0 timeout "$((3 * LIMIT))" perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 8192) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die "connect: $!";
    syswrite($s, "x" x 150000) == 150000 or die "write: $!";
    my $came = 0;
    while ($came < 150000) {
      my $part = sysread($s, my $bytes, 15000) or last;
      $came += $part;
      select(undef, undef, undef, $part / 50000);
    }
    print "$came\n"' "$PORT"
  assert_output 150000
  wait_for_line "^client 1 closed$"
  assert_equal "$(count_lines "silent")" 0
}

@test "idle-timeout closes a client that does not read its answers (I4 I5)" {
  start_with_limit 300
  open_client 5
  head -c 32M /dev/zero >&5 3>&- 2>/dev/null &
  OTHERS+=($!)
  wait_for_line "^client 1 was silent, closed$"
}

# 100 clients speak while the server does not run, for longer than the limit. epoll_wait
# tells the server of 32 of them at first; the time-outs of the others come before that.
speak_while_stopped() { # SECONDS
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    $| = 1;
    my ($port, $pid, $seconds, @all) = @ARGV;
    my $ask = sub { syswrite($_, "hello\n") == 6 or die "write: $!" };
    my $answered = sub { (sysread($_, my $bytes, 6) // 0) == 6 };
    for (1 .. 100) {
      socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
      connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
      push @all, $s;
    }
    for (@all) { $ask->(); $answered->() or die "not answered at first" }
    kill STOP => $pid;
    $ask->() for @all;
    select(undef, undef, undef, $seconds);
    kill CONT => $pid;
    print scalar(grep { $answered->() } @all), " answered\n";
    kill USR1 => $pid;
    sleep 100' "$PORT" "$PID" "$1" >"$BATS_TEST_TMPDIR/clients" 2>&1 3>&- &
  OTHERS+=($!)
}

@test "idle-timeout answers clients late that spoke in time, with a whole limit from then on (I6 I7)" {
  start_with_limit 3000
  speak_while_stopped 4
  wait_for grep -q . "$BATS_TEST_TMPDIR/clients"
  run -0 cat "$BATS_TEST_TMPDIR/clients"
  assert_output "100 answered"
  wait_for_line " ms left$" 100
  while read -r left; do
    ((left > 2200 && left <= 3000)) || fail "$left ms left"
  done < <(sed -n 's/^client .*: \(-\?[0-9]*\) ms left$/\1/p' "$LOG")
}

# The milliseconds that each client has left, as the server prints them at SIGUSR1.
left_of_all() { # CLIENTS
  kill -USR1 "$PID"
  wait_for_line "^client [0-9]+: -?[0-9]+ ms left$" "$1"
  sed -n 's/^client \([0-9]*\): \(-\?[0-9]*\) ms left$/\2/p' "$LOG" | tail -n "$1"
}

@test "idle-timeout tells at SIGUSR1 how long each client has left (I8)" {
  start_with_limit 86400000
  open_client 5
  assert_talks 5
  open_client 6
  assert_talks 6
  sleep 0.3
  assert_talks 5
  run -0 left_of_all 2
  ((lines[0] > 86300000 && lines[0] <= 86399750)) || fail "client 2: ${lines[0]}"
  ((lines[1] >= lines[0] + 200 && lines[1] <= 86400000)) || fail "client 1: ${lines[1]}, client 2: ${lines[0]}"
}

@test "idle-timeout is idle while its clients are" {
  start_with_limit 60000
  open_client 5
  assert_talks 5
  assert_idle "$PID"
}

@test "idle-timeout survives clients that send and close without reading" {
  start idle-timeout
  for _ in {1..20}; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
}

@test "idle-timeout keeps its memory when a client does not read, and then sends it all" {
  start idle-timeout
  make_bytes "$BATS_TEST_TMPDIR/message" $((32 << 20))
  before=$(memory_of "$PID")
  start_late_reader "$BATS_TEST_TMPDIR/message"
  assert_grew_at_most 1024 "$before" "$PID"
  cmp - "$BATS_TEST_TMPDIR/message" <&5
}

@test "idle-timeout frees what silent clients and open ones have taken (I9)" {
  find_leaks_in idle-timeout
  start_with_limit 300
  for fd in 5 6 7; do
    open_client "$fd"
    assert_talks "$fd"
  done
  wait_for_line "^client [0-9] was silent, closed$" 3
  for fd in 5 6 7; do
    open_client "$fd"
  done
  assert_talks 7
  kill -INT "$PID"
  assert_exit 0
}

@test "idle-timeout ends at SIGTERM with status 0" {
  start idle-timeout
  kill -TERM "$PID"
  assert_exit 0
}

@test "idle-timeout serves those who wait for a descriptor, as silent ones are closed" {
  build_own idle-timeout 's/^(static const struct timeval REST = .)1,/\11000,/'
  FDS=20 start_with_limit 700
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  wait_for_line "cannot accept, trying again in a second: Too many open files$"
  [[ ! ${UNDER-} ]] || return 0 # at its own limit valgrind takes and closes connections
  wait_for_line "was silent, closed$" 30
}

@test "idle-timeout takes an address and a port, and a limit of 1 ms to a day (I10)" {
  for limit in 0 -1 1.5 10x "" 86400001 99999999999999999999; do
    run -2 course idle-timeout 127.0.0.1 0 "$limit"
    assert_output "usage: idle-timeout [ADDRESS PORT [MILLISECONDS]]"
  done
  for port in -1 65536 http ""; do
    run -2 course idle-timeout 127.0.0.1 "$port" 1000
    run -2 course idle-timeout 127.0.0.1 "$port"
  done
  run -2 course idle-timeout 127.0.0.1
  run -2 course idle-timeout 127.0.0.1 0 1000 more
}

@test "idle-timeout listens on IPv6, and not on a port in use" {
  start idle-timeout ::1
  run -0 nc -N ::1 "$PORT" <<<hello
  assert_output hello
  run -1 course idle-timeout ::1 "$PORT"
  assert_output "idle-timeout: cannot listen on ::1 port $PORT: Address already in use"
}

@test "idle-timeout goes on when no process reads its output" {
  serves_with_a_full_pipe idle-timeout
}

@test "idle-timeout goes on when its terminal is stopped" {
  serves_on_a_stopped_terminal idle-timeout
}

@test "idle-timeout keeps the numbers of missing standard descriptors free" {
  serves_without_standard_descriptors idle-timeout
}

@test "idle-timeout serves the next client as soon as a descriptor is free" {
  serves_as_soon_as_a_descriptor_is_free idle-timeout
}

@test "idle-timeout lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped idle-timeout
}

@test "idle-timeout keeps little for a client that sends single bytes and never reads" {
  keeps_single_bytes_small idle-timeout
}

@test "idle-timeout has the kernel ask silent peers whether they still exist" {
  start idle-timeout
  open_client 5
  assert_talks 5
  wait_for asks_silent_peers
}

@test "idle-timeout can be ended while it looks up a name" {
  ends_while_it_looks_up_a_name idle-timeout
}

@test "idle-timeout drops clients that find no memory, and lives on" {
  drops_clients_that_find_no_memory idle-timeout
}

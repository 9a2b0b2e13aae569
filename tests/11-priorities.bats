# Two of the programs end by themselves and print the same each time: once is enough.
setup_file() {
  load lib/course
  print_once priority-order dispatch-limit
}

setup() {
  load lib/course
  load lib/servers
  # shellcheck disable=SC2317 # called by lib/servers
  # An urgent client is told how many lines of bulk clients were answered. (A test that
  # finds the port in /proc may have found that of the bulk clients.)
  assert_talks() { # FD
    local reply
    echo >&"$1"
    read -r -t "$LIMIT" -u "$1" reply || fail "client $1 is not answered"
    assert_regex "$reply" '^([0-9]+ jobs done|[0-9a-f]{16})$'
  }
}

teardown() {
  course_teardown
}

# The lines of a scene of priority-order, with a colon in place of the blanks between columns.
order() { # TITLE
  scene priority-order "$1" | sed -E 's/^ *//; s/  +/: /g'
}

@test "a base takes 255 priorities, not EVENT_MAX_PRIORITIES" {
  run -0 order "what the calls return"
  assert_line "EVENT_MAX_PRIORITIES: 256"
  assert_line "event_base_priority_init(base, 256): -1"
  assert_line "event_base_priority_init(base, 255): 0"
  assert_line "event_base_get_npriorities: 3"
}

@test "an event has the middle priority of its base at the time when it is made (O1)" {
  run -0 order "what the calls return"
  assert_line "event_get_priority of an event made before that: 0"
  assert_line "event_get_priority of one made after it: 1"
}

@test "a priority cannot be set out of range or while the event is active (O2)" {
  run -0 order "what the calls return"
  assert_line "event_priority_set(event, 3): -1"
  assert_line "event_priority_set(event, 2): 0"
  assert_line "event_priority_set(event, 0), the event active: -1"
  assert_line "event_base_priority_init(base, 4), an event active: -1"
}

@test "active events run by priority, 0 first, whatever became active first (O3)" {
  run -0 order "made active in this order: low, middle, middle"
  assert_output "middle, makes high active
high
middle
low"
}

@test "an event of priority 0 that is always ready starves timers, signals and loopexit (O4)" {
  run -0 order "while an event of priority 0 is always ready"
  assert_output "another one that is always ready, priority 0: runs
another one that is always ready, priority 1: never runs
a timer of 1 ms, priority 1: never runs
a signal event, priority 0: runs
a signal event, priority 1: never runs
the event of event_base_loopexit(base, NULL): never runs"
}

@test "a bufferevent that gets another descriptor loses its priority (O5)" {
  run -0 order "bufferevents"
  assert_output "bufferevent_get_priority, new: 1
bufferevent_priority_set(bev, 0): 0
bufferevent_get_priority: 0
bufferevent_setfd: 0
bufferevent_get_priority: 1
bufferevent_priority_set(one of a pair, 0): -1"
}

# A line of dispatch-limit: its words, and how many bulk callbacks ran before.
assert_before() { # WORDS COUNT
  run -0 printed dispatch-limit
  assert_line --regexp "^$1 +$2$"
}

@test "without a limit all active bulk callbacks run before the urgent one" {
  assert_before "one priority" 100
  assert_before "bulk 1" 100
}

@test "a limit without priorities does not help" {
  assert_before "one priority, at most 10 callbacks" 100
}

@test "the limit holds for min_priority and for larger numbers (O6 O7 O8)" {
  assert_before "bulk 1, at most 10 callbacks, min_priority 1" 10
  assert_before "bulk 2, at most 10 callbacks, min_priority 1" 10
  assert_before "bulk 1, at most 10 callbacks, min_priority 2" 100
}

@test "the limit in time ends a round" {
  assert_before "bulk 1, at most 5 ms, each takes 1 ms" "[1-5]"
}

@test "event_base_loopcontinue and event_active of a more urgent event end a round (O9)" {
  assert_before "bulk 1, event_base_loopcontinue" 1
  assert_before "bulk 1, event_active of the urgent event" 1
}

@test "an event that makes itself active again does not let the loop look, a timer of 0 does (O10)" {
  assert_before "bulk 1, each makes itself active again" 1000
  assert_before "bulk 1, each adds itself with a timer of 0" 100
}

@test "dispatch-limit and priority-order free all that they make" {
  for name in priority-order dispatch-limit; do
    find_leaks_in "$name"
    run -0 --separate-stderr course "$name"
    assert_equal "$stderr" ""
  done
}

# --- priority-queue: PORT is for urgent clients, BULK for the others ---

start_queue() { # [MODE]
  spawn priority-queue ${1:+-m "$1"} 127.0.0.1 0
  wait_for_line "$READY" 2
  find_port "$LOG"
  BULK=$(sed -n 's/^listening on .* port //p' "$LOG" | sed -n 2p)
}

# The same with a line of work that takes ten times as long, so that a busy machine
# does not matter; under valgrind everything takes long enough.
start_slow_queue() { # [MODE]
  local steps=3000000
  [[ ! ${UNDER-} ]] || steps=100000
  build_own priority-queue "s/STEPS = 300000 /STEPS = $steps /" -O2
  start_queue "$@"
}

# What a bulk client is to get for each line of standard input.
checksums() { # [STEPS]
  # shellcheck disable=SC2016 # perl's own $
  perl -e '
    use integer;
    my $steps = shift // 300000;
    while (<STDIN>) {
      chomp;
      s/\r$//;
      my $sum = -3750763034362895579;
      $sum = ($sum ^ ord) * 0x100000001b3 for split //;
      $sum = ($sum ^ ($sum >> 32 & 0xffffffff)) * 0x100000001b3 for 1 .. $steps;
      printf "%016x\n", $sum;
    }' "$@"
}

jobs_done() {
  nc -N 127.0.0.1 "$PORT" <<<"" | sed -n 's/ jobs done$//p'
}

has_done() { # JOBS
  [[ $(jobs_done) == "$1" ]]
}

@test "a bulk client gets the checksum of each line, in their order" {
  start_queue
  printf 'hello\n\nworld\r\na\0b\n\xff\xfe\n unfinished' >"$BATS_TEST_TMPDIR/lines"
  head -n 5 "$BATS_TEST_TMPDIR/lines" | checksums >"$BATS_TEST_TMPDIR/expected"
  nc -N 127.0.0.1 "$BULK" <"$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/got"
  run -0 diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/got"
  run -0 jobs_done
  assert_output 5
}

@test "a line that comes in single bytes is one line" {
  start_queue
  exec 5<>"/dev/tcp/127.0.0.1/$BULK"
  for byte in h e l l o; do
    printf %s "$byte" >&5
    settle "$PID"
  done
  has_done 0
  echo >&5
  read -r -t "$LIMIT" -u 5 reply
  assert_equal "$reply" "$(checksums <<<hello)"
}

@test "all lines are answered to a client that has half-closed, and then it is closed (Q1)" {
  start_queue
  seq 300 | nc -N 127.0.0.1 "$BULK" >"$BATS_TEST_TMPDIR/got"
  assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/got")" 300
  assert_equal "$(tail -n 1 "$BATS_TEST_TMPDIR/got")" "$(checksums <<<300)"
  wait_for_line "^Connection closed\.$"
}

@test "20 bulk clients at once get their own answers" {
  start_queue
  for client in {1..20}; do
    seq "$client" 20 100 | nc -N 127.0.0.1 "$BULK" >"$BATS_TEST_TMPDIR/got.$client" 3>&- &
    OTHERS+=($!)
  done
  wait_for has_done 100
  for client in 1 20; do
    seq "$client" 20 100 | checksums >"$BATS_TEST_TMPDIR/expected"
    wait_for cmp -s "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/got.$client"
  done
}

# While the server is stopped, ten bulk clients send a line each, and then an urgent
# one: its answer gives the number of bulk lines that were served before.
jobs_before_the_urgent() { # MODE
  local fd all=() answer
  start_queue "$1"
  for _ in {1..10}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$BULK"
    all+=("$fd")
  done
  open_client 5
  assert_talks 5
  settle "$PID"
  kill -STOP "$PID"
  wait_for grep -q '^State:.T' "/proc/$PID/status" # or it could still see the first
  for fd in "${all[@]}"; do
    echo work >&"$fd"
  done
  echo >&5
  kill -CONT "$PID"
  read -r -t "$LIMIT" -u 5 answer
  BEFORE=${answer% jobs done}
}

@test "of clients that are ready together, the urgent one is served first (Q2 Q3)" {
  jobs_before_the_urgent priorities
  assert_equal "$BEFORE" 0
}

@test "without priorities the urgent client is served when its turn comes" {
  [[ ! ${EVENT_NOEPOLL-} ]] || skip "poll begins at a random descriptor"
  jobs_before_the_urgent none
  assert_equal "$BEFORE" 10
}

# Ten bulk clients have ten lines each; meanwhile an urgent client asks, and two
# milliseconds after each answer again. Sets ASKED to the number of answers.
ask_while_busy() { # MODE
  start_slow_queue "$1"
  # shellcheck disable=SC2016 # perl's own $
  ASKED=$(timeout "$LIMIT" perl -MIO::Socket::INET -e '
    my ($urgent_port, $bulk_port, @all) = @ARGV;
    sub client { IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => shift) or die $! }
    push @all, client($bulk_port) for 1 .. 10;
    my $urgent = client($urgent_port);
    syswrite($_, "work\n" x 10) for @all;
    my $asked = 0;
    for (;;) {
      syswrite($urgent, "\n");
      last if <$urgent> =~ /^100 /;
      $asked++;
      select(undef, undef, undef, 0.002);
    }
    print $asked' "$PORT" "$BULK")
}

@test "with a limit an urgent client waits for one line of work, without for a round of them (Q4)" {
  ask_while_busy priorities
  ((ASKED <= 20)) || fail "asked $ASKED times during ten rounds"
  ask_while_busy limit
  ((ASKED >= 25)) || fail "asked only $ASKED times during 100 lines of work"
}

has_begun() {
  [[ $(jobs_done) != 0 ]]
}

@test "a client with 1,000 lines does not stop the others (Q5)" {
  start_queue
  seq 1000 | nc -N 127.0.0.1 "$BULK" >/dev/null 3>&- &
  OTHERS+=($!)
  wait_for has_begun
  run -0 nc -N 127.0.0.1 "$BULK" <<<hello
  assert_output "$(checksums <<<hello)"
  (($(jobs_done) < 900)) || fail "all 1,000 lines were answered before"
}

@test "without a limit too, 1,000 lines of a bulk client do not stop an urgent one" {
  start_queue priorities
  open_client 5
  seq 1000 | nc -N 127.0.0.1 "$BULK" >/dev/null 3>&- &
  OTHERS+=($!)
  wait_for is_busy "$PID"
  echo >&5
  read -r -t "$LIMIT" -u 5 answer
  ((${answer% jobs done} < 900)) || fail "$answer: the urgent client had to wait for all"
}

flood() { # PORT: lines without end; the answers are read
  yes "" | nc 127.0.0.1 "$1" >/dev/null 3>&- &
  OTHERS+=($!)
}

@test "urgent clients that never pause starve bulk ones and the listeners, but no signal (Q6)" {
  start_queue
  open_client 5
  assert_talks 5
  exec 6<>"/dev/tcp/127.0.0.1/$BULK"
  echo first >&6
  read -r -t "$LIMIT" -u 6 _
  for _ in 1 2 3; do
    flood "$PORT"
  done
  wait_for is_busy "$PID"
  seq 300 >&6
  open_client 7
  echo >&7
  sleep 0.6 # twice as long as the work takes
  echo >&5
  read -r -t "$LIMIT" -u 5 answer
  ((${answer% jobs done} < 150)) || fail "$answer: the bulk client is not starved"
  run -142 read -r -t 0.1 -u 7 _
  kill -TERM "$PID"
  assert_exit 0
}

is_busy() { # PID
  local before
  before=$(ticks_of "$1")
  sleep 0.1
  (($(ticks_of "$1") - before >= 2))
}

@test "an urgent client that sends and does not read costs no memory (Q7)" {
  local before
  build_with_small_buffers priority-queue
  start_queue
  before=$(memory_of "$PID")
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 8192) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die;
    syswrite($s, "\n" x 65536) for 1 .. 200' "$PORT" 3>&- &
  OTHERS+=($!)
  wait_for has_unsent
  settle "$PID"
  assert_grew_at_most 1024 "$before" "$PID"
  is_running "${OTHERS[-1]}" || fail "the client could send all"
  open_client 5
  assert_talks 5
}

@test "a client that reads late gets all of its answers (Q8)" {
  build_with_small_buffers priority-queue
  start_queue
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    $| = 1;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 8192) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die;
    syswrite($s, "\n" x 20000) == 20000 or die;
    shutdown($s, 1);
    print "sent\n"; <STDIN>;
    my %answers;
    $answers{$_}++ while <$s>;
    print "$answers{$_} times $_" for keys %answers' "$PORT" \
    < <(settle "$PID" && echo) >"$BATS_TEST_TMPDIR/client" 3>&- &
  OTHERS+=($!)
  wait_for grep -q times "$BATS_TEST_TMPDIR/client"
  assert_equal "$(<"$BATS_TEST_TMPDIR/client")" "sent
20000 times 0 jobs done"
}

@test "a client whose line is too long is dropped, the others are not (Q9)" {
  start_queue
  open_client 5
  exec 6<>"/dev/tcp/127.0.0.1/$BULK"
  printf '%01000d\n' 1 >&6
  read -r -t "$LIMIT" -u 6 reply
  assert_equal "$reply" "$(printf '%01000d\n' 1 | checksums)"
  printf '%01001d\n' 1 >&6
  wait_for_line "^priority-queue: dropped a client: its line is too long$"
  exec 6<>"/dev/tcp/127.0.0.1/$BULK"
  printf '%01001d' 1 >&6
  wait_for_line "^priority-queue: dropped a client: its line is too long$" 2
  assert_talks 5
}

@test "priority-queue takes a mode, and no other word" {
  for mode in none priorities limit; do
    start_queue "$mode"
    run -0 nc -N 127.0.0.1 "$BULK" <<<hello
    assert_output "$(checksums <<<hello)"
  done
  run -2 course priority-queue -m fast
  assert_output --partial "usage: priority-queue [-m MODE] [ADDRESS PORT [BULK-PORT]]"
  run -2 course priority-queue 127.0.0.1 0 70000
}

@test "priority-queue listens on two ports of IPv6, and not on a port in use" {
  spawn priority-queue ::1 0 0
  wait_for_line "$READY" 2
  find_port "$LOG"
  run -0 nc -N ::1 "$PORT" <<<""
  assert_output "0 jobs done"
  run -1 course priority-queue ::1 0 "$PORT"
  assert_line "priority-queue: cannot listen on ::1 port $PORT: Address already in use"
}

@test "priority-queue frees open connections with waiting lines at SIGINT (Q10)" {
  find_leaks_in priority-queue
  start_queue
  exec 5<>"/dev/tcp/127.0.0.1/$BULK" 6<>"/dev/tcp/127.0.0.1/$PORT"
  seq 1000 >&5
  assert_talks 6
  kill -INT "$PID"
  assert_exit 0
}

@test "priority-queue survives clients that reset" {
  start_queue
  for _ in {1..20}; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
}

@test "with no descriptor left priority-queue rests, and both kinds are served later (Q11)" {
  [[ ! ${UNDER-} ]] || skip "at its limit valgrind takes connections and closes them"
  FDS=16 start_queue
  for client in {1..12}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  exec 5<>"/dev/tcp/127.0.0.1/$BULK"
  echo hello >&5
  wait_for_line "^priority-queue: cannot accept, trying again in a second: Too many open files$"
  assert_idle "$PID"
  for fd in "${clients[@]}"; do
    exec {fd}>&-
  done
  read -r -t "$LIMIT" -u 5 reply
  assert_equal "$reply" "$(checksums <<<hello)"
}

@test "priority-queue serves the next client as soon as a descriptor is free" {
  serves_as_soon_as_a_descriptor_is_free priority-queue
}

@test "priority-queue goes on when no process reads its output" {
  serves_with_a_full_pipe priority-queue
}

@test "priority-queue goes on when its terminal is stopped" {
  serves_on_a_stopped_terminal priority-queue
}

@test "priority-queue keeps the numbers of missing standard descriptors free" {
  serves_without_standard_descriptors priority-queue
}

@test "priority-queue lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped priority-queue
}

@test "priority-queue can be ended while it looks up a name" {
  ends_while_it_looks_up_a_name priority-queue
}

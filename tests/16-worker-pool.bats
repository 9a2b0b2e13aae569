setup() {
  load lib/course
  load lib/servers
  CAPITALS=1
}

teardown() {
  course_teardown
}

start_threads() { # THREADS
  start_with worker-pool -n "$1" 127.0.0.1 0
}

# The next line on descriptor FD.
assert_reply() { # FD LINE
  local reply
  read -r -t "$LIMIT" -u "$1" reply || fail "no answer on $1, not: $2"
  assert_equal "$reply" "$2"
}

# Connections reset themselves when they are closed, N of them, each after TEXT.
reset_after() { # COUNT TEXT
  # shellcheck disable=SC2016 # perl's own $
  run -0 timeout "$LIMIT" perl -MSocket=:all -e '
    my ($port, $count, $text, @all) = @ARGV;
    for (1 .. $count) {
      socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
      connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
      # The line before is answered, so that the server has read it all.
      syswrite($s, "a\n$text\n") or die "write: $!";
      sysread($s, my $answer, 2) or die "read: $!";
      setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)) or die;
      push @all, $s;
    }' "$PORT" "$1" "$2"
}

@test "worker-pool gives messages of every size back in capitals" {
  start worker-pool
  for size in 1 255 256 1000 65536 65537 1048576 16777216; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask "$BATS_TEST_TMPDIR/message" | cmp - <(upper <"$BATS_TEST_TMPDIR/message")
  done
}

@test "worker-pool answers 200 clients at once, and a second wave of 200" {
  start_threads 3
  for _ in 1 2; do
    assert_talks_to_many 200
    close_clients
  done
}

@test "worker-pool answers a line of work by the number of primes, in its turn (Y1)" {
  start worker-pool
  run -0 ask <<<$'one\nwork 100\ntwo\nwork 3\nwork 1\nwork 1000000\nthree'
  assert_output $'ONE\n25 PRIMES BELOW 100\nTWO\n1 PRIMES BELOW 3\n0 PRIMES BELOW 1\n78498 PRIMES BELOW 1000000\nTHREE'
}

@test "worker-pool takes a line that is not quite a line of work for text (Y2)" {
  start worker-pool
  local text=$'work 0\nwork 10000001\nwork 99999999999999999999999\nwork\nwork x\nwork 5 \n work 5\nwork -5\nworker\nwork 10'
  assert_equal "$(printf %s "$text" | ask)" "${text^^}"
  open_client 5
  for part in no 'work 10'$'\n' wo 'rk 1' $'0\n'; do
    printf %s "$part" >&5
    [[ $part != no ]] || { read -r -t "$LIMIT" -N 2 -u 5 reply && assert_equal "$reply" NO; }
  done
  assert_reply 5 "WORK 10"
  assert_reply 5 "4 PRIMES BELOW 10"
}

@test "worker-pool hands the clients to its threads in turn (Y3)" {
  start_threads 3
  for fd in 5 6 7 8 9; do
    open_client "$fd"
    assert_talks "$fd"
  done
  for fd in 5 6 7 8 9; do close_client "$fd"; done
  kill -TERM "$PID"
  assert_exit 0
  for line in "worker 1 served 2 clients" "worker 2 served 2 clients" "worker 3 served 1 clients"; do
    run -0 grep -x "$line" "$LOG"
  done
}

# A thread that answers a line has slept until it came: the kernel counts that, see
# proc(5).
@test "worker-pool lets each of its loops work in a thread of its own (Y3)" {
  [[ ! ${UNDER-} ]] || skip "under valgrind threads wait for each other"
  local tids after busy=0 tid switches=()
  start_threads 2
  for fd in 5 6; do open_client "$fd" && assert_talks "$fd"; done
  mapfile -t tids < <(ls "/proc/$PID/task")
  ((${#tids[@]} == 5)) || fail "${#tids[@]} threads, not 5"
  for tid in "${tids[@]}"; do switches[tid]=$(awk '/^voluntary/ { print $2 }' "/proc/$PID/task/$tid/status"); done
  for _ in {1..50}; do assert_talks 5 && assert_talks 6; done
  for tid in "${tids[@]}"; do
    after=$(awk '/^voluntary/ { print $2 }' "/proc/$PID/task/$tid/status")
    ((after - switches[tid] < 40)) || busy=$((busy + 1))
  done
  assert_equal "$busy threads have woken for each line" "2 threads have woken for each line"
}

@test "worker-pool answers the clients of a thread while a helper works for one of them (Y4)" {
  start_threads 1
  open_client 5
  open_client 6
  echo "work 10000000" >&5
  for _ in {1..5}; do assert_talks 6; done
  # Not before the others: or it would prove nothing.
  run ! read -r -t 0.01 -u 5 reply
  close_client 5
}

@test "worker-pool forgets the work of clients that have left (Y5)" {
  start_threads 2
  # By far too much for the helpers: 20 times 3 seconds.
  reset_after 20 "work 10000000"
  open_client 5
  echo "work 100" >&5
  assert_reply 5 "25 PRIMES BELOW 100"
}

@test "worker-pool does not touch a client that has left, when its work is done (Y6)" {
  find_leaks_in worker-pool
  start_threads 2
  for _ in 1 2 3; do
    reset_after 10 "work 300000"
    open_client 5
    assert_talks 5
    close_client 5
  done
  open_client 5
  echo "work 100" >&5
  assert_reply 5 "25 PRIMES BELOW 100"
  kill -TERM "$PID"
  close_client 5
  assert_exit 0
}

@test "worker-pool has no data race that ThreadSanitizer sees (Y7 Y8)" {
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "ThreadSanitizer does not go with valgrind and AddressSanitizer"
  build_own worker-pool "" -O1 -fsanitize=thread
  export TSAN_OPTIONS=exitcode=66
  start_threads 3
  assert_talks_to_many 30
  for fd in "${CLIENTS[@]}"; do
    echo "work 3000" >&"$fd"
  done
  reset_after 15 "work 200000"
  for fd in "${CLIENTS[@]}"; do
    assert_reply "$fd" "430 PRIMES BELOW 3000"
    assert_talks "$fd"
  done
  kill -TERM "$PID"
  close_clients
  assert_exit 0
  run -1 grep ThreadSanitizer "$LOG"
}

# The most memory that a process has ever held, in kB.
peak_of() { # PID
  awk '/^VmHWM/ { print $2 }' "/proc/$1/status"
}

@test "worker-pool keeps little of what comes behind a line of work (Y9)" {
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "valgrind and the sanitizers need memory of their own"
  start worker-pool
  open_client 5
  assert_talks 5
  before=$(peak_of "$PID")
  { echo "work 3000000" && head -c 32M /dev/zero; } >&5 2>/dev/null 3>&- &
  OTHERS+=($!)
  assert_reply 5 "216816 PRIMES BELOW 3000000"
  (($(peak_of "$PID") - before < 3072)) || fail "memory grew by $(($(peak_of "$PID") - before)) kB"
}

@test "worker-pool keeps its memory when a client does not read, and then sends it all (Y10)" {
  start worker-pool
  make_bytes "$BATS_TEST_TMPDIR/message" $((32 << 20))
  before=$(memory_of "$PID")
  start_late_reader "$BATS_TEST_TMPDIR/message"
  assert_grew_at_most 1024 "$before" "$PID"
  cmp - <(upper <"$BATS_TEST_TMPDIR/message") <&5
}

@test "worker-pool finishes the work that it has begun before it ends at SIGTERM (Y11)" {
  build_own worker-pool/client-loop 's/^(static const struct timeval GRACE = .)2,/\11000,/' -O2
  start worker-pool
  open_client 5
  assert_talks 5
  # It takes longer than a client may be silent: 0.2 seconds.
  echo "work 3000000" >&5
  kill -TERM "$PID"
  assert_reply 5 "216816 PRIMES BELOW 3000000"
  run -0 timeout "$LIMIT" cat <&5
  assert_output ""
  close_client 5
  assert_exit 0
}

@test "worker-pool ends two seconds after SIGTERM at the latest, and at once at a second one (Y12)" {
  start_threads 2
  open_client 5
  echo "work 10000000" >&5
  open_client 6
  assert_talks 6
  began=${EPOCHREALTIME/./}
  kill -TERM "$PID"
  wait_for_line "exiting cleanly"
  kill -TERM "$PID"
  assert_exit 0
  ((${EPOCHREALTIME/./} - began < 1500000 * FACTOR)) || [[ ${UNDER-} ]] || fail "it took $((${EPOCHREALTIME/./} - began)) us"
  start_threads 2
  open_client 5
  # It never comes to rest: a line again and again.
  (while sleep 0.05; do echo hello; done) >&5 2>/dev/null 3>&- &
  OTHERS+=($!)
  kill -TERM "$PID"
  assert_exit 0
}

@test "worker-pool leaves signals to its main thread (Y13)" {
  [[ ! ${UNDER-} ]] || skip "valgrind has a mask of its own"
  start_threads 2
  for task in /proc/"$PID"/task/*; do
    if [[ $task == */$PID ]]; then
      run -0 grep -E '^SigBlk:\s+0+$' "$task/status"
    else
      # SIGINT and SIGTERM are the bits 1 and 14.
      # shellcheck disable=SC2016 # awk's own $
      run -0 awk '/^SigBlk:/ { print substr($2, length($2) - 3) }' "$task/status"
      (((16#$output & 16#4002) == 16#4002)) || fail "$task: $output"
    fi
  done
}

@test "worker-pool is idle while its clients are" {
  start_threads 3
  open_client 5
  assert_talks 5
  assert_idle "$PID"
}

@test "worker-pool survives clients that send and close without reading" {
  start worker-pool
  for _ in {1..20}; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
}

@test "worker-pool takes a number of threads from 1 to 64, an address and a port" {
  for arguments in "-n 0" "-n 65" "-n -1" "-n 2x" "-n" "-x" "127.0.0.1" "127.0.0.1 65536" "127.0.0.1 0 1"; do
    # shellcheck disable=SC2086 # words
    run -2 course worker-pool $arguments
    assert_output "usage: worker-pool [-n THREADS] [ADDRESS PORT]"
  done
  start_threads 64
  open_client 5
  assert_talks 5
}

@test "worker-pool listens on IPv6, and not on a port in use" {
  start worker-pool ::1
  run -0 nc -N ::1 "$PORT" <<<hello
  assert_output HELLO
  run -1 course worker-pool ::1 "$PORT"
  assert_output "worker-pool: cannot listen on ::1 port $PORT: Address already in use"
}

@test "worker-pool goes on when no process reads its output" {
  serves_with_a_full_pipe worker-pool
}

@test "worker-pool keeps the numbers of missing standard descriptors free" {
  serves_without_standard_descriptors worker-pool
}

@test "worker-pool serves the next client as soon as a thread has freed a descriptor (Y14)" {
  serves_as_soon_as_a_descriptor_is_free worker-pool
}

@test "worker-pool lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped worker-pool
}

@test "worker-pool has the kernel ask silent peers whether they still exist" {
  start worker-pool
  open_client 5
  assert_talks 5
  wait_for asks_silent_peers
}

@test "worker-pool can be ended while it looks up a name" {
  ends_while_it_looks_up_a_name worker-pool
}

@test "worker-pool drops clients that find no memory, and lives on" {
  drops_clients_that_find_no_memory worker-pool
}

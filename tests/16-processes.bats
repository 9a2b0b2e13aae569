# shellcheck disable=SC2154,SC2016 # bats sets output; awk and perl have a $ of their own
setup() {
  load lib/course
  load lib/servers
}

# A worker waits for its clients, so those leave first.
teardown() {
  local pid fd
  rm -f "$BATS_TEST_TMPDIR/stream"
  for fd in 5 6 ${CLIENTS[@]+"${CLIENTS[@]}"}; do close_client "$fd"; done
  course_teardown
  for pid in ${WORKERS-}; do kill -KILL "$pid" 2>/dev/null || true; done
}

start_workers() { # OPTION...
  start_with reuseport-workers -g 1 "$@" 127.0.0.1 0
  find_workers
}

# The pids of the workers, one a word. Without the supervisor they end, but not at
# once: so the end of a test knows them, too.
find_workers() {
  WORKERS=$(<"/proc/$PID/task/$PID/children")
}

has_workers() { # COUNT
  local pids
  find_workers
  read -ra pids <<<"$WORKERS"
  ((${#pids[@]} == $1))
}

# Whether a process has ended, also one that its parent has not asked after: only
# what the supervisor has waited for is gone.
is_gone() { # PID
  [[ ! -e /proc/$1 ]]
}

# As many workers as before, but others.
are_new() { # COUNT OLD
  local pid
  has_workers "$1" || return
  for pid in $WORKERS; do [[ " $2 " != *" $pid "* ]] || return 1; done
}

# The numbers of clients of the workers, as they have last said, in a line.
clients_of() {
  local pid
  for pid in $WORKERS; do
    sed -nE "s/^worker [0-9]+, pid $pid: clients ([0-9]+),.*/\1/p" "$LOG" | tail -n 1
  done | tr '\n' ' '
}

# Clients come and go all the time, each says a line and reads it again, until the
# file is gone. Prints how many were served; one that was not ends it. The first is
# served before this returns.
start_stream() {
  : >"$BATS_TEST_TMPDIR/stream"
  perl -MSocket=:all -e '
    my ($port, $file, $limit) = @ARGV;
    my $count = 0;
    while (-e $file) {
      alarm $limit;
      socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
      connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
      syswrite($s, "hello\n") or die "write: $!";
      (sysread($s, my $reply, 6) // die "read: $!") == 6 or die "closed early";
      open(my $mark, ">", "$file.served") or die "$file: $!" if !$count++;
      setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)) or die if $count % 2;
    }
    print "$count\n"' "$PORT" "$BATS_TEST_TMPDIR/stream" "$LIMIT" >"$BATS_TEST_TMPDIR/served" 2>&1 3>&- &
  STREAM=$!
  OTHERS+=("$STREAM")
  wait_for test -e "$BATS_TEST_TMPDIR/stream.served"
}

end_stream() {
  rm "$BATS_TEST_TMPDIR/stream" "$BATS_TEST_TMPDIR/stream.served"
  wait "$STREAM" || fail "a client was lost: $(<"$BATS_TEST_TMPDIR/served")"
}

@test "reuseport-workers answers in each mode, from several processes" {
  for option in "" -i; do
    start_workers $option -n 3
    has_workers 3
    assert_talks_to_many 60
    close_clients
    kill -TERM "$PID"
    assert_exit 0
    run -0 awk '/^worker/ { sub(",", "", $6); sum += $6 } END { print sum }' "$LOG"
    assert_output 60
  done
}

@test "reuseport-workers has a listening socket for each worker, or one with -i" {
  for options in "3 -n 3" "1 -i -n 3"; do
    # shellcheck disable=SC2086 # words
    start_workers ${options#* }
    run -0 awk -v "port=$(printf ':%04X' "$PORT")" '$2 ~ port "$" && $4 == "0A" { n++ } END { print n }' /proc/net/tcp
    assert_output "${options%% *}"
  done
}

@test "reuseport-workers sends none of 80 clients to one worker alone" {
  start_workers -n 2
  assert_talks_to_many 80
  kill -USR1 "$PID"
  wait_for_line "^worker" 2
  read -r one two <<<"$(clients_of)"
  ((one > 0 && two > 0 && one + two == 80)) || fail "clients: $one and $two"
}

@test "reuseport-workers replaces all workers at SIGHUP, and no client is lost (Z1 Z2)" {
  for option in "" -i; do
    start_workers $option -n 2
    start_stream
    for round in 1 2 3; do
      before=$WORKERS
      kill -HUP "$PID"
      wait_for_line "^all workers have been replaced" "$round"
      wait_for are_new 2 "$before"
    done
    end_stream
  done
}

@test "a client keeps its worker until it leaves, and new clients get the new one (Z3)" {
  start_workers -n 1
  open_client 5
  assert_talks 5
  old=${WORKERS// /}
  kill -HUP "$PID"
  wait_for_line "^all workers have been replaced"
  open_client 6
  assert_talks 6
  assert_talks 5
  close_client 5
  wait_for_line "^worker 1, pid $old: clients 1, open 0, bytes 16"
  wait_for is_gone "$old"
}

@test "reuseport-workers refuses a second SIGHUP while old workers still leave" {
  start_workers -n 1
  open_client 5
  assert_talks 5
  kill -HUP "$PID"
  wait_for_line "^all workers have been replaced"
  kill -HUP "$PID"
  wait_for_line "cannot replace workers: others still come or go"
  assert_talks 5
}

@test "reuseport-workers replaces a worker that dies, and the others go on (Z4)" {
  start_workers -n 2
  before=$WORKERS
  read -r first second <<<"$WORKERS"
  kill -KILL "$first"
  wait_for_line "pid $first ended with signal 9"
  wait_for has_workers 2
  [[ " $WORKERS" == *" $second "* && $WORKERS != "$before" ]] || fail "$WORKERS after $before"
  assert_talks_to_many 10
}

@test "a client in the queue of a worker that dies waits for its successor (Z5)" {
  for option in "" -i; do
    start_workers $option -n 1
    kill -STOP "${WORKERS// /}"
    open_client 5
    echo hello >&5
    kill -KILL "${WORKERS// /}"
    read -r -t "$LIMIT" -u 5 reply || fail "no answer"
    assert_equal "$reply" hello
    close_client 5
  done
}

@test "reuseport-workers waits for all workers that die at the same time (Z6)" {
  start_workers -n 4
  before=$WORKERS
  kill -STOP "$PID"
  # shellcheck disable=SC2086 # words
  kill -KILL $before
  kill -CONT "$PID"
  wait_for are_new 4 "$before"
  for pid in $before; do wait_for is_gone "$pid"; done
}

@test "reuseport-workers starts a worker that dies again and again later each time (Z7)" {
  start_workers -n 1
  for delay in 0 100 200 400; do
    wait_for has_workers 1
    kill -KILL "${WORKERS// /}"
    wait_for_line "^starting a worker in $delay ms"
  done
}

# The worker of the first SIGHUP ends before it is ready.
@test "reuseport-workers keeps the old workers when the new one fails (Z8)" {
  build_own reuseport-workers 's/^(    struct server server = .\.base = task->base,)/    if (access("'"${BATS_TEST_TMPDIR//\//\\/}"'\/bad", F_OK) == 0)\n        return 3;\n\1/'
  start_workers -n 2
  before=$WORKERS
  : >"$BATS_TEST_TMPDIR/bad"
  kill -HUP "$PID"
  wait_for_line "the new worker failed: the old ones stay"
  wait_for has_workers 2
  assert_equal "$WORKERS" "$before"
  assert_talks_to_many 20
}

@test "reuseport-workers tries again when it can make no process for a dead worker (Z14)" {
  start_workers -n 1
  trace -e trace=clone -e inject=clone:error=EAGAIN:when=1
  kill -KILL "${WORKERS// /}"
  wait_for_line "cannot fork: Resource temporarily unavailable"
  wait_for_line "^starting a worker in 100 ms"
  wait_for has_workers 1
  assert_talks_to_many 3
}

@test "reuseport-workers keeps the old workers when it can make no process" {
  start_workers -n 2
  before=$WORKERS
  trace -e trace=socketpair -e inject=socketpair:error=EMFILE:when=2
  kill -HUP "$PID"
  wait_for_line "cannot make a worker: Too many open files"
  wait_for_line "the new worker failed: the old ones stay"
  # The first of them has been replaced.
  wait_for has_workers 2
  read -r first second <<<"$before"
  [[ " $WORKERS" == *" $second "* && " $WORKERS" != *" $first "* ]] || fail "$WORKERS after $before"
  assert_talks_to_many 10
}

@test "reuseport-workers gives up when a worker cannot be started in the beginning" {
  build_own reuseport-workers 's/^(    if \(task_ready\(task\) < 0\))/    return 3;\n\1/'
  run -1 course reuseport-workers -n 1 127.0.0.1 0
  assert_line "reuseport-workers: a worker cannot be started: giving up"
}

@test "reuseport-workers lets clients finish at SIGTERM, and takes no new ones" {
  start_workers -n 2
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  wait_for_line "^stopping"
  assert_talks 5
  close_client 5
  assert_exit 0
  has_lines 2 "^worker"
}

@test "reuseport-workers gives clients that stay the time of grace at SIGTERM (Z9)" {
  start_workers -g 1 -n 1
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  assert_exit 0
  run -1 grep "is late" "$LOG"
}

@test "reuseport-workers ends at once at the second SIGTERM" {
  start_workers -g 500 -n 2
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  wait_for_line "^stopping"
  kill -TERM "$PID"
  assert_exit 0
}

# A worker that is about to exit has no handlers any more.
@test "reuseport-workers ends well if signals arrive while its workers end (Z13)" {
  build_own reuseport-workers 's/^( *)(event_base_free\(server\.base\);)/\1usleep('$((FACTOR * 500000))'); \2/'
  start_workers -g 500 -n 2
  kill -TERM "$PID"
  wait_for_line "^stopping"
  wait_for_line "^worker 2"
  # shellcheck disable=SC2086 # pids
  kill -TERM $WORKERS
  assert_exit 0
}

@test "reuseport-workers kills a worker that does not leave (Z10)" {
  start_workers -g 1 -n 1
  kill -STOP "${WORKERS// /}"
  kill -TERM "$PID"
  wait_for_line "pid ${WORKERS// /} is late: killed"
  assert_exit 1
}

@test "workers leave when their supervisor is killed (Z11)" {
  start_workers -n 2
  kill -KILL "$PID"
  # Whoever inherits them may wait for them late.
  for pid in $WORKERS; do wait_for has_ended "$pid"; done
  wait "$PID" 2>/dev/null || true
  unset "STARTED[$PID]"
}

@test "reuseport-workers does not share its port with a second one (Z12)" {
  for option in "" -i; do
    start_workers $option -n 2
    run -1 course reuseport-workers -n 2 127.0.0.1 "$PORT"
    assert_output "reuseport-workers: cannot listen on 127.0.0.1 port $PORT: Address already in use"
  done
}

@test "reuseport-workers is idle while its clients are" {
  start_workers -n 2
  open_client 5
  assert_talks 5
  # shellcheck disable=SC2086 # pids
  assert_idle "$PID" $WORKERS
}

@test "reuseport-workers gives back what clients send, and survives those that vanish" {
  start_workers -n 2
  make_bytes "$BATS_TEST_TMPDIR/message" $((4 << 20))
  ask "$BATS_TEST_TMPDIR/message" | cmp - "$BATS_TEST_TMPDIR/message"
  for _ in {1..20}; do send_and_vanish; done
  open_client 5
  assert_talks 5
}

@test "a worker keeps its memory when a client does not read, and then sends it all" {
  start_workers -n 1
  make_bytes "$BATS_TEST_TMPDIR/message" $((32 << 20))
  before=$(memory_of "${WORKERS// /}")
  start_late_reader "$BATS_TEST_TMPDIR/message"
  assert_grew_at_most 1024 "$before" "${WORKERS// /}"
  cmp - "$BATS_TEST_TMPDIR/message" <&5
}

@test "a worker serves the next client as soon as it has a descriptor again" {
  serves_as_soon_as_a_descriptor_is_free reuseport-workers -g 1 -n 1
}

@test "reuseport-workers takes numbers from 1 to 512, an address and a port" {
  for arguments in "-n 0" "-n 513" "-n 2x" "-n" "-g 0" "-x" "127.0.0.1" "127.0.0.1 65536" "127.0.0.1 0 1"; do
    # shellcheck disable=SC2086 # words
    run -2 course reuseport-workers $arguments
    assert_output "usage: reuseport-workers [-i] [-n PROCESSES] [-g SECONDS] [ADDRESS PORT]"
  done
}

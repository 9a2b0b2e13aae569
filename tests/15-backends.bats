setup() {
  load lib/course
  load lib/servers
}

teardown() {
  course_teardown
}

start_backend() { # OPTION...
  start_with backend-echo "$@" 127.0.0.1 0
}

# The server on each back end, and edge triggered on the one that can.
each_way() { # COMMAND...
  local options
  for options in "-m epoll" "-m epoll -e" "-m poll" "-m select"; do
    # shellcheck disable=SC2086 # options are words
    start_backend $options
    "$@" "$options"
    kill -TERM "$PID"
    assert_exit 0
  done
}

echoes_all_sizes() {
  local size
  for size in 1 65536 65537 1048576 8388608; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask "$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/answer"
    cmp "$BATS_TEST_TMPDIR/message" "$BATS_TEST_TMPDIR/answer"
  done
}

@test "backend-echo gives back messages of every size on each back end (A1)" {
  each_way echoes_all_sizes
}

tells_its_method() { # OPTIONS
  local method=${1#-m } trigger=level
  [[ $1 != *-e ]] || trigger=edge
  has_lines 1 "^${method% -e}, $trigger triggered$"
}

@test "backend-echo waits with the back end that was asked for (A3)" {
  EVENT_NOEPOLL=1 EVENT_NOPOLL=1 each_way tells_its_method
}

@test "backend-echo refuses edge triggering where the back end has none (A4)" {
  for method in poll select; do
    run -1 course backend-echo -m "$method" -e 127.0.0.1 0
    assert_line "backend-echo: no back end called $method has edge-triggered events"
  done
  run -1 course backend-echo -m kqueue 127.0.0.1 0
  assert_line "backend-echo: there is no back end called kqueue"
  EVENT_NOEPOLL=1 run -1 course backend-echo -e 127.0.0.1 0
  assert_line "backend-echo: no back end has edge-triggered events"
  EVENT_NOEPOLL=1 EVENT_NOPOLL=1 EVENT_NOSELECT=1 run -1 course backend-echo 127.0.0.1 0
  assert_line "backend-echo: there is no back end"
}

keeps_its_memory() {
  local before
  make_bytes "$BATS_TEST_TMPDIR/message" $((16 << 20))
  before=$(memory_of "$PID")
  start_late_reader "$BATS_TEST_TMPDIR/message"
  assert_grew_at_most 1024 "$before" "$PID"
  cmp - "$BATS_TEST_TMPDIR/message" <&5
  close_client 5
}

@test "backend-echo keeps its memory when a client does not read, and then sends it all" {
  for options in "-m epoll" "-m epoll -e"; do
    # shellcheck disable=SC2086 # options are words
    start_backend $options
    keeps_its_memory
  done
}

# The most reads that follow each other without a question to epoll.
longest_turn() {
  awk '/^epoll_wait/ { n = 0 } /^recvfrom/ && ++n > most { most = n } END { print most + 0 }' \
    "$BATS_TEST_TMPDIR/trace"
}

has_read_all() {
  [[ $(awk '/^recvfrom/ && $NF > 0 { n += $NF } END { print n + 0 }' "$BATS_TEST_TMPDIR/trace") -ge 40000 ]]
}

@test "backend-echo, edge triggered, asks for other clients between two turns of one (A5) (A6)" {
  need_strace
  build_own backend-echo 's/CHUNK = 65536/CHUNK = 1000/' -O2
  start_backend -m epoll -e
  open_client 5
  assert_talks 5
  trace -e trace=recvfrom,epoll_wait
  kill -STOP "$PID"
  head -c 40000 /dev/zero >&5
  kill -CONT "$PID"
  wait_for has_read_all
  turn=$(longest_turn)
  ((turn >= 2 && turn <= 4)) || fail "$turn reads in a row"
}

@test "backend-echo on select lets clients wait that it cannot watch (A2)" {
  [[ ! ${UNDER-} ]] || skip "valgrind keeps its own limit"
  (($(ulimit -Hn) > 1100)) || skip "descriptors are limited to $(ulimit -Hn)"
  start_backend -m select
  ulimit -n "$(ulimit -Hn)"
  for ((client = 0; client < 1030; client++)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  wait_for_line "cannot accept, trying again in a second: Too many open files$"
  is_running "$PID"
  close_client "${clients[0]}"
  assert_talks "${clients[1]}"
}

has_half_closed() {
  # shellcheck disable=SC2016 # awk's own $
  has_socket "$PORT" '$2 ~ port && $4 == "08"' # CLOSE_WAIT
}

# What comes with the last bytes brings no event of its own.
@test "backend-echo, edge triggered, sees the end that has come with the last message (A7)" {
  start_backend -m epoll -e
  kill -STOP "$PID"
  nc -N 127.0.0.1 "$PORT" <<<last >"$BATS_TEST_TMPDIR/answer" 3>&- &
  OTHERS+=($!)
  wait_for has_half_closed
  kill -CONT "$PID"
  wait_for_line "^client closed$"
  wait_for grep -qx last "$BATS_TEST_TMPDIR/answer"
}

is_idle() {
  open_client 5
  assert_talks 5
  assert_idle "$PID"
  close_client 5
}

@test "backend-echo is idle on each back end while its clients are" {
  each_way is_idle
}

@test "backend-echo survives clients that send and close without reading" {
  start_backend -e -m epoll
  for _ in {1..20}; do
    send_and_vanish
  done
  open_client 5
  assert_talks 5
}

@test "backend-echo takes options, an address and a port" {
  for arguments in "-x" "-m" "-m epoll 127.0.0.1" "127.0.0.1 70000" "127.0.0.1 0 more"; do
    # shellcheck disable=SC2086 # arguments are words
    run -2 course backend-echo $arguments
    assert_output "usage: backend-echo [-m METHOD] [-e] [ADDRESS PORT]"
  done
}

@test "backend-echo accepts again as soon as a descriptor is free" {
  serves_as_soon_as_a_descriptor_is_free backend-echo -m epoll -e
}

measures() { # EXPECTED [OPTION...]
  run -0 --separate-stderr course backend-bench -e 1000 "${@:2}"
  assert_equal "$(cut -d, -f1-3 <<<"$output")" "back_end,connections,events
$1"
  # shellcheck disable=SC2154 # run sets it
  assert_equal "$stderr" ""
  assert_equal "$(grep -cE '^[a-z]+,[0-9]+,1000,[1-9][0-9]*$' <<<"$output")" "$(wc -l <<<"$1")"
}

@test "backend-bench measures each back end with each number of connections (BB1 BB2)" {
  EVENT_NOEPOLL=1 measures "\
epoll,10,1000
epoll,300,1000
poll,10,1000
poll,300,1000
select,10,1000
select,300,1000" 10 300
  measures poll,1,1000 -m poll 1
}

# The time is the back end's only if it watches all, and each event is a wait's.
@test "backend-bench keeps 200 connections pending, and has 100 active at a time (BB3)" {
  need_strace
  strace -o "$BATS_TEST_TMPDIR/trace" -e trace=epoll_ctl,epoll_wait "$(program backend-bench)" -m epoll -e 1000 200
  assert_equal "$(grep -c '^epoll_ctl(.*EPOLL_CTL_ADD' "$BATS_TEST_TMPDIR/trace")" 200
  assert_equal "$(grep -c '^epoll_wait(.* = 100$' "$BATS_TEST_TMPDIR/trace")" 9
}

@test "backend-bench measures as many connections as there are descriptors for, and says so (BB4)" {
  [[ ! ${UNDER-} ]] || skip "valgrind keeps descriptors for itself"
  ulimit -n 200
  run -0 --separate-stderr course backend-bench -m epoll -e 1000 100 1000 2000
  assert_equal "$stderr" "backend-bench: epoll: no descriptor is left for more connections"
  assert_regex "$output" $'\nepoll,1[89][0-9],1000,[0-9]+$'
}

@test "backend-bench gives select no descriptor that it cannot watch (BB5)" {
  [[ ! ${UNDER-} ]] || skip "valgrind keeps descriptors for itself"
  (($(ulimit -Hn) > 1100)) || skip "descriptors are limited to $(ulimit -Hn)"
  run -0 --separate-stderr course backend-bench -m select -e 1000 1100
  assert_equal "$stderr" "backend-bench: select: no descriptor is left for more connections"
  assert_regex "$output" $'\nselect,10[0-9]{2},1000,[0-9]+$'
}

# Each of ten waits is made 50 ms longer: half a million ns for each event.
@test "backend-bench counts processor time, not the time that it waits (BB6)" {
  need_strace
  run -0 strace -o /dev/null -e trace=poll -e inject=poll:delay_exit=50000 \
    "$(program backend-bench)" -m poll -e 1000 200
  ns=${lines[1]#poll,200,1000,}
  ((ns < 200000)) || fail "$ns ns for an event"
}

@test "backend-bench says how it is called, and which back end is not there" {
  run -1 course backend-bench -m kqueue 10
  assert_line "backend-bench: libevent has no back end kqueue here"
  for arguments in "-x" "-m" "-e 0" "-e 1x" "0" "10 x" "10000001"; do
    # shellcheck disable=SC2086 # arguments are words
    run -2 course backend-bench $arguments
    assert_output "usage: backend-bench [-m METHOD] [-e EVENTS] [CONNECTIONS...]"
  done
}

@test "backend-traps shows what one back end does, and another does not" {
  run -0 course backend-traps # it says nothing else
  assert_output "\
a file on a disk
epoll   event_add: Operation not permitted, callbacks: 0
poll    event_add: Success, callbacks: 1
select  event_add: Success, callbacks: 1
a peer that has closed, and bytes of it that are unread
epoll   EV_FEATURE_EARLY_CLOSE: yes, callbacks: 1
poll    EV_FEATURE_EARLY_CLOSE: yes, callbacks: 1
select  EV_FEATURE_EARLY_CLOSE: no, callbacks: 0
a byte that nobody reads, on epoll, looked at three times
one EV_ET event, callbacks: 1
a second EV_ET event added and deleted, callbacks: 1
an event without EV_ET added beside it, callbacks: 0
a socket with a second descriptor
event_del, then close: it sleeps
close, then event_del: it spins
event_del, then close, with the changelist: it spins"
}

@test "backend-bench and backend-traps fail when their output cannot be written" {
  for call in "backend-bench -e 1 1" backend-traps; do
    # shellcheck disable=SC2016 # for the inner shell
    run -1 --separate-stderr bash -c '"$0" ${1#* } >/dev/full' "$(program "${call%% *}")" "x ${call#"${call%% *}"}"
    assert_regex "$stderr" "${call%% *}: cannot write to standard output: No space left on device$"
  done
}

@test "make backends prints a table, and writes what it has measured as CSV and as a plot" {
  command -v gnuplot >/dev/null || skip "gnuplot is not installed"
  [[ ! ${UNDER-} ]] || skip "it builds a program of its own"
  cd "$ROOT" || return
  BUILD=$BATS_TEST_TMPDIR COUNTS="10 100" EVENTS=1000 run -0 make -s backends
  assert_line --index 0 --regexp '^ns an event +epoll +poll +select$'
  assert_line --index 1 --regexp '^10( +[0-9]+){3}$'
  assert_line --index 2 --regexp '^100( +[0-9]+){3}$'
  run -0 cut -d, -f1,2 "$BATS_TEST_TMPDIR/bench/backends.csv"
  assert_line --index 6 select,100
  grep -q '</svg>' "$BATS_TEST_TMPDIR/bench/backends.svg"
}

# debug-page.bats -- what chapters/DEBUG.md shows with gdb and ss, which not
# every machine has and which prints other addresses each time

setup() {
  load lib/course
}

teardown() {
  course_teardown
}

# A server, a client that sends much and reads nothing, and a silent one.
start_scene() {
  [[ ${PORT-} ]] || start echo-server
  open_client 5
  (head -c 100000000 /dev/zero >&5) 3>&- &
  OTHERS+=($!)
  open_client 6
  assert_talks 6
  wait_for has_unsent
  settle "$PID"
}

# Run gdb's commands in the server that runs.
in_gdb() { # COMMAND...
  local command arguments=()
  for command in "$@"; do
    arguments+=(-ex "$command")
  done
  timeout "$LIMIT" gdb -p "$PID" -batch "${arguments[@]}" 2>&1 3>&-
}

need_gdb() {
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "gdb looks at the plain program"
  type -P gdb >/dev/null || skip "there is no gdb"
  start echo-server
  [[ $(in_gdb bt) == *event_base_loop* ]] || skip "gdb may not look into another process"
}

@test "gdb shows that an idle server waits in the loop, called by main" {
  need_gdb
  run -0 in_gdb bt
  assert_output --regexp '#0 .* in (__)?(epoll_wait|poll|select|__GI___poll)'
  assert_output --regexp '#[0-9]+ .*in main \('
}

@test "event_base_dump_events, called by gdb, shows which client is not read from" {
  need_gdb
  start_scene
  run -0 in_gdb 'frame function main' \
    'call (void) event_base_dump_events(server.base, (FILE *) stderr)'
  run -0 cat "$LOG"
  assert_line "Inserted events:"
  assert_line --regexp '^  0x[0-9a-f]+ \[fd +[0-9]+\] Write Persist$'
  assert_line --regexp '^  0x[0-9a-f]+ \[fd +[0-9]+\] Read Persist$'
  assert_line --regexp '^  0x[0-9a-f]+ \[sig 15\] Signal Persist$'
}

@test "gdb switches the debug log of a running server on" {
  need_gdb
  open_client 5
  assert_talks 5
  in_gdb 'call (void) event_enable_debug_logging(0xffffffffu)' >/dev/null
  assert_talks 5
  wait_for has_lines 1 '^\[debug\] event_process_active: event: 0x[0-9a-f]+, +EV_READ'
  in_gdb 'call (void) event_enable_debug_logging(0)' >/dev/null
}

@test "gdb stops in the next callback and shows its client" {
  need_gdb
  open_client 5
  assert_talks 5
  while sleep 0.5; do echo again >&5; done 3>&- &
  OTHERS+=($!)
  run -0 in_gdb 'break read_cb' continue 'print what' 'print *(struct conn *) arg'
  assert_line --regexp '^Breakpoint .* read_cb \(fd=[0-9]+, what=2, '
  assert_line --regexp '^.1 = 2'
  assert_line --regexp '^.2 = \{server = 0x.*queue_length = 0'
}

@test "gdb switches the debug mode on, and shows which function passed a blocking descriptor" {
  need_gdb
  run timeout "$LIMIT" gdb -batch -ex 'break main' -ex run \
    -ex 'call (void) event_enable_debug_mode()' -ex continue -ex bt \
    --args "$BUILD/trace-loop"
  assert_output --partial "Assertion flags & O_NONBLOCK failed"
  assert_output --regexp '#[0-9]+ .*in event_new \('
  assert_output --regexp '#[0-9]+ .*wait_once \(fd='
}

@test "ss shows on which side of a connection the bytes wait" {
  type -P ss >/dev/null || skip "there is no ss"
  start_scene
  run -0 ss -tnH state established "( sport = :$PORT )"
  assert_line --regexp '^[0-9]+ +[1-9][0-9]{4,} +127\.0\.0\.1'
  assert_line --regexp '^0 +0 +127\.0\.0\.1'
  run -0 ss -tln "( sport = :$PORT )"
  assert_line --regexp '^LISTEN 0 +[0-9]+ '
}

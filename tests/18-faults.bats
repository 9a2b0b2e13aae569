# shellcheck disable=SC2016 # what stands in quotes is for other shells and perl
setup() {
  load lib/course
  load lib/servers
  CAPITALS=yes
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "the page is about plain builds"
  mkdir "$BATS_TEST_TMPDIR/faulty" && cd "$BATS_TEST_TMPDIR/faulty" || return
  cp "$ROOT"/chapters/18-production/*.[ch] .
}

teardown() {
  course_teardown
}

# The Nth line of the page that begins like this, as a reader types it.
typed() { # BEGIN FILE...
  local line
  line=$(grep -F -- "$1" "$ROOT/chapters/18-production/FAULTS.md" | head -n 1)
  [[ $line ]] || fail "the page has no line $1"
  OLDPWD=$ROOT eval "$line"
}

# Put a fault in with the page's line, and start the server.
start_faulty() { # BEGIN-OF-THE-LINE [FLAG...]
  typed "$1"
  cc -g "${@:2}" -o ../hardened-server ./*.c -levent_core
  start hardened-server
}

# In these functions the page shows the lines that stand in a call stack here.
assert_page_shows() { # CALL-STACK FUNCTION...
  local function line
  for function in "${@:2}"; do
    line=$(grep -oE " in ${function}[ (].*" <<<"$1" | grep -oE '[a-z-]+\.c:[0-9]+' | head -n 1)
    [[ $line ]] || fail "no line for $function"
    grep -qE " in ${function}[ (](.*[ /])?$line\$" "$ROOT/chapters/18-production/FAULTS.md" || fail "$function is at $line"
  done
}

@test "the page on faults finds a callback that sleeps with gdb" {
  start_faulty "sed -i 's/^    make_upper(bytes, length);/"
  open_client 5
  echo hello >&5
  wait_for grep -qE 'nanosleep|hrtimer|restart' "/proc/$PID/wchan"
  run gdb -p "$PID" -batch -ex bt
  assert_output --regexp 'nanosleep.* in read_cb \(.*event_base_loop'
  assert_page_shows "$output" read_cb main
}

@test "the page on faults finds a spin at the end of a file with strace" {
  typed "sed '/\"client closed\""
  cc -g -o ../echo-server ../spin.c -levent_core
  start echo-server
  open_client 5
  close_client 5
  trace -e trace=recvfrom
  wait_for grep -q 'recvfrom(.*, "", 65536, 0, NULL, NULL) *= 0' ../trace
  kill "${OTHERS[-1]}"
  wait_for eval 'grep -q "^TracerPid:[[:blank:]]*0$" "/proc/$PID/status"'
  gdb -p "$PID" -batch -ex 'frame function main' -ex 'call (void) event_base_dump_events(server.base, stdout)'
  wait_for_line '^Active events:$'
  (($(count_lines '^  0x[0-9a-f]+ \[fd +[0-9]+\] Read Persist$') >= 2)) || fail "no event of the client"
}

@test "the page on faults finds a leak with AddressSanitizer" {
  start_faulty "sed -i '/^    free(place);/d'" -fsanitize=address
  for _ in 1 2 3; do ask <<<hello; done
  kill -TERM "$PID"
  assert_exit 99
  run -0 grep -E 'leak of [0-9]+ byte\(s\) in 3 object' "$LOG"
  assert_page_shows "$(<"$LOG")" place_of gate_enter pass_gate
}

@test "the page on faults finds what is used after it was freed, in a core file" {
  typed "sed -i '/^        conn_error(conn, error);/{n;d}'"
  cc -g -o hardened-server ./*.c -levent_core
  # As gdb sees a core file: with the memory as it was, and no process.
  printf '%s\n' 'run 127.0.0.1 0 >log 2>&1 </dev/null' bt 'frame function event_cb' 'print *conn' >commands
  env -u MALLOC_PERTURB_ -u GLIBC_TUNABLES gdb -batch -x commands hardened-server >report 2>&1 3>&- &
  OTHERS+=($!)
  LOG=log
  wait_for grep -sq listening log
  find_port log
  open_client 5
  echo hello >&5
  wait_for eval '[[ $(ss -tnH state established "sport = :$PORT" | awk "{ print \$2 }") -gt 0 || $(ss -tnH "dport = :$PORT" | awk "{ print \$2 }") -gt 0 ]]'
  close_client 5
  wait_for grep -q '^\$1 = ' report
  run -0 cat report
  assert_output --regexp 'SIGSEGV.* in queued_output \(.* in event_cb \('
  assert_page_shows "$output" queued_output event_cb
}

@test "the page on faults makes a loop slow by a line that compiles" {
  typed "sed -i 's/^    while (clients->waiting > /"
  run ! cmp -s clients.c "$ROOT/chapters/18-production/clients.c"
  cc -O2 -g -c -o /dev/null clients.c
}

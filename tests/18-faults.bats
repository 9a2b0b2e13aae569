# shellcheck disable=SC2016 # what stands in quotes is for other shells and perl
setup() {
  load lib/course
  load lib/servers
  CAPITALS=yes
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "the page is about plain builds"
  cd "$BATS_TEST_TMPDIR" || return
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
  cc -g "${@:2}" -o hardened-server ./*.c -levent_core
  start hardened-server
}

@test "the page on faults finds a callback that sleeps with gdb" {
  start_faulty "sed -i 's/^    make_upper(bytes, length);/"
  open_client 5
  echo hello >&5
  wait_for grep -qE 'nanosleep|hrtimer|restart' "/proc/$PID/wchan"
  run gdb -p "$PID" -batch -ex bt
  assert_output --regexp 'nanosleep.* in read_cb \(.*event_base_loop'
}

@test "the page on faults finds a spin at the end of a file with strace" {
  typed "sed '/\"client closed\""
  cc -g -o echo-server spin.c -levent_core
  start echo-server
  open_client 5
  close_client 5
  trace -e trace=recvfrom
  wait_for grep -q 'recvfrom(.*, "", 65536, 0, NULL, NULL) *= 0' trace
  (($(grep -c 'recvfrom(.*, "", 65536' trace) >= 1)) || fail "no spin"
}

@test "the page on faults finds a leak with AddressSanitizer" {
  start_faulty "sed -i '/^    free(place);/d'" -fsanitize=address
  for _ in 1 2 3; do ask <<<hello; done
  kill -TERM "$PID"
  assert_exit 99
  run -0 grep -E 'leak of [0-9]+ byte\(s\) in 3 object' "$LOG"
  run -0 grep -E ' in place_of ' "$LOG"
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
}

@test "the page on faults makes a loop slow by a line that compiles" {
  typed "sed -i 's/^    while (clients->waiting > /"
  run ! cmp -s clients.c "$ROOT/chapters/18-production/clients.c"
  cc -O2 -g -c -o /dev/null clients.c
}

# red.bats -- a program that does all wrong costs no long wait, and its results are
# nothing but results

setup() {
  load ../lib/course
  LATE_TEST_LIMIT=$TEST_LIMIT
  COURSE=$BATS_TEST_TMPDIR/course
  OUT=$BATS_TEST_TMPDIR/out
  mkdir -p "$COURSE"/{scripts,tests/lib,build}
  cp -r "$ROOT/scripts/test" "$ROOT/scripts/lib" "$COURSE/scripts"
  cp "$ROOT/tests/lib/"*.bash "$COURSE/tests/lib"
}

teardown() {
  course_teardown
}

# A program in the place of an echo server that hears no SIGTERM, and what it does.
write_stub() { # PERL
  cat >"$COURSE/build/echo-server" <<'END'
#!/usr/bin/perl
use IO::Socket;
$| = 1;
$SIG{TERM} = $SIG{INT} = "IGNORE";
sub ready {
    $s = IO::Socket::INET->new(Listen => 9, LocalAddr => "127.0.0.1");
    printf "listening on 127.0.0.1 port %d\n", $s->sockport;
}
END
  echo "$1" >>"$COURSE/build/echo-server"
  chmod +x "$COURSE/build/echo-server"
}

# A chapter's file of COUNT tests, all alike.
write_tests() { # COUNT BODY
  local i
  printf 'setup() { load lib/course; }\nteardown() { course_teardown; }\n' >"$COURSE/tests/03-event.bats"
  for ((i = 1; i <= $1; i++)); do
    printf '@test "echo-server works, %s" {\n  %s\n}\n' "$i" "$2" >>"$COURSE/tests/03-event.bats"
  done
}

# Run the tests as make test-03 does, for at most that many seconds.
run_tests() { # SECONDS
  env -i --chdir="$COURSE" PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="$HOME" ${BATS_LIB_PATH:+"BATS_LIB_PATH=$BATS_LIB_PATH"} \
    BUILD=build LIMIT="${WAIT:-6}" JOBS=4 timeout -k 1 "$1" scripts/test tests/03-event.bats >"$OUT" 2>&1 3>&- 4>&-
}

@test "a program that never becomes ready is waited for once" {
  write_stub 'sleep 1 while 1;'
  write_tests 8 'start echo-server'
  WAIT=30 run -1 run_tests 150
  run -0 grep -c '# does not become ready: no line' "$OUT"
  assert_output 8
  run -0 tail -n 1 "$OUT"
  assert_output "0 passed, 8 failed, 0 skipped"
}

@test "tests of a program that spins and hears no SIGTERM end soon, without a word of the shell" {
  write_stub '1 while 1;'
  write_tests 20 'start echo-server'
  run -1 run_tests 150
  run -0 tail -n 1 "$OUT"
  assert_output "0 passed, 20 failed, 0 skipped"
  run -0 cat "$OUT"
  assert_line --regexp 'waited [46] s in vain for the line'
  assert_line '  # not run: its file had 15 s more when a test had waited in vain'
  run -1 grep -E 'Killed|Terminated|command not found' "$OUT"
  run -1 pgrep -f "$COURSE/build"
}

@test "a test that hangs in a command without a limit is ended when its file is late" {
  write_stub 'ready(); sleep 1 while 1;'
  # shellcheck disable=SC2016 # for the tests
  write_tests 4 'start echo-server; open_client 5; [[ $BATS_TEST_NAME == *1 ]] || cat <&5 >/dev/null; assert_talks 5'
  run -1 run_tests 150
  run -0 cat "$OUT"
  assert_line --regexp '^✗ echo-server works, 2 # timeout after [0-9]+s$'
  assert_line --partial 'client 5 is not answered'
  assert_line "0 passed, 4 failed, 0 skipped"
  run -1 grep -E 'Killed|Terminated' "$OUT"
}

@test "a flood in a log does not fill the disk" {
  write_stub 'ready(); print "no more descriptors\n" while 1;'
  # shellcheck disable=SC2016
  write_tests 1 'start echo-server; wait_for_line nothing || true; (($(stat -c %s "$LOG") <= 20 << 20)) || fail "too long"; false'
  run -1 run_tests 150
  run -1 grep '^  # too long' "$OUT"
}

@test "who works but hears no SIGTERM fails, and no word of the shell is seen" {
  # shellcheck disable=SC2016
  write_stub 'ready(); while ($c = $s->accept) { print $c scalar <$c>; }'
  write_tests 2 'start echo-server; open_client 5; assert_talks 5'
  run -1 run_tests 150
  run -0 cat "$OUT"
  assert_line --partial "a program ended with status 137"
  run -1 grep -E 'Killed|Terminated' "$OUT"
}

@test "a result is shown as soon as it is known" {
  write_stub 'exit 0;'
  # shellcheck disable=SC2016
  write_tests 4 'exec 5<> <(:); [[ $BATS_TEST_NAME == *1 ]] || read -t 25 -u 5 || true; false'
  : >"$OUT"
  run_tests 150 3>&- &
  pid=$!
  LIMIT=60 wait_for grep -q '^✗ echo-server works, 1' "$OUT"
  run -1 grep 'echo-server works, [234]' "$OUT"
  wait "$pid" || true
}

@test "a program that was ended leaves no word of the shell between green results" {
  write_stub 'exit 0;'
  # shellcheck disable=SC2016
  write_tests 3 'sleep 100 3>&- & OTHERS+=($!)'
  run -0 run_tests 150
  run -0 cat "$OUT"
  assert_equal "${#lines[@]}" 4
}

@test "the tests refuse a file that is not there, and run nothing" {
  run -2 "$ROOT/scripts/test" "$ROOT/tests/05-listener.bats" -f listener
  assert_output "test: no such file: -f"
}

limits() { # FACTOR
  (
    unset LIMIT BATS_TEST_NAME
    TIME_FACTOR=$1
    load ../lib/course
    echo "$LIMIT $REST_LIMIT $TEST_LIMIT $LATE_LIMIT $LATE_TEST_LIMIT $LATE_BUDGET"
  )
}

@test "TIME_FACTOR makes each time limit of the tests longer" {
  run -0 limits 1
  assert_output "20 5 300 4 60 300"
  run -0 limits 3
  assert_output "60 15 900 12 180 900"
}

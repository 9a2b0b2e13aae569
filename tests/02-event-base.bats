# The programs run for seconds and print the same each time: once is enough.
setup_file() {
  load lib/course
  print_once first-loop trace-loop loop-flags exit-vs-break fork-reinit
}

setup() {
  load lib/course
}

teardown() {
  course_teardown
}

# A line of loop-flags: its words, what the loop returned, how often it called.
assert_loop() { # WORDS RESULT SECONDS CALLS
  assert_line --regexp "^$1 +returned +$2 after $3 s, callbacks: $4$"
}

@test "first-loop prints its line after a second and ends" {
  run -0 printed first-loop
  assert_output "one second has passed"
}

@test "a loop with nothing pending returns 1 at once" {
  run -0 printed loop-flags
  assert_loop "dispatch, nothing pending" 1 '0\..' 0
}

@test "dispatch returns 1 when the last event is done, 0 after loopexit" {
  run -0 printed loop-flags
  assert_loop "dispatch, timers at 0.1 s and 0.3 s" 1 '[0-9]\.[3-9]' 2
  assert_loop "dispatch, timer at 0.1 s, loopexit at 0.3 s" 0 '[0-9]\.[3-9]' 1
}

@test "EVLOOP_ONCE waits once, then runs all that is active (T7)" {
  run -0 printed loop-flags
  assert_loop "ONCE, timers at 0.1 s and 0.3 s" 0 '[0-9]\.[1-9]' 1
  assert_loop "ONCE, two events active together" 0 '[0-9]\..' 2
}

@test "EVLOOP_NONBLOCK does not wait, but goes on while an event stays ready (T8)" {
  run -0 printed loop-flags
  assert_loop "NONBLOCK, timer at 0.1 s" 0 '[0-9]\..' 0
  assert_loop "ONCE \| NONBLOCK, an event that stays" 0 '[0-9]\..' 1
  assert_loop "NONBLOCK, ready until its fifth callback" 0 '[0-9]\..' 5
}

@test "EVLOOP_NO_EXIT_ON_EMPTY waits with nothing pending" {
  run -0 printed loop-flags
  assert_loop "NO_EXIT_ON_EMPTY, a thread's loopexit" 0 '[0-9]\.[1-9]' 0
}

@test "a loop inside a callback of the same base returns -1" {
  run -0 printed loop-flags
  assert_line "  a loop inside a callback of the same base returned -1"
  run -0 cat "$BATS_FILE_TMPDIR/loop-flags.errors"
  assert_output --partial "reentrant invocation"
}

@test "loopexit in a callback lets the second active callback run" {
  run -0 scene exit-vs-break "loopexit in a callback"
  assert_line --index 1 "second callback"
  assert_line --index 2 "dispatch returned 0, got_exit 1, got_break 0"
}

@test "loopexit in a callback leaves events of a lower priority active" {
  run -0 scene exit-vs-break "loopexit in a callback, events of three priorities"
  assert_line --index 1 "callback of the default priority"
  assert_line --index 2 "dispatch returned 0, got_exit 1, got_break 0"
  refute_line "callback of a lower priority"
  run -0 scene exit-vs-break "what the exit left is still active, so the next round"
  assert_line --index 0 "callback of a lower priority"
  assert_line --index 1 "dispatch returned 1, got_exit 0, got_break 0"
}

@test "loopexit with a delay ends the loop after the delay" {
  run -0 scene exit-vs-break "loopexit with a delay, in a callback"
  assert_line --index 1 "second callback"
  assert_line --index 2 "dispatch returned 0, got_exit 1, got_break 0"
}

@test "loopbreak in a callback leaves the second one active for the next round (T9)" {
  run -0 scene exit-vs-break "loopbreak in a callback"
  assert_line --index 1 "dispatch returned 0, got_exit 0, got_break 1"
  refute_line "second callback"
  run -0 scene exit-vs-break "what the break left is still active, so the next round"
  assert_line --index 0 "second callback"
}

@test "a loopbreak before dispatch is lost, a loopexit is not (T9)" {
  run -0 scene exit-vs-break "loopbreak before dispatch, a timer pending"
  assert_line --index 0 "timer callback"
  assert_line --index 1 "dispatch returned 1, got_exit 0, got_break 0"
  run -0 scene exit-vs-break "loopexit before dispatch, a timer pending"
  assert_line --index 0 "dispatch returned 0, got_exit 1, got_break 0"
}

@test "after event_reinit the child's changes do not reach the parent" {
  run -0 printed fork-reinit
  assert_line --index 0 --partial "the child calls event_reinit"
  assert_line --index 1 "  the child's own timer on that base: ran"
  assert_line --index 2 "  a byte in the pipe: the parent gets it"
  assert_line --index 3 "  a signal that only the child got: the parent saw nothing of it"
}

@test "without event_reinit the parent gets the child's signals" {
  run -0 printed fork-reinit
  assert_line --index 4 --partial "the child does not call event_reinit"
  assert_line --index 6 "  a signal that only the child got: the parent's callback ran too"
}

@test "without event_reinit the child's event_del makes the parent deaf, on epoll" {
  run -0 printed fork-reinit
  if [[ ${EVENT_NOEPOLL-} ]]; then
    assert_line --index 5 "  a byte in the pipe: the parent gets it"
  else
    assert_line --index 5 "  a byte in the pipe: the parent gets nothing"
  fi
}

# The lines of one scene of trace-loop.
traced() { # TITLE
  printed trace-loop | awk -v title="$1" '
    /^a/ { inside = $0 == title ":" }
    inside { print }'
}

@test "the debug log tells when an event is added, becomes active and is run" {
  run -0 traced "a timer of 0.1 s"
  assert_line --index 1 "event_add"
  assert_line --index 2 --regexp '^  \[debug\] event_add: event: 0x[0-9a-f]+ '
  assert_line --regexp '^  \[debug\] event_active: 0x[0-9a-f]+ '
  assert_line --regexp '^  \[debug\] event_process_active: event: 0x[0-9a-f]+'
  assert_line "timer_cb runs"
  assert_line "  [debug] event_base_loop: no events registered."
  assert_line "event_base_dispatch returned 1"
}

@test "the log callback gets the reason for which epoll refuses a regular file" {
  [[ ! ${EVENT_NOEPOLL-} ]] || skip "poll and select take regular files"
  run -0 traced "a regular file"
  assert_line --regexp '^  \[warn\] Epoll ADD.* failed\..*: Operation not permitted$'
  assert_line "event_add has failed"
}

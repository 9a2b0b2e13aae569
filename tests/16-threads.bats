setup() {
  load lib/course
}

teardown() {
  course_teardown
}

# On a busy machine a loop may end late: then try again.
prints() { # PROGRAM EXPECTED
  local _
  for _ in 1 2 3; do
    run -0 course "$1"
    [[ $output != "$2" ]] || return 0
  done
  assert_output "$2"
}

@test "wake-loop shows what wakes a loop from another thread, and what does not (Y15 Y16)" {
  [[ ! ${UNDER-} ]] || skip "under valgrind one thread waits for the other"
  prints wake-loop "\
event_base_loopexit, without locks         when the timer is due
event_base_loopexit                        at once
event_active, without locks                when the timer is due
event_active                               at once
a write to an eventfd, without locks       at once
event_del of the last event                at once
event_del of the last event, a timer       when the timer is due
the same, then event_base_loopcontinue     at once"
}

@test "lock-order shows which order of two locks is a deadlock, and which is none (Y17 Y18)" {
  [[ ! ${UNDER-} ]] || skip "under valgrind a scene is too slow for its time"
  prints lock-order "\
bufferevent_write under our mutex          never
the same, callbacks unlocked               at once
event_del under our mutex                  never
event_del_noblock under our mutex          at once
each loop writes to the other's connection never
the same, callbacks unlocked               at once"
}

@test "wake-loop and lock-order take no arguments" {
  for name in wake-loop lock-order; do
    run -2 course "$name" x
    assert_output "usage: $name"
    run -0 course "$name" --help
    assert_output "usage: $name"
  done
}

@test "wake-loop and lock-order fail when their output cannot be written" {
  local name pids=()
  # Side by side: each takes its time.
  for name in wake-loop lock-order; do
    { course "$name" >/dev/full 2>"$BATS_TEST_TMPDIR/$name.said" && echo succeeded >>"$BATS_TEST_TMPDIR/$name.said"; } 3>&- &
    pids+=($!)
  done
  for name in wake-loop lock-order; do
    wait "${pids[0]}" || assert_equal $? 1
    pids=("${pids[@]:1}")
    assert_equal "$(<"$BATS_TEST_TMPDIR/$name.said")" "$name: cannot write to standard output: No space left on device"
  done
}

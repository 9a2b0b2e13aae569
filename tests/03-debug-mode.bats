# 03-debug-mode.bats -- what libevent's debug mode finds

setup() {
  load lib/course
}

teardown() {
  course_teardown
}

# The lines of one mistake, without their indentation. libevent looks into the
# freed event, as the program's user has it: not overwritten.
mistake() { # TITLE
  MALLOC_PERTURB_=0 course debug-mode | awk -v title="$1" '
    /^[^ ]/ { inside = $0 == title ":" }
    inside && /^ / { print substr($0, 3) }'
}

@test "the debug mode ends a program that adds an event which was freed" {
  run -0 mistake "an event is added after event_free"
  assert_line --index 0 --regexp "^libevent: .* called on a non-initialized event 0x[0-9a-f]+ "
  assert_line --index 1 "killed by signal 6, Aborted"
}

@test "the debug mode ends a program that frees an event twice" {
  run -0 mistake "an event is freed twice"
  assert_line --index 0 --regexp "^libevent: .* on a non-setup event 0x[0-9a-f]+ "
  assert_line --index 1 "killed by signal 6, Aborted"
}

@test "the debug mode ends a program that assigns an added event anew (D2)" {
  run -0 mistake "event_assign is called for an added event"
  assert_line --index 0 --regexp "^libevent: .* called on an already added event 0x[0-9a-f]+ "
  assert_line --index 1 "killed by signal 6, Aborted"
}

@test "the debug mode ends a program that watches a blocking descriptor" {
  run -0 mistake "an event watches a blocking descriptor"
  assert_line --index 0 --regexp "^libevent: .*Assertion flags & O_NONBLOCK failed"
  assert_line --index 1 "killed by signal 6, Aborted"
}

@test "the debug mode has to be enabled before the first base is made" {
  run -0 mistake "the debug mode is enabled after the base was made"
  assert_line --index 0 --partial "must be called *before* creating any events"
  assert_line --index 1 "ended with status 1"
}

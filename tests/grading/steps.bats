# steps.bats -- the words that the checks of a lab are written in: what each of them
# lets pass, and what it does not.

setup_file() {
  load ../lib/labs
  make_course "$BATS_FILE_TMPDIR/course"
}

setup() {
  load ../lib/labs
  enter_course
  PATIENCE=10
}

# The lab has one check, with these commands, and the student's file is the solution,
# changed by a sed script.
try() { # COMMANDS [SED-SCRIPT]
  hand_in "${2-}"
  check_with "$1"
  run scripts/labs/lab run 03-tiny
}

check_with() { # COMMANDS
  cat >"$LAB/checks.bash" <<END
lab make 1 20
check 10 "How it works" only "it works" "能用"
only() {
  step "a step" "一步"
  $1
}
END
}

# What a program does in its read callback before it answers.
WHEN_READ='/^    if \(bufferevent_write_buffer/i'
# A time-out of a minute after which a client is told so and dropped.
MINUTE='s/^    if \(bufferevent_enable\(conn->bev, EV_READ/    struct timeval minute = {60, 0};\n    bufferevent_set_timeouts(conn->bev, \&minute, NULL);\n&/'

@test "fast_clock lets a time-out of a minute pass in a second, on every back end" {
  local backend
  for backend in NONE=1 EVENT_NOEPOLL=1 'EVENT_NOEPOLL=1 EVENT_NOPOLL=1'; do
    try "environment $backend; fast_clock 60; STILL_MS=\$LIMIT_MS; start; connect A; expect_open A; expect_closed A" "$MINUTE"
    assert_success
  done
  # Without it, the client stays.
  try "STILL_MS=\$LIMIT_MS; start; connect A; expect_open A; expect_closed A" "$MINUTE"
  assert_line --partial 'the program does not close the connection'
}

# On one processor, with five others beside it, it has a part of the time only.
@test "a program that works is waited for longer where others have the processor" {
  local cpu i burners=()
  cpu=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
  [[ -r /proc/self/schedstat ]] || skip "this kernel does not say how long a process waits for a processor"
  for ((i = 0; i < 5; i++)); do
    taskset -c "$cpu" sh -c 'while :; do :; done' 3>&- &
    burners+=($!)
  done
  hand_in "$WHEN_READ { clock_t end = clock() + CLOCKS_PER_SEC / 2; while (clock() < end) continue; }
    s/^#include <stdlib.h>/&\n#include <time.h>/"
  check_with 'LIMIT_MS=600; start; connect A; send A "x\n"; expect A "x\n"'
  run taskset -c "$cpu" scripts/labs/lab run 03-tiny
  kill "${burners[@]}"
  assert_success
}

@test "other_libevent lets a program see another version and other back ends" {
  local print='s/^    print_ready\(.*/    const char **names = event_get_supported_methods();\n    printf("%s", event_get_version());\n    while (*names)\n        printf(" %s", *names++);\n    printf("\\n");\n&/'
  # shellcheck disable=SC2016 # for the check
  local story='start; expect_line "^2.9.1-lab devpoll kqueue x y\$"; connect A; send A "x\n"; expect A "x\n"'
  try "other_libevent 2.9.1-lab 'devpoll kqueue x y'; $story" "$print"
  assert_success
  try "$story" "$print"
  assert_failure
  assert_line --regexp 'received +2\.[0-9].* poll '
}

@test "short_writes lets the kernel take little at a time" {
  # shellcheck disable=SC2016 # for the check
  local story='start; connect A; send A "x\n"; expect_line "^took $TAKEN\$"'
  local send="$WHEN_READ static char big[5000]; printf(\"took %zd\\\\n\", send(bufferevent_getfd(bev), big, sizeof(big), 0));"
  try "short_writes; TAKEN=2000; $story" "$send"
  assert_success
  try "TAKEN=5000; $story" "$send"
  assert_success
  # What libevent sends goes out in pieces, and whole.
  # shellcheck disable=SC2016
  try 'short_writes; start; make_lines "$WORK/lines" 100000; connect A; send_file A "$WORK/lines"; expect_file A "$WORK/lines"; stop_cleanly'
  assert_success
}

@test "expect_no_wakeups sees a program that polls, however little it does" {
  try 'start; connect A; expect_no_wakeups'
  assert_success
  try 'start; connect A; expect_no_wakeups' \
    's/^    print_ready\(.*/    struct timeval often = {0, 900000};\n    struct event *timer = event_new(base, -1, EV_PERSIST, tick_cb, NULL);\n    event_add(timer, \&often);\n&/; s/^int main/static void tick_cb(evutil_socket_t fd, short what, void *arg)\n{\n}\n\n&/'
  assert_line --partial 'the program wakes up again and again while there is nothing to do'
}

@test "watch_blocking sees a program that sleeps in a callback" {
  # shellcheck disable=SC2016 # for the check
  local story='start; watch_blocking; connect A; send A "x\n"; expect A "x\n"; expect_not_blocked'
  try "$story"
  assert_success
  try "$story" "$WHEN_READ usleep(200000);
    s/^#include <stdlib.h>/&\n#include <unistd.h>/"
  assert_line --partial 'the program blocked outside its event loop'
}

@test "many sees which of many clients gets the answer of another" {
  # shellcheck disable=SC2016 # for the check
  local story='start; many 60 "I am %d\n" "I am %d\n"; many_again "and %d\n" "and %d\n"; note_resources; many_leave; expect_no_wakeups 200; stop_cleanly'
  try "$story"
  assert_success
  # From the 41st on, each gets the line of the first.
  try "$story" "$WHEN_READ static int count; if (++count > 40) { bufferevent_write(bev, \"I am 1\\\\n\", 7); return; }"
  assert_line '          sent      I am 41\n'
  assert_line '          received  I am 1\n'
  assert_line '          this was client 41 of 60'
}

@test "many_leave and reset_many break connections, and a leak on that path is found" {
  local story leaks='/^static void event_cb/,/^}/s/^    conn_free\(arg\);/    if (what \& BEV_EVENT_ERROR) { LIST_REMOVE((struct conn *)arg, next); } else { &\n    }/'
  for story in 'reset_many 5 "x\n"' 'reset_many 5' 'many 5 "x\n" "x\n"; many_leave reset'; do
    try "find_all_leaks; start; note_resources; $story; expect_descriptors_back; stop_cleanly"
    assert_success
    try "find_all_leaks; start; $story; settle; stop_cleanly" "$leaks"
    assert_line '          sanitizer:  LeakSanitizer: memory is never freed'
  done
}

@test "expect_backlog counts the connections that can wait" {
  local few='s/LEV_OPT_REUSEABLE, -1/LEV_OPT_REUSEABLE, 4/'
  try 'start; expect_backlog 60; connect A; send A "x\n"; expect A "x\n"'
  assert_success
  try 'start; expect_backlog 5' "$few"
  assert_success
  try 'start; expect_backlog 6' "$few"
  assert_line --partial 'while the program is busy, fewer than 6 connections can wait'
}

@test "listen_full gives a port where a connection is neither made nor refused" {
  # It connects to the port that it is told, before its first answer.
  # shellcheck disable=SC2016 # for the check
  local story='listen_full S; FULL=$PORT; start; watch_blocking; connect A; send A "$FULL\n"; SENT[A]=; expect A "$FULL\n"; expect_not_blocked'
  local connects="$WHEN_READ char text[8] = \"\"; evbuffer_copyout(bufferevent_get_input(bev), text, 7); struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((in_port_t)atoi(text))}; int fd = socket(AF_INET, SOCK_STREAM | FLAGS, 0); if (connect(fd, (struct sockaddr *)\\&to, sizeof(to)) == 0) exit(9); close(fd);
    s/^#include <stdlib.h>/&\n#include <unistd.h>/"
  try "$story" "${connects/FLAGS/SOCK_NONBLOCK}"
  assert_success
  try "$story" "${connects/FLAGS/0}"
  assert_failure
  refute_output --partial 'exit status 9'
}

@test "watch_order sees a descriptor that is closed before its event is deleted" {
  # shellcheck disable=SC2016 # for the check
  local story='watch_order; start; connect A; send A "x\n"; expect A "x\n"; stop_cleanly; expect_order'
  try "$story"
  assert_success
  try "$story" 's/^    bufferevent_free\(conn->bev\);/    close(bufferevent_getfd(conn->bev));\n&/; s/^#include <stdlib.h>/&\n#include <unistd.h>/'
  assert_line --partial 'a descriptor was closed before its event was deleted'
}

# The lab asks for a library in place of libevent, and has a program for it; the student's
# file is this one, changed by a sed script.
try_library() { # COMMANDS [SED-SCRIPT]
  mkdir -p labs/03-tiny "$LAB/programs"
  sed -i '/^ \* Build:/s/ -levent_core$//' "$LAB/solution/tiny.c"
  cat >"$LAB/programs/empty.c" <<'END'
#include <stdio.h>
#include <event2/event.h>

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();

    printf("loop:\n  %d\n", event_base_loop(base, 0));
    printf("free:\n");
    event_base_free(base);
    return 0;
}
END
  sed -E "${2-}" >"$MINE" <<'END'
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>
#include <event2/event.h>

struct event_base *event_base_new(void)
{
    return malloc(16);
}

int event_base_loop(struct event_base *base, int flags)
{
    return 1;
}

void event_base_free(struct event_base *base)
{
    free(base);
}
END
  check_with "$1"
  run scripts/labs/lab run 03-tiny
}

BOTH_PARTS='build_with_library empty; run_both 7; expect_same_part loop; expect_same_part free'

@test "a library that does as libevent does passes, and another one does not" {
  try_library "$BOTH_PARTS"
  assert_success
  assert_line --partial "empty.c $MINE && build/labs/empty 7"
  try_library "$BOTH_PARTS" 's/return 1;/return 0;/'
  assert_failure 1
  assert_line '          | loop:'
  assert_line '          expected    1'
  assert_line '          received    0'
  try_library "$BOTH_PARTS" 's/return 1;/for (;;)\n        pause();/'
  assert_failure 1
  assert_line --partial 'the program does not end'
  try_library "$BOTH_PARTS" 's/return 1;/abort();/'
  assert_failure 1
  assert_line --partial 'SIGABRT'
}

@test "what a library lacks is said, and costs the check that needs it" {
  try_library "$BOTH_PARTS" 's/event_base_loop\(/other(/; s/event_base_free\(/another(/'
  assert_failure 1
  assert_line --partial 'tiny.c lacks event_base_loop, event_base_free'
  # shellcheck disable=SC2016 # for sed
  try_library "$BOTH_PARTS" '$a int main(void)\n{\n    return 0;\n}'
  assert_failure 1
  assert_line --partial 'tiny.c is to be a library, and has a main'
  try_library "$BOTH_PARTS" 's/return 1;/return one;/'
  assert_failure 1
  assert_line --partial 'the program does not compile'
}

@test "a leak of a library is found, unless another check looks for it" {
  try_library "find_all_leaks; $BOTH_PARTS" 's/^    free.*/    (void)base;/'
  assert_failure 1
  assert_line --partial 'LeakSanitizer: memory is never freed'
  try_library "ignore_leaks; $BOTH_PARTS" 's/^    free.*/    (void)base;/'
  assert_success
}

@test "with TRIES, a part may differ now and then, but not each time" {
  try_library "TRIES=40; $BOTH_PARTS" \
    's/return 1;/struct timeval now;\n    gettimeofday(\&now, NULL);\n    return now.tv_usec % 2;/'
  assert_success
  try_library "TRIES=3; $BOTH_PARTS" 's/return 1;/return 2;/'
  assert_failure 1
}

@test "a lab's program that cannot be built, or fails, with libevent is no result" {
  # shellcheck disable=SC2016 # for the check
  try_library 'echo "#error" >>"$LAB/programs/empty.c"; '"$BOTH_PARTS"
  assert_failure 125
  assert_output --partial 'empty.c cannot be built with libevent'
  # shellcheck disable=SC2016 # for the check
  try_library 'sed -i "s/return 0/return 3/" "$LAB/programs/empty.c"; '"$BOTH_PARTS"
  assert_failure 125
  assert_output --partial 'empty 7 fails on libevent'
}

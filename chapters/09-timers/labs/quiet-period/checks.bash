# checks.bash -- answer when the client has been quiet for a while, and after a limit at
# the latest.

lab make 3 35
STILL_MS=$LIMIT_MS # the program has timers
: "${QUIET:=600}" "${MOST:=1200}" "${LINES_AT_ONCE:=3}"

check 3 "A timer is an event without a descriptor" tells_once_quiet \
  "a client that has been quiet gets the number of its lines once" \
  "客户端安静下来之后，收到一次行数"
tells_once_quiet() {
  step "A sends $LINES_AT_ONCE lines and gets \"lines: $LINES_AT_ONCE\", not before $QUIET ms have passed" \
    "A 发出 $LINES_AT_ONCE 行，$QUIET 毫秒之后收到“lines: $LINES_AT_ONCE”，不提前"
  start 0 "$QUIET" 600000
  connect A
  say_lines A "$LINES_AT_ONCE"
  expect A "lines: $LINES_AT_ONCE\n"
  not_before $((SAID + QUIET))
  step "nothing else comes, for longer than that" "此后更长的时间里，没有别的内容"
  nap_ms $((QUIET + QUIET / 2))
  expect_nothing A
  step "half a line does not count" "半行不算一行"
  send A "half"
  nap_ms $((QUIET + QUIET / 2))
  expect_nothing A
  step "when its end comes, A gets \"lines: 1\"" "行的结尾到来之后，A 收到“lines: 1”"
  say_lines A 1
  expect A 'lines: 1\n'
  not_before $((SAID + QUIET))
}

check 2 "A timer is an event without a descriptor" waits_while_lines_come \
  "while lines come, the client gets no answer" \
  "不断有行到来时，不回答"
waits_while_lines_come() {
  local try
  start 0 "$QUIET" 600000
  # On a busy machine the lines may come too slowly for the check: then once more.
  for try in 1 2 3 4 5; do
    step "A sends 12 lines, the pauses between them shorter than $QUIET ms: nothing comes meanwhile" \
      "A 发出 12 行，每次停顿都短于 $QUIET 毫秒：其间没有回答"
    connect "A$try"
    talk "A$try" 12
    ((SLOWEST * 4 < QUIET * 3)) || ((try == 5)) || continue
    count_bytes "A$try"
    ((ARRIVED == 0)) || fail "an answer came while the client was sending" "客户端还在发送，就收到了回答"
    break
  done
  step "then A gets \"lines: 12\", not before $QUIET ms have passed since the last line" \
    "然后 A 收到“lines: 12”，离最后一行不短于 $QUIET 毫秒"
  expect "A$try" 'lines: 12\n'
  not_before $((SAID + QUIET))
}

check 2 "Exercises" tells_at_the_latest \
  "a client that goes on sending gets an answer at the latest after $MOST ms" \
  "客户端不停地发送时，最迟 $MOST 毫秒后回答"
tells_at_the_latest() {
  local began sent=0 told
  step "A sends without a pause, and gets an answer meanwhile, not before $MOST ms have passed" \
    "A 不停地发送，$MOST 毫秒之后、还在发送时收到回答，不提前"
  start 0 "$((3 * MOST))" "$MOST"
  connect A
  say_lines A 1
  began=$SAID
  until has_come A 1; do
    sent=$((sent + 1))
    now_ms
    ((MS - began < 3 * MOST)) || fail "the client goes on sending, and gets no answer" "客户端不停地发送，却收不到回答"
    nap_ms $((QUIET / 6))
    say_lines A 1
  done
  sent=$((sent + 1))
  expect_answer A 'lines: [0-9]+'
  told=${LINE#lines: }
  not_before $((began + MOST))
  step "the lines that follow are counted as well, and none is counted twice" "后面的行也计入回答，没有哪行计入两次"
  say_lines A 1
  sent=$((sent + 1))
  expect_answer A 'lines: [0-9]+'
  ((told + ${LINE#lines: } == sent)) || fail "the numbers of lines do not add up to what was sent" "各次回答的行数之和，与发出的行数不符"
  step "when the latest time comes before the quiet, a line is counted once" "最迟的时间先到，也只回答一次"
  end_now
  start 0 "$((MOST * 3 / 2))" "$MOST"
  connect A
  say_lines A 1
  expect A 'lines: 1\n'
  not_before $((SAID + MOST))
  nap_ms "$MOST"
  expect_nothing A
  step "when the quiet comes before the latest time, too" "安静的时间先到，也是一样"
  end_now
  start 0 "$QUIET" "$((2 * QUIET))"
  connect A
  say_lines A 1
  expect A 'lines: 1\n'
  nap_ms $((2 * QUIET))
  expect_nothing A
}

check 1 "A limit for each client" tells_each \
  "each client has its own count and its own time" \
  "每个客户端单独计数，单独计时"
tells_each() {
  local began
  step "A sends two lines, later B sends one" "A 发出两行，后来 B 发出一行"
  start 0 "$QUIET" 600000
  connect A
  connect B
  say_lines A 2
  began=$SAID
  nap_ms $((QUIET / 2))
  say_lines B 1
  step "A gets 2, B gets 1, each in its time" "A 收到 2，B 收到 1，各按各的时间"
  expect A 'lines: 2\n'
  not_before $((began + QUIET))
  expect B 'lines: 1\n'
  not_before $((SAID + QUIET))
  step "nothing else comes" "没有别的内容"
  expect_nothing A
  expect_nothing B
}

check 1 "Exercises" forgets_clients \
  "a client that leaves before its answer holds nothing and does not affect the others" \
  "客户端没等到回答就离开，不占用任何资源，也不影响其他客户端"
forgets_clients() {
  local i
  step "clients send a line, and leave or reset their connections" "客户端发出一行，就离开或者重置连接"
  start 0 "$QUIET" "$MOST"
  connect A
  note_resources
  for ((i = 0; i < 3; i++)); do
    connect B linger=0
    send B 'x\n'
    connect C
    send C 'x\ny\n'
    reset B
    close C
  done
  step "later the program still runs, and no descriptor stays open" "过一阵，程序仍在运行，没有留下打开的描述符"
  nap_ms $((QUIET + MOST))
  expect_descriptors_back
  say_lines A 1
  expect A 'lines: 1\n'
}

check 1 "Exercises" ends_well \
  "the program sleeps while nothing happens, ends at SIGTERM, and frees all" \
  "没有事时程序休眠；收到 SIGTERM 时释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A sends a line; with an hour to wait, nothing wakes the program" "A 发出一行；要等一小时，其间没有什么唤醒程序"
  start 0 3600000 7200000
  connect A
  say_lines A 1
  settle
  expect_no_wakeups
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# For another run, whatever this one has not freed.
end_now() {
  signal KILL
  until_true has_ended "$RUN"
  await_status
}

# Send lines in one piece. Sets SAID to the time before.
say_lines() { # CLIENT COUNT
  now_ms
  SAID=$MS
  send "$1" "$(printf 'x\\n%.0s' $(seq "$2"))"
}

# Send lines one by one, a sixth of QUIET between them. Sets SAID to the time before the
# last one, and SLOWEST to the longest time from one to the next.
talk() { # CLIENT COUNT
  local i before
  now_ms
  before=$MS SLOWEST=0
  for ((i = 0; i < $2; i++)); do
    ((i == 0)) || nap_ms $((QUIET / 6))
    say_lines "$1" 1
    now_ms
    ((MS - before <= SLOWEST)) || SLOWEST=$((MS - before))
    before=$SAID
  done
}

nap_ms() { # MS
  nap "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# libevent's clock may be behind by a tick of the kernel's.
not_before() { # MS
  now_ms
  ((MS >= $1 - 20)) || fail "the answer came too early" "回答来得太早"
}

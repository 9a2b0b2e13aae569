# checks.bash -- the program ends when it should, even before its loop has begun.

lab mend 1 20
STILL_MS=$LIMIT_MS # the program has timers
: "${FIRST:=tea}" "${SECOND:=toast}" "${THIRD:=eggs}" "${ALARMS:=20}"

expect_no_end() {
  local end
  now_ms
  end=$((MS + QUIET_MS * PATIENCE / 10))
  while ((MS < end)); do
    is_running "$RUN" || fail
    nap 0.02
    now_ms
  done
}

check 1 "End the loop" rings_in_time \
  "the alarms ring in the order of their times, then the program ends" \
  "闹铃按时间先后响起，之后程序结束"
rings_in_time() {
  local began
  step "two alarms ring, the later one given first, and the program ends" \
    "两个闹铃先后响起（参数里晚的写在前面），程序结束"
  now_ms
  began=$MS
  run "500:$SECOND" "20:$FIRST"
  expect_output "$FIRST\n$SECOND\ndone, 2 rang\n"
  step "the exit status is 0" "退出码为 0"
  expect_exit 0
  step "no alarm rang too early" "没有闹铃提前响"
  now_ms
  # libevent's clock may be behind by a tick of the kernel's.
  ((MS >= began + 480)) || fail "an alarm rang too early" "有闹铃响得太早"
  step "alarms of minutes do not ring too early either (the clock runs 60 times as fast)" "几分钟的闹铃也不提前响（时钟快 60 倍）"
  fast_clock 60
  now_ms
  began=$MS
  run "62000:$SECOND" "61000:$FIRST"
  expect_output "$FIRST\n$SECOND\ndone, 2 rang\n"
  now_ms
  ((MS >= began + 1000)) || fail "an alarm rang too early" "有闹铃响得太早"
}

check 2 "End the loop" ends_without_alarms \
  "without any alarm the program ends at once" \
  "一个闹铃也没有时立即结束"
ends_without_alarms() {
  find_all_leaks
  step "the program is started without arguments, and ends" "不带参数启动，程序结束"
  run
  step "no alarm rang, and the exit status is 0" "没有闹铃响过，退出码为 0"
  expect_output "done, 0 rang\n"
  expect_exit 0
}

check 1 "What goes wrong" ends_when_all_rang \
  "the program ends when all alarms have rung at the start" \
  "所有闹铃在启动时就都响过了，程序结束"
ends_when_all_rang() {
  find_all_leaks
  step "two alarms are due at once; the program ends" "两个闹铃立即响起，程序结束"
  run "0:$FIRST" "0:$SECOND"
  step "both rang, and the exit status is 0" "两个都响过，退出码为 0"
  expect_output "$FIRST\n$SECOND\ndone, 2 rang\n"
  expect_exit 0
}

check 1 "What goes wrong" many_alarms \
  "many alarms ring, at the start and later" \
  "许多闹铃在启动时和之后响起"
many_alarms() {
  local i alarms=() text=''
  step "$ALARMS alarms are due at once; the program ends" "$ALARMS 个闹铃立即响起，程序结束"
  for ((i = 0; i < ALARMS; i++)); do
    alarms+=("0:$FIRST $i")
    text+="$FIRST $i\n"
  done
  run "${alarms[@]}"
  expect_output "${text}done, $ALARMS rang\n"
  expect_exit 0
  step "$ALARMS alarms are due at once, $ALARMS later; the program ends when all have rung" \
    "$ALARMS 个闹铃立即响起，$ALARMS 个稍后响起；全部响过后程序结束"
  for ((i = 0; i < ALARMS; i++)); do
    alarms+=("$((5 * i + 50)):$SECOND $i")
    text+="$SECOND $i\n"
  done
  run "${alarms[@]}"
  expect_output "${text}done, $((2 * ALARMS)) rang\n"
  expect_exit 0
  step "it also ends with \"stop\" as the last argument" "最后一个参数是 stop，也同样结束"
  run "${alarms[@]:0:ALARMS}" "600000:$THIRD" 0:stop
  expect_output "${text%%"$SECOND"*}done, $ALARMS rang\n"
  expect_exit 0
}

check 2 "What goes wrong" stops_at_the_start \
  "\"stop\" at the start ends the program, even if other alarms have not rung" \
  "启动时遇到 stop 就结束，即使还有闹铃没响"
stops_at_the_start() {
  find_all_leaks
  step "an alarm is due in ten minutes, \"stop\" at once; the program ends" "一个闹铃十分钟后才响，stop 立即生效；程序结束"
  run "600000:$THIRD" "0:$FIRST" 0:stop
  step "one alarm rang, and the exit status is 0" "响过一个闹铃，退出码为 0"
  expect_output "$FIRST\ndone, 1 rang\n"
  expect_exit 0
}

check 1 "End the loop" stops_later \
  "a later \"stop\" ends the program too" \
  "稍后的 stop 同样能结束程序"
stops_later() {
  find_all_leaks
  step "an alarm rings, \"stop\" 30 ms later; the program ends" "一个闹铃响起，30 ms 后 stop 响起；程序结束"
  run "600000:$THIRD" "20:$SECOND" 50:stop
  step "one alarm rang, and the exit status is 0" "响过一个闹铃，退出码为 0"
  expect_output "$SECOND\ndone, 1 rang\n"
  expect_exit 0
}

check 2 "One round of the loop" waits_at_rest \
  "the program sleeps while it waits, and ends cleanly at SIGTERM" \
  "等待时处于休眠，收到 SIGTERM 妥善结束"
waits_at_rest() {
  find_all_leaks
  step "one alarm rings, another is due in ten minutes" "一个闹铃响起，另一个十分钟后才响"
  launch "600000:$THIRD" "0:$FIRST"
  expect_line "^$FIRST\$"
  step "the program does not end: it waits, and uses no processor time" "程序没有结束，只是等待，不占用处理器时间"
  expect_no_end
  expect_no_wakeups
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
  expect_output "$FIRST\ndone, 1 rang\n"
}

# checks.bash -- commands on standard input take a timer event through its states.

lab make 2 40
STILL_MS=$LIMIT_MS # the program has timers
: "${FAR:=600000}" "${ONCE_MS:=200}" "${EVERY_MS:=80}"

check 3 "The states" tells_its_state \
  "each command prints the state of the timer" \
  "每条命令都打印定时器当时的状态"
tells_its_state() {
  step "state, add, activate and del arrive together, and each prints the state" \
    "state、add、activate、del 一起到来，各自打印状态"
  launch
  type_at_once "state\nadd $FAR\nstate\nactivate\nstate\ndel\nstate\nquit\n"
  expect_exit 0
  expect_output "state: non-pending\nadd: pending\nstate: pending\nactivate: pending and active\nstate: pending and active\ndel: non-pending\nstate: non-pending\n"
  step "a timer that was never added can be made active; del makes it non-pending" \
    "从未添加的定时器可以激活，del 使它回到非未决"
  launch
  type_at_once "activate\nstate\ndel\nadd-persist $FAR\nactivate\nadd $FAR\nquit\n"
  expect_exit 0
  expect_output "activate: active\nstate: active\ndel: non-pending\nadd-persist: pending\nactivate: pending and active\nadd: pending\n"
}

check 2 "The four calls" fires_once \
  "a timer set by add fires once, at its time" \
  "add 设定的定时器到时触发一次"
fires_once() {
  local began
  step "add $ONCE_MS fires, and not too early" "add $ONCE_MS 到时间才触发"
  launch
  type_in "add-persist $FAR\n"
  expect_line '^add-persist: pending$'
  now_ms
  began=$MS
  type_in "add $ONCE_MS\n"
  expect_line '^add: pending$'
  expect_line '^fired: non-pending$'
  not_before $((began + ONCE_MS))
  step "the timer does not fire again, and is non-pending" "不再触发，处于非未决"
  no_more_firing "$ONCE_MS"
  type_in 'state\n'
  expect_line '^state: non-pending$'
  step "a second add starts the time again" "第二次 add 重新计时"
  now_ms
  began=$MS
  type_at_once "add $ONCE_MS\nadd $((2 * ONCE_MS))\n"
  expect_line '^fired: non-pending$' 2
  not_before $((began + 2 * ONCE_MS))
  no_more_firing "$ONCE_MS"
  type_in 'quit\n'
  expect_exit 0
  step "add of a minute fires after a minute (the clock runs 60 times as fast)" "add 一分钟，就在一分钟后触发（时钟快 60 倍）"
  fast_clock 60
  launch
  now_ms
  began=$MS
  type_in "add 70000\n"
  expect_line '^fired: non-pending$'
  not_before $((began + 1166))
  type_in 'quit\n'
  expect_exit 0
}

check 2 "The four calls" repeats \
  "a timer set by add-persist fires until del" \
  "add-persist 设定的定时器反复触发，直到 del"
repeats() {
  local began
  step "add-persist $EVERY_MS fires three times, and not too early" "add-persist $EVERY_MS 触发三次，都不提前"
  launch
  now_ms
  began=$MS
  type_in "add-persist $EVERY_MS\n"
  expect_line '^fired: pending$' 3
  not_before $((began + 3 * EVERY_MS))
  step "del stops the timer" "del 使定时器停止"
  type_in 'del\n'
  expect_line '^del: non-pending$'
  no_more_firing "$EVERY_MS"
  step "add-persist $((3 * EVERY_MS)) starts the timer again, with the new interval" "add-persist $((3 * EVERY_MS)) 使定时器以新的间隔重新开始"
  now_ms
  began=$MS
  type_in "add-persist $((3 * EVERY_MS))\n"
  expect_line '^add-persist: pending$' 2
  expect_line '^fired: pending$' $(($(grep -c '^fired' "$WORK/stdout") + 2))
  not_before $((began + 6 * EVERY_MS))
  step "add ends the repetition: the timer fires once" "add 结束反复触发：只触发一次"
  type_in "add $EVERY_MS\n"
  expect_line '^fired: non-pending$'
  no_more_firing "$EVERY_MS"
  type_in 'quit\n'
  expect_exit 0
}

check 1 "The states" fires_by_hand \
  "activate makes the timer fire, whether it is pending or not" \
  "不论是否未决，activate 都使定时器触发"
fires_by_hand() {
  step "a non-pending timer fires" "非未决的定时器也会触发"
  launch
  type_in 'activate\n'
  expect_line '^fired: non-pending$'
  step "a timer that fires once is non-pending after that" "只触发一次的定时器，触发后为非未决"
  type_in "add $FAR\n"
  expect_line '^add: pending$'
  type_in 'activate\n'
  expect_line '^fired: non-pending$' 2
  type_in 'state\n'
  expect_line '^state: non-pending$'
  step "a timer that repeats stays pending" "反复触发的定时器，触发后仍未决"
  type_in "add-persist $FAR\n"
  expect_line '^add-persist: pending$'
  type_in 'activate\n'
  expect_line '^fired: pending$'
  type_in 'state\n'
  expect_line '^state: pending$'
  type_in 'quit\n'
  expect_exit 0
}

check 1 "The four calls" ends_with_its_input \
  "at the end of input the program waits only for a timer that fires once" \
  "输入结束后，只等待还会触发一次的定时器"
ends_with_its_input() {
  find_all_leaks
  step "with no input at all the program ends with status 0" "没有任何输入时，以退出码 0 结束"
  run
  expect_exit 0
  expect_output ""
  step "add $ONCE_MS, end of input: the timer fires, then the program ends" \
    "add $ONCE_MS 后输入结束：定时器触发，然后程序结束"
  launch
  type_in "add $ONCE_MS\n"
  end_input
  expect_exit 0
  expect_output 'add: pending\nfired: non-pending\n'
  step "add-persist $FAR, end of input: the program ends" "add-persist $FAR 后输入结束：程序结束"
  launch
  type_in "add-persist $FAR\n"
  end_input
  expect_exit 0
  expect_output 'add-persist: pending\n'
  step "activate as the last line, without a newline: the timer still fires, then the program ends" "最后一行是没有换行的 activate：定时器仍会触发，然后程序结束"
  launch
  type_at_once "add $FAR\nactivate"
  end_input
  expect_exit 0
  expect_output 'add: pending\nactivate: pending and active\nfired: non-pending\n'
  step "a last line without a newline counts too" "最后一行没有换行也算数"
  launch
  type_at_once "state\nadd $ONCE_MS"
  end_input
  expect_exit 0
  expect_output 'state: non-pending\nadd: pending\nfired: non-pending\n'
  step "add $FAR, end of input: the program sleeps, and does not wake up" "add $FAR 后输入结束：程序休眠，不会醒来"
  launch
  type_in "add $FAR\n"
  expect_line '^add: pending$'
  end_input
  expect_no_wakeups
}

check 1 "The states" quits \
  "quit ends the program at once, and an unknown line changes nothing" \
  "quit 立即结束程序；无法识别的行不改变任何状态"
quits() {
  local line wrong=(stop add "add 0" "add -5" "add 20ms" "add 3600001" "add-persist 99999999999999999999")
  find_all_leaks
  step "after quit an active timer does not fire, and no command is carried out" \
    "quit 之后，已激活的定时器不再触发，后面的命令不再执行"
  launch
  type_at_once "add $FAR\nactivate\nquit\nstate\n"
  expect_exit 0
  expect_output 'add: pending\nactivate: pending and active\n'
  step "a line that is not a command is reported on standard error, and the timer goes on" \
    "不是命令的行在标准错误上报告，定时器不受影响"
  launch
  type_at_once "add $FAR\n$(printf "%s\\\\n" "${wrong[@]}")state\nquit\n"
  expect_exit 0
  for line in "${wrong[@]}"; do
    expect_error "^stopwatch: cannot understand: $line\$"
  done
  expect_output "add: pending\nstate: pending\n"
}

# The process that watches the program must not hold its standard input open.
if declare -F watch >/dev/null; then
  eval "engine_$(declare -f watch)"
  watch() { # PID-OF-THE-BOX
    [[ ! $STDIN ]] || exec {STDIN}>&-
    engine_watch "$@"
  }
fi

# The lines in one piece: type_in gives them to the kernel one by one.
type_at_once() { # TEXT
  printf '%b' "$1" >"$WORK/typed"
  cat "$WORK/typed" >&"$STDIN"
}

# libevent's clock may be behind by a tick of the kernel's.
not_before() { # MS
  local due=$1
  now_ms
  ((MS >= due - 20)) || fail "the timer fired too early" "定时器触发得太早"
}

# Watch for three times as long as the timer would take.
no_more_firing() { # MS
  local before after
  before=$(grep -c '^fired' "$WORK/stdout")
  nap "$(printf '%d.%03d' $(($1 * 3 * PATIENCE / 10 / 1000)) $(($1 * 3 * PATIENCE / 10 % 1000)))"
  after=$(grep -c '^fired' "$WORK/stdout")
  ((after == before)) || fail "the timer fired again" "定时器又触发了"
}

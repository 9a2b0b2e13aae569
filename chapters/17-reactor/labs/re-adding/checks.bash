# checks.bash -- callbacks that add, delete, free and make active the events of their
# own loop. Each output is what libevent 2.1.12 prints for the same calls.

lab mend 4 40
: "${A:=a}" "${B:=b}" "${C:=c}" "${P:=p}" "${DUE:=100}" "${LATE:=40}"

check 2 "Stage 5: priorities" queue_changes \
  "each callback in the queue runs once, whatever the callbacks before it have done" \
  "不论前面的回调做了什么，队列中的每个回调都运行一次"
queue_changes() {
  step "$A frees the next two in the queue; what is behind them runs" "$A 释放队列中紧接着的两个；再后面的照常运行"
  play "timer $A
    timer $B
    timer $C
    timer last
    on $A free $B
    on $A free $C
    on last free $A
    start active $A
    start active $B
    start active $C
    start active last"
  prints "0 $A active" "0 last active"
  step "$A makes an event active that was not: it runs in the same round, behind the others and before $P, which becomes ready" \
    "$A 激活一个未激活的事件：它排在其他事件后面，同一轮就运行，早于刚就绪的 $P"
  play "timer $A
    timer $B
    timer new
    descriptor $P
    on $A wake $P
    on $A active new
    start add $P
    start active $A
    start active $B"
  prints "0 $A active" "0 $B active" "0 new active" "0 $P read"
  step "an event that is made active again while it waits in the queue runs once" "在队列中等待的事件再次被激活，只运行一次"
  play "timer $A
    timer $B
    on $A active $B
    start add $A $DUE
    start add $B $DUE
    start active $A
    start active $B"
  prints "0 $A active" "0 $B active"
}

check 1 "Stage 5: priorities" deleted_stays_deleted \
  "an event that is deleted while it waits in the queue does not run" \
  "在队列中等待时被删除的事件不再运行"
deleted_stays_deleted() {
  step "$A deletes the next one, $B one further on; both do not run" "$A 删除紧接着的一个，$B 删除更后面的一个；两个都不运行"
  play "timer $A
    timer next
    timer $B
    timer $C
    timer last
    on $A del next
    on $B del last
    start active $A
    start active next
    start active $B
    start active $C
    start active last"
  prints "0 $A active" "0 $B active" "0 $C active"
  step "deleted and made active again, it runs, and is the last" "删除后又激活，就会运行，排在最后"
  play "timer $A
    timer $B
    timer $C
    on $A del $B
    on $A active $B
    start active $A
    start active $B
    start active $C"
  prints "0 $A active" "0 $C active" "0 $B active"
  step "a new time-out takes back the one that has passed at the same time" "同时到期的事件得到新的超时，刚到的那个就作废"
  play "timer $A
    timer $B
    on $A add $B 50
    start add $A $DUE
    start add $B $DUE"
  prints "$DUE $A timeout" "$((DUE + 50)) $B timeout"
}

check 1 "What goes wrong" frees_itself \
  "a callback frees its own event" \
  "回调释放自己的事件"
frees_itself() {
  step "$A repeats, frees itself, and adds $B" "反复触发的 $A 释放自己，再添加 $B"
  play "timer $A persist
    timer $B
    on $A free $A
    on $A add $B 50
    start add $A $DUE"
  prints "$DUE $A timeout" "$((DUE + 50)) $B timeout"
  step "so does $P, with a descriptor and a time-out, and it frees a timer too" \
    "$P 有描述符和超时，也一样；它还释放一个定时器"
  play "descriptor $P persist
    timer $B
    timer $C
    on $B wake $P
    on $P free $P
    on $P free $C
    on $P active $B
    start add $P $DUE
    start add $B 20
    start add $C 90"
  prints "20 $B timeout" "20 $P read" "20 $B active"
  step "one that repeats and deletes itself does not repeat" "反复触发的事件删除自己，就不再触发"
  play "timer $A persist
    timer $B
    on $A del $A
    start add $A $DUE
    start add $B $((3 * DUE))"
  prints "$DUE $A timeout" "$((3 * DUE)) $B timeout"
}

check 2 "Stage 3: the timer heap" descriptors_get_their_turn \
  "an event that adds itself again with 0 ms runs once a round, and descriptors are looked at in between" \
  "以 0 毫秒重新添加自己的事件，一轮只运行一次，其间会检查描述符"
descriptors_get_their_turn() {
  step "$A adds itself with 0 ms and makes $P ready: $P is next" "$A 以 0 毫秒添加自己，并使 $P 就绪：下一个就是 $P"
  play "timer $A
    descriptor $P persist
    on $A wake $P
    on $A add $A 0
    on $P exit
    start add $P
    start add $A 0"
  prints "0 $A timeout" "0 $P read"
  step "$A and $B add each other; $P ends that" "$A 和 $B 互相添加；$P 使之结束"
  play "timer $A
    timer $B
    timer $C
    descriptor $P persist
    on $A add $B 0
    on $B add $A 0
    on $B wake $P
    on $P del $A
    on $P add $C 30
    on $C exit
    start add $P
    start add $A 10"
  prints "10 $A timeout" "10 $B timeout" "10 $P read" "40 $C timeout"
}

check 1 "Stage 3: the timer heap" fires_once \
  "an event without \"persist\" is not pending any more when its callback runs" \
  "没有 persist 的事件，在回调运行时已不再未决"
fires_once() {
  step "a timer that is made active does not fire at its time" "被激活的定时器，到时间不再触发"
  play "timer $A
    timer $B
    on $A add $B $DUE
    start add $A $DUE
    start active $A"
  prints "0 $A active" "$DUE $B timeout"
  step "$P is read once, and its time-out does not fire; added again, it gets what came meanwhile" \
    "$P 可读一次，它的超时不再触发；重新添加后，能读到其间到来的内容"
  play "descriptor $P
    timer $A
    timer $B
    timer $C
    timer last
    on $A wake $P
    on $B wake $P
    on $C add $P 40
    on last exit
    start add $P $DUE
    start add $A 20
    start add $B 50
    start add $C 80
    start add last 140"
  prints "20 $A timeout" "20 $P read" "50 $B timeout" "80 $C timeout" "80 $P read" \
    "140 last timeout"
  step "after its time-out $P does not wait for its descriptor" "超时之后，$P 不再等待描述符"
  play "descriptor $P
    timer $A
    on $A wake $P
    start add $P 50
    start add $A 60"
  prints "50 $P timeout" "60 $A timeout"
  step "\"persist\" with 0 ms fires once" "persist 加 0 毫秒，只触发一次"
  play "timer $A persist
    timer $B
    start add $A 0
    start add $B $DUE"
  prints "0 $A timeout" "$DUE $B timeout"
}

check 2 "Stage 3: the timer heap" keeps_time \
  "a persistent event keeps its times when it runs late" \
  "反复触发的事件即使运行晚了，之后仍按原来的时刻触发"
keeps_time() {
  local at=$((DUE - 10)) late=$((DUE - 10 + LATE + 10))
  step "$A is $LATE ms late once, and at its times from then on" "$A 晚了一次，晚 $LATE 毫秒，之后仍按原来的时刻触发"
  play "timer $A persist
    timer slow
    timer last
    descriptor $P persist
    on slow work $((LATE + 10))
    on slow wake $P
    on last exit
    start add $P
    start add $A $DUE
    start add slow $at
    start add last $((4 * DUE + 20))"
  prints "$at slow timeout" "$late $P read" "$late $A timeout" "$((2 * DUE)) $A timeout" \
    "$((3 * DUE)) $A timeout" "$((4 * DUE)) $A timeout" "$((4 * DUE + 20)) last timeout"
  step "if it missed whole intervals, it does not make up for them, and counts from now" \
    "错过了整个间隔时，不补触发，从现在算起"
  late=$((4 * DUE + 40))
  play "timer $A persist
    timer slow
    timer last
    descriptor $P persist
    on slow work $((3 * DUE + 50))
    on slow wake $P
    on last exit
    start add $P
    start add $A $DUE
    start add slow $at
    start add last $((7 * DUE))"
  prints "$at slow timeout" "$late $P read" "$late $A timeout" "$((late + DUE)) $A timeout" \
    "$((late + 2 * DUE)) $A timeout" "$((7 * DUE)) last timeout"
  step "$P is read: its time-out counts from then on; $A is made active: so does its own" \
    "$P 可读之后，它的超时从那时重新算起；$A 被激活也一样"
  play "timer $A persist
    descriptor $P persist
    timer $B
    timer last
    on $B wake $P
    on $B active $A
    on last exit
    start add $P $DUE
    start add $A $((DUE + 10))
    start add $B 60
    start add last $((3 * DUE))"
  prints "60 $B timeout" "60 $A active" "60 $P read" "$((DUE + 60)) $P timeout" \
    "$((DUE + 70)) $A timeout" "$((2 * DUE + 60)) $P timeout" "$((2 * DUE + 80)) $A timeout" \
    "$((3 * DUE)) last timeout"
  step "$A changes its own interval" "$A 改变自己的间隔"
  play "timer $A persist
    timer last
    on $A add $A 50
    on last exit
    start add $A $DUE
    start add last $((DUE + 120))"
  prints "$DUE $A timeout" "$((DUE + 50)) $A timeout" "$((DUE + 100)) $A timeout" "$((DUE + 120)) last timeout"
}

check 1 "Exercises" ends_well \
  "\"exit\" ends the loop after the callback that runs, and nothing leaks" \
  "exit 在当前回调之后结束循环，没有泄漏"
ends_well() {
  find_all_leaks
  step "an empty script ends at once" "空脚本立即结束"
  play ""
  prints
  step "after exit, what is in the queue does not run, nor do timers" "exit 之后，队列中的不再运行，定时器也不再触发"
  play "timer $A
    timer $B persist
    descriptor $P persist
    on $A exit
    on $A wake $P
    start add $P
    start add $B 10
    start active $A
    start active $B"
  prints "0 $A active"
}

# Run the program with this script.
play() { # SCRIPT
  launch
  printf '%s\n' "$1" >"$WORK/typed"
  cat "$WORK/typed" >&"$STDIN"
  end_input
}

# It prints these lines, and ends.
prints() { # LINE...
  expect_lines "$@"
  expect_exit 0
  expect_lines "$@"
}

expect_lines() { # LINE...
  local text=''
  (($# == 0)) || text=$(printf '%s\\n' "$@")
  expect_output "$text"
}

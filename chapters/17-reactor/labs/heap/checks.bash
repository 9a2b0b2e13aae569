# checks.bash -- timers fire on time and in order, leave from any place, and cost little.

lab make 3 40
STILL_MS=$LIMIT_MS # the program has timers
LABOURS=yes
: "${SEED:=1}" "${TIMERS:=300}" "${SOON:=400}" "${LATER:=900}" "${CROWD:=150000}" "${FAR:=900000000}"

check 2 "How it works" fires_in_order \
  "timers fire in the order of their times, and equal ones in the order of adding" \
  "定时器按到期时间先后触发，时间相同的按添加的先后触发"
fires_in_order() {
  step "three timers fire, the earliest first" "三个定时器触发，最早到期的在先"
  launch
  type_at_once 'add a 300\nadd b 100\nadd c 200\n'
  expect_output 'fired b\nfired c\nfired a\n'
  step "$TIMERS timers with 7 different times, all added at once" "一次添加 $TIMERS 个定时器，一共 7 种时间"
  end_now
  launch
  mixed_times >"$WORK/script"
  type_file "$WORK/script"
  expect_played
}

check 2 "How it works" leaves_any_place \
  "a timer can be deleted or moved, wherever it is in the heap" \
  "定时器在堆里的任何位置，都可以删除、移动"
leaves_any_place() {
  step "the first, the last and the only one are deleted" "删除第一个、最后一个和唯一的一个"
  launch
  type_at_once "add a $FAR\ndel a\ncount\nadd a $FAR\nadd b $FAR\nadd c $FAR\ndel a\ndel c\ncount\nadd d 100\n"
  expect_output 'count 0\ncount 1\nfired d\n'
  step "of $TIMERS timers some are deleted, some are moved, some are added again" \
    "$TIMERS 个定时器，有的删除，有的移动，有的删除后又添加"
  end_now
  launch
  mixed_changes >"$WORK/script"
  type_file "$WORK/script"
  expect_played
}

check 1 "How it works" fires_on_time \
  "a timer does not fire early, and not late" \
  "定时器不提前触发，也不推迟"
fires_on_time() {
  step "a timer fires, not before $SOON ms have passed" "定时器触发，不早于 $SOON 毫秒"
  launch
  type_at_once "add a $SOON\nadd b $LATER\nadd far $FAR\n"
  expect_line '^fired a$'
  not_before $((SAID + SOON))
  step "the next one, not before $LATER ms" "下一个，不早于 $LATER 毫秒"
  expect_line '^fired b$'
  not_before $((SAID + LATER))
  step "lines that come meanwhile do not make a timer fire" "其间到来的行不会让定时器触发"
  type_in 'count\n'
  expect_line '^count 1$'
  type_in 'count\n'
  expect_line '^count 1$' 2
  expect_output 'fired a\nfired b\ncount 1\ncount 1\n'
  step "a timer that is moved forward fires soon" "移到前面的定时器很快触发"
  type_in 'move far 100\n'
  expect_line '^fired far$'
}

check 1 "What goes wrong" sleeps_until_due \
  "the program sleeps until the next timer is due, however far that is" \
  "到期之前程序一直休眠，不论要等多久"
sleeps_until_due() {
  local before after
  step "nothing wakes the program: at first it has no timer, then one that is far" \
    "没有什么唤醒程序：先是没有定时器，后来有一个很远的"
  launch
  type_in 'count\n'
  expect_line '^count 0$'
  expect_no_wakeups
  type_in "add far $FAR\ncount\n"
  expect_line '^count 1$'
  expect_no_wakeups
  step "600 timers fire, a millisecond apart; between them the program sleeps, and does not try again and again" \
    "600 个定时器触发，间隔一毫秒；其间程序休眠，而不是反复地试"
  awk 'BEGIN { for (i = 1; i <= 600; i++) print "add t" i, 100 + i }' >"$WORK/script"
  before=$(times_asleep)
  type_file "$WORK/script"
  expect_line '^fired t600$'
  after=$(times_asleep)
  ((after - before >= 20)) || fail "the program was busy between the timers" "程序在两个定时器之间一直忙"
  step "a timer that is further away than epoll_wait can be told fires, too" "比 epoll_wait 的上限还远的定时器，也会触发"
  end_now
  fast_clock 4000000
  launch
  type_in 'add far 4100000000\n'
  expect_line '^fired far$'
}

check 1 "What goes wrong" fires_under_load \
  "timers fire, though more input waits" \
  "还有输入等着，定时器也照样触发"
fires_under_load() {
  step "a timer is due, but much input waits: it fires before all of that is read" "定时器已到期，还有大量输入等着：不必全部读完，它就触发"
  launch
  {
    printf 'add a %d\nadd b 0\n' "$FAR"
    yes "move a $FAR" | head -n 3000
    echo count
  } >"$WORK/script"
  type_file "$WORK/script"
  expect_output 'fired b\ncount 1\n'
}

check 1 "How it works" costs_little \
  "removing one of many timers costs hardly more than removing one of few" \
  "定时器再多，取出一个的代价也几乎不变"
costs_little() {
  local few
  step "of 100 timers one is moved, 10,000 times" "有 100 个定时器，移动 10,000 次，每次一个"
  launch
  move_around 100
  few=$TIME
  step "of $CROWD timers one is moved, as often: that costs less than 25 times as much processor time" \
    "有 $CROWD 个定时器，同样移动这么多次：占用处理器的时间不到前者的 25 倍"
  end_now
  launch
  move_around "$CROWD"
  ((few == 0 || TIME < 25 * few)) || # 0: not every kernel counts it
    fail "it costs 25 times as much, or more" "代价达到 25 倍或者更多"
}

check 1 "What goes wrong" memory_comes_back \
  "timers that were deleted, or have fired, hold no memory" \
  "删除了的、触发过的定时器都不占用内存"
memory_comes_back() {
  watch_allocated
  step "5000 timers are deleted, 5000 fire" "删除 5000 个定时器，触发 5000 个"
  launch
  type_in "add far $FAR\n"
  come_and_go 0
  note_allocated
  step "after 5000 and 5000 more, the program holds no more memory than before" "又这样 5000 个和 5000 个，程序占用的内存不比之前多"
  come_and_go 1
  find_allocated
  ((IN_USE < ALLOCATED + 16 * 5000)) ||
    fail "memory is still held for timers that are gone" "定时器已经没有了，仍为它们占用内存"
}

check 1 "Exercises" ends_well \
  "the program ends when the input has ended and no timer is left" \
  "输入结束、没有定时器了，程序才结束"
ends_well() {
  find_all_leaks
  step "without input the program ends at once, with status 0" "没有输入时，程序立即以退出码 0 结束"
  run
  expect_exit 0
  step "lines that are wrong bring an error each" "每一行错误的输入得到一个 error"
  launch
  type_at_once "add a 1O\nadd a -1\nadd a 99999999999999999999\nadd\nadd a $FAR\nadd a 1\ndel b\nmove b 1\nfly a\n\ncount\n"
  expect_output 'error: not a time\nerror: not a time\nerror: not a time\nerror: wrong number of words\nerror: there is such a timer\nerror: no such timer\nerror: no such timer\nerror: no such command\nerror: no such command\ncount 1\n'
  step "the input has ended, and a timer is left: the program sleeps" "输入结束，还有一个定时器：程序休眠"
  end_input
  expect_rest
  expect_no_wakeups
  step "timers fire after the end of the input, and then the program ends with status 0; nothing leaks" \
    "输入结束之后，定时器照样触发，然后程序以退出码 0 结束，没有泄漏"
  end_now
  launch
  type_at_once "add a $SOON\nadd b 100\ncount"
  end_input
  expect_exit 0
  expect_output 'count 2\nfired b\nfired a\n'
}

type_at_once() { # TEXT
  printf '%b' "$1" >"$WORK/script"
  type_file "$WORK/script"
}

# The program finds the whole file in its input at once: 60,000 bytes at most. It reads
# 16,000 of them at a time, and their lines count from the same moment. Sets SAID to a time
# before that.
type_file() { # FILE
  settle
  hold
  cat "$1" >&"$STDIN"
  now_ms
  SAID=$MS
  signal CONT
}

# For another run, whatever this one has not freed.
end_now() {
  signal KILL
  until_true has_ended "$RUN"
  await_status
}

mixed_times() {
  awk -v seed="$SEED" -v timers="$TIMERS" 'BEGIN {
    srand(seed)
    for (i = 1; i <= timers; i++) print "add", "t" i, 100 + 60 * int(7 * rand())
  }'
}

# As many changes as timers: each deletes one, moves it, or adds it if it is not there.
mixed_changes() {
  awk -v seed="$SEED" -v timers="$TIMERS" '
    function change(word, i) { print word, "t" i, 100 + 10 * int(60 * rand()) }
    BEGIN {
      srand(seed)
      for (i = 1; i <= timers; i++) { change("add", i); here[i] = 1 }
      for (n = 0; n < timers; n++) {
        i = 1 + int(timers * rand())
        if (here[i] && rand() < 0.5) {
          print "del", "t" i
          here[i] = 0
        } else {
          change(here[i] ? "move" : "add", i)
          here[i] = 1
        }
      }
    }'
}

# What the script in $WORK/script has to print, and no more.
expect_played() {
  awk '
    $1 == "del" { delete due[$2]; next }
    { due[$2] = $3; order[$2] = NR }
    END { for (name in due) print due[name], order[name], name }' "$WORK/script" |
    sort -k 1,1n -k 2,2n | sed 's/.* /fired /' >"$WORK/expected"
  until_true cmp -s "$WORK/expected" "$WORK/stdout" ||
    same_bytes "$WORK/expected" "$WORK/stdout" || fail
}

# With so many timers, move one from its place in the heap to another, 10,000 times. Sets
# TIME to the processor time of that, in nanoseconds: see proc(5), schedstat.
move_around() { # TIMERS
  local before
  awk -v seed="$SEED" -v timers="$1" -v far="$FAR" 'BEGIN {
    srand(seed)
    for (i = 0; i < timers; i++) print "add n" i, far + int(1000000 * rand())
    print "count"
  }' >"$WORK/script"
  type_much "$WORK/script"
  expect_line "^count $1\$"
  awk -v seed="$SEED" -v timers="$1" -v far="$FAR" 'BEGIN {
    srand(seed + 1)
    for (i = 0; i < 10000; i++) {
      print "move n" i * 7919 % timers, far + int(1000000 * rand())
    }
    print "count"
  }' >"$WORK/script"
  settle
  find_processor_time
  before=$TIME
  type_much "$WORK/script"
  expect_line "^count $1\$" 2
  find_processor_time
  TIME=$((TIME - before))
}

find_processor_time() {
  { read -r TIME _ <"/proc/$PID/schedstat"; } 2>/dev/null || TIME=0
}

# Return when the program has read the file, except what the pipe holds.
type_much() { # FILE
  local writer
  cat "$1" >&"$STDIN" &
  writer=$!
  CLIENT[writer]=$writer
  until until_true has_ended "$writer"; do
    [[ ! -s $WORK/stopped ]] && wants_processor || fail "the program does not read its input" "程序没有读取输入"
  done
  unset 'CLIENT[writer]'
}

come_and_go() { # ROUND
  awk -v far="$FAR" 'BEGIN {
    for (i = 0; i < 5000; i++) print "add n" i, far + i
    for (i = 0; i < 5000; i++) print "del n" i * 7919 % 5000
    for (i = 0; i < 5000; i++) print "add f" i, i % 10
    print "add last 20"
  }' >"$WORK/script"
  type_much "$WORK/script"
  expect_line '^fired last$' $(($1 + 1))
}

# How often the program fell asleep: see proc(5), status.
times_asleep() {
  local line
  while read -r line; do
    [[ $line != voluntary_ctxt_switches:* ]] || echo "${line##*[!0-9]}"
  done <"/proc/$PID/status"
}

# Our clock may be corrected meanwhile.
not_before() { # MS
  now_ms
  ((MS >= $1 - 5)) || fail "the timer fired too early" "定时器触发得太早"
}

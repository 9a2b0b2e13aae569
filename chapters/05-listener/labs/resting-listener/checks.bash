# checks.bash -- a server accepts at most N clients at a time.

lab make 2 30
STILL_MS=$LIMIT_MS # the listener pauses; the kernel tries again after 1 s when the backlog is full
: "${MOST:=3}" "${FIRST:=one}" "${SECOND:=two}" "${PLACES:=20}" "${WAITING:=60}"
RESTING="resting at $MOST clients"

# MOST clients, c1 and up, who all get their lines back.
connect_most() { # [SOCAT-OPTION]
  local i
  for ((i = 1; i <= MOST; i++)); do connect "c$i" "$@"; done
  for ((i = 1; i <= MOST; i++)); do ask "c$i" "$FIRST $i"; done
}

ask() { # CLIENT LINE
  send "$1" "$2\n"
  expect "$1" "$2\n"
}

# These lines, and no others, follow the one that says that it listens.
expect_said() { # LINE...
  : >"$WORK/lines"
  (($# == 0)) || printf '%s\n' "$@" >"$WORK/lines"
  until_true has_said || true
  same_bytes "$WORK/lines" "$WORK/said" || fail
}

has_said() {
  tail -n +2 "$WORK/stdout" >"$WORK/said"
  cmp -s "$WORK/lines" "$WORK/said"
}

check 1 "The callback" serves_below \
  "while places are left, clients are served and nothing is printed" \
  "还有空位时，客户端得到服务，程序不输出任何内容"
serves_below() {
  local i
  step "$((MOST - 1)) clients connect, and each gets its line back" "$((MOST - 1)) 个客户端连接，各自收回自己的一行"
  start 0 "$MOST"
  for ((i = 1; i < MOST; i++)); do connect "c$i"; done
  for ((i = 1; i < MOST; i++)); do ask "c$i" "$FIRST $i"; done
  step "the program prints nothing" "程序没有输出任何内容"
  expect_said
}

check 3 "Pause and resume" rests \
  "at N clients the listener pauses, and the next client waits" \
  "达到 N 个客户端时监听器暂停，下一个客户端只能等待"
rests() {
  step "$MOST clients connect, and each gets its line back" "$MOST 个客户端连接，各自收回自己的一行"
  start 0 "$MOST"
  connect_most
  step "the program prints \"resting at N clients\"" "程序打印 resting at N clients"
  expect_said "$RESTING"
  note_resources
  step "W connects and sends a line: W gets no answer, and is not refused" "W 连接并发出一行：没有应答，也没有被拒绝"
  connect W
  send W "$SECOND\n"
  expect_nothing W
  expect_open W
  step "W has no descriptor in the program: it waits in the backlog" "程序里没有 W 的描述符：W 在积压队列里等待"
  expect_descriptors_back
  step "while W waits, the program is idle, and serves the others" "W 等待期间，程序处于空闲，并照常服务其他客户端"
  expect_idle
  ask c1 "$SECOND"
  expect_said "$RESTING"
}

check 2 "Pause and resume" accepts_again \
  "when a client leaves, the first client that waits is served" \
  "一个客户端离开，排在最前的等待者得到服务"
accepts_again() {
  step "$MOST clients connect and are served; V and W wait" "$MOST 个客户端连接并得到服务；V 和 W 等待"
  start 0 "$MOST"
  connect_most
  expect_said "$RESTING"
  connect V
  send V "$FIRST\n"
  connect W
  send W "$SECOND\n"
  step "one leaves: V gets its line back" "一个离开：V 收回自己的一行"
  close c1
  expect V "$FIRST\n"
  expect_said "$RESTING" "accepting again" "$RESTING"
  step "W still waits" "W 仍在等待"
  expect_nothing W
  step "V leaves: W gets its line back" "V 离开：W 收回自己的一行"
  close V
  expect W "$SECOND\n"
  expect_said "$RESTING" "accepting again" "$RESTING" "accepting again" "$RESTING"
}

check 1 "Pause and resume" says_so_once \
  "\"accepting again\" is printed once, however many clients leave" \
  "不论离开几个客户端，accepting again 只打印一次"
says_so_once() {
  local i round said=()
  find_all_leaks
  watch_allocated
  step "$MOST clients connect and are served, then all leave" "$MOST 个客户端连接并得到服务，然后全部离开"
  start 0 "$MOST"
  note_resources
  connect_most
  expect_said "$RESTING"
  for ((i = 1; i <= MOST; i++)); do close "c$i"; done
  step "no descriptor stays open, and the program accepts again" "没有留下打开的描述符，程序重新接受连接"
  expect_descriptors_back
  expect_said "$RESTING" "accepting again"
  step "$MOST others connect: the program pauses as before" "又有 $MOST 个连接：程序和之前一样暂停"
  connect_most linger=0
  expect_said "$RESTING" "accepting again" "$RESTING"
  step "these reset their connections: the program accepts again as before" "这几个以 RST（重置）断开：程序和之前一样重新接受连接"
  for ((i = 1; i <= MOST; i++)); do reset "c$i"; done
  expect_descriptors_back
  expect_said "$RESTING" "accepting again" "$RESTING" "accepting again"
  step "$MOST more do the same, five times: no memory is held for them" "又有 $MOST 个这样断开，一共五次：没有为它们占用内存"
  note_allocated
  for round in {1..5}; do
    connect_most linger=0
    for ((i = 1; i <= MOST; i++)); do reset "c$i"; done
    expect_descriptors_back
    said+=("$RESTING" "accepting again")
  done
  expect_allocated_back $((round * MOST))
  step "the same once more; then SIGTERM ends the program with status 0, and nothing leaks" "再来一次也一样；然后 SIGTERM 使程序以退出码 0 结束，没有泄漏"
  connect_most
  connect W
  send W "$SECOND\n"
  expect_nothing W
  expect_said "${said[@]}" "$RESTING" "accepting again" "$RESTING" "accepting again" "$RESTING"
  stop_cleanly
}

# WAITING clients in a process of their own: one that cannot even connect would
# hold up the check. Each sends a line, waits for it to come back, and leaves.
come_and_wait() {
  rm -f "$WORK/queued"
  : >"$WORK/served"
  : >"$WORK/lines"
  (
    trap - EXIT TERM
    close_ours "$NEVER"
    for ((i = 1; i <= WAITING; i++)); do
      exec {fd}<>"/dev/tcp/127.0.0.1/$PORT" || exit
      echo "$SECOND $i" >&"$fd"
      echo "$SECOND $i" >>"$WORK/lines"
      fds+=("$fd")
    done
    : >"$WORK/queued"
    for fd in "${fds[@]}"; do
      IFS= read -r line <&"$fd" || exit
      echo "$line" >>"$WORK/served"
      exec {fd}>&-
    done
  ) 2>/dev/null &
  CLIENT[waiters]=$!
  until_true test -e "$WORK/queued" || fail "fewer than $WAITING clients can wait" "能排队等待的客户端不到 $WAITING 个"
}

check 1 "Pause and resume" any_number \
  "N may be 1 or large, and many clients may wait" \
  "N 可以是 1，也可以很大；可以有许多客户端等待"
any_number() {
  local PLACED
  step "with N = 1, A is served, and W waits until A leaves" "N = 1 时，A 得到服务，W 一直等到 A 离开"
  start 0 1
  connect A
  ask A "$FIRST"
  expect_said "resting at 1 clients"
  connect W
  send W "$SECOND\n"
  expect_nothing W
  close A
  expect W "$SECOND\n"
  stop_cleanly
  step "with N = $PLACES, $PLACES clients get their lines back" "N = $PLACES 时，$PLACES 个客户端各自收回自己的一行"
  start 0 "$PLACES"
  note_resources
  many "$PLACES" "$FIRST %d\n" "$FIRST %d\n"
  expect_said "resting at $PLACES clients"
  step "$WAITING more connect and wait: none of them is served" "又有 $WAITING 个连接上来等待：一个也没有得到服务"
  PLACED=$(descriptors)
  come_and_wait
  nap 0.1
  ((PLACED >= $(descriptors))) || fail "the program accepts more than $PLACES clients" "程序接受的客户端超过 $PLACES 个"
  [[ ! -s $WORK/served ]] || fail "a waiting client was served" "有等待的客户端得到了服务"
  step "those $PLACES leave: all waiting clients are served, one after the other" "那 $PLACES 个离开：等待者依次全部得到服务"
  many_leave
  until_true waiters_are_served || true
  same_bytes "$WORK/lines" "$WORK/served" || fail
  step "when all have left, nothing wakes the program" "全部离开后，没有任何东西唤醒程序"
  DESCRIPTORS=$((PLACED - PLACES))
  expect_descriptors_back
  expect_no_wakeups 400
}

waiters_are_served() {
  has_ended "${CLIENT[waiters]}"
}

check 1 "The callback" takes_no_more \
  "of many clients that connect at the same moment, only N are accepted" \
  "许多客户端同时连接时，只接受 N 个"
takes_no_more() {
  local i all=$((MOST + 3))
  step "$all clients connect while the program is stopped" "程序被暂停期间，$all 个客户端连接"
  start 0 "$MOST"
  hold
  for ((i = 1; i <= all; i++)); do
    connect "c$i"
    send "c$i" "$FIRST $i\n"
  done
  step "the program goes on: the first $MOST get their lines back" "程序继续运行：前 $MOST 个收回自己的一行"
  signal CONT
  for ((i = 1; i <= MOST; i++)); do expect "c$i" "$FIRST $i\n"; done
  step "the others wait" "其余的等待"
  expect_nothing "c$((MOST + 1))"
  expect_nothing_left "c$all"
  expect_said "$RESTING"
}

check 1 "The flags" ends_well \
  "the program ends at SIGTERM while a client waits, frees all, and prints nothing more" \
  "有客户端等待时收到 SIGTERM，也能释放全部资源后退出，不再输出"
ends_well() {
  find_all_leaks
  step "$MOST clients are served, and W waits" "$MOST 个客户端得到服务，W 等待"
  start 0 "$MOST"
  connect_most
  connect W
  expect_said "$RESTING"
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
  step "the program has printed nothing more" "程序没有再输出任何内容"
  expect_said "$RESTING"
}

# checks.bash -- an echo server whose descriptors run out, then are free again.
# shellcheck disable=SC2034,SC2154 # variables of the engine

lab mend 2 30
STILL_MS=$LIMIT_MS # the listener pauses; the kernel tries again after 1 s when the backlog is full
: "${FDS:=24}" "${FIRST:=one}" "${SECOND:=two}" "${ROUNDS:=20}" "${TIMES:=2}"
MAX_DESCRIPTORS=$FDS
MAX_OUTPUT=$((64 << 20)) # a check reports a flood, not the limit

# Connect silent clients: more than the program has descriptors for, so that some
# have to wait; or, with PLACES, so few that this many descriptors are left. When it
# returns, the program has accepted as many as it can.
fill() { # [PLACES]
  local i fd timer
  SILENT=$FDS
  [[ ! ${1-} ]] || SILENT=$((FDS - $(taken) - $1))
  # With a short backlog, connect would never return.
  trap : ALRM
  (
    trap - EXIT TERM
    close_ours "$NEVER"
    nap $((LIMIT_MS * PATIENCE / 10000))
    kill -ALRM "$SELF"
  ) &
  timer=$!
  for ((i = 0; i < SILENT; i++)); do
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
    TO[silent$i]=$fd
  done
  kill -KILL "$timer"
  wait "$timer" 2>/dev/null || true
  until_true is_full "${1-0}" || fail "the program accepts fewer clients than it has descriptors for" "程序接受的客户端少于描述符允许的数量"
  nap 0.05 # the client finds that there are no more
  ! has_ended "$RUN" || fail
}

is_full() { # PLACES
  (($(taken) >= FDS - $1)) || has_ended "$RUN"
}

# How many of its FDS descriptors the program has open.
taken() {
  find "/proc/$PID/fd" -mindepth 1 -printf '%f\n' 2>/dev/null | awk -v n="$FDS" '$1 < n' | wc -l
}

# The silent clients close.
empty() {
  local i
  for ((i = 0; i < SILENT; i++)); do half_close "silent$i"; done
}

# No silent client was dropped: none has data or an end of file to read.
expect_all_kept() {
  local i
  for ((i = 0; i < SILENT; i++)); do
    ! read -r -t 0 -u "${TO[silent$i]}" || fail "a client that had connected was dropped" "有已经连上的客户端被断开"
  done
}

# Take 25 samples in half a second: in how many does the program run, and how many
# lines does it write? Other work on the machine does not raise either number.
watch_it_wait() {
  local i stat before began
  now_ms
  began=$MS
  before=$(wc -l <"$WORK/stderr")
  BUSY=0
  for ((i = 0; i < 25; i++)); do
    nap 0.02
    stat=''
    { read -r -d '' stat <"/proc/$PID/stat"; } 2>/dev/null || [[ $stat ]] || fail
    [[ ${stat##*) } != [RD]* ]] || BUSY=$((BUSY + 1))
  done
  WROTE=$(($(wc -l <"$WORK/stderr") - before))
  now_ms
  MAY_WRITE=$((5 + (MS - began) / 100)) # ten a second, and some for chance
}

expect_resting() {
  watch_it_wait
  ((WROTE <= MAY_WRITE)) || {
    detail expected "at most ten lines a second on standard error" "标准错误每秒最多十行"
    detail came "$(head -n 1 "$WORK/stderr") (and so on)" "$(head -n 1 "$WORK/stderr")（如此反复）"
    fail
  }
  ((BUSY <= 12)) || fail "the program is busy while there is nothing to do" "无事可做时程序仍占用处理器"
}

check 1 "The callback" echoes \
  "a client gets its lines back" \
  "客户端能收回自己发出的各行"
echoes() {
  step "A and B connect, and each gets its line back" "A、B 先后连接，各自收回自己的一行"
  start
  connect A
  connect B
  send B "$SECOND\n"
  expect B "$SECOND\n"
  send A "$FIRST\n"
  expect A "$FIRST\n"
}

check 4 "When accept fails" rests \
  "without descriptors the server waits: it neither spins nor floods the log" \
  "描述符用完时休眠等待，不空转，也不大量写日志"
rests() {
  step "more clients connect than there are descriptors ($FDS in all)" "连接的客户端多于描述符（总共 $FDS 个）"
  start
  fill
  step "while they stay connected, the server is idle" "这些客户端连接着的时候，服务器处于空闲"
  expect_resting
  step "no client that has connected is dropped" "已经连上的客户端一个也没有被断开"
  expect_all_kept
}

check 1 "When accept fails" rests_again \
  "the same holds each time that descriptors run out" \
  "描述符每次用完都是如此"
rests_again() {
  local i
  start
  note_resources
  for ((i = 1; i <= TIMES; i++)); do
    step "more clients connect than there are descriptors ($i): the server is idle" "连接的客户端多于描述符（第 $i 次）：服务器处于空闲"
    fill
    expect_resting
    expect_all_kept
    step "these clients leave ($i): A connects and gets its line back" "这些客户端离开（第 $i 次）：A 连接并收回自己的一行"
    empty
    connect A
    send A "$FIRST\n"
    expect A "$FIRST\n"
    close A
    expect_descriptors_back
  done
}

check 1 "When accept fails" serves_on \
  "connected clients get answers as fast as before" \
  "已连接的客户端照常很快得到应答"
serves_on() {
  local i began prompt=0
  step "A connects and gets its line back" "A 连接并收回自己的一行"
  start
  trap '' PIPE # a program that is gone is told by what does not come
  { exec {A}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
  TO[A]=$A
  ask_a "$FIRST"
  step "more clients connect than there are descriptors" "连接的客户端多于描述符"
  fill
  step "A asks $ROUNDS times more; the answers arrive at once" "A 又问 $ROUNDS 次，应答都立刻到达"
  for ((i = 0; i < ROUNDS; i++)); do
    now_ms
    began=$MS
    ask_a "$FIRST $i"
    now_ms
    # A busy machine may delay some of them.
    ((MS - began >= 15)) || prompt=$((prompt + 1))
  done
  ((4 * prompt >= ROUNDS)) || fail "the answers arrive too late" "应答太慢"
}

ask_a() { # LINE
  local line=''
  printf '%s\n' "$1" >&"$A" || true
  read -r -t $((5 * PATIENCE / 10)) -u "$A" line || true
  [[ $line == "$1" ]] || {
    detail sent "$1\\n"
    detail expected "$1\\n"
    detail came "$line"
    fail
  }
}

check 1 "Pause and resume" accepts_again \
  "waiting clients are served when descriptors are free again" \
  "描述符空出来以后，等待者得到服务"
accepts_again() {
  local since
  step "A connects and gets its line back" "A 连接并收回自己的一行"
  start
  note_resources
  connect A
  send A "$FIRST\n"
  expect A "$FIRST\n"
  step "more clients connect than there are descriptors, then B; B has to wait" "连接的客户端多于描述符，然后 B 连接；B 只能等待"
  fill
  connect B
  send B "$SECOND\n"
  expect_nothing B
  expect_open B
  step "all leave except A and B: B gets its line back within a second" "除 A、B 以外全部离开：一秒之内 B 收回自己的一行"
  now_ms
  since=$MS
  empty
  expect B "$SECOND\n"
  now_ms
  ((MS - since <= 1000 + 100 * PATIENCE)) || fail "the server waits too long before it accepts again" "服务器等了太久才重新接受连接"
  step "A and a new client, C, are served too" "A 和新来的 C 也得到服务"
  send A "$SECOND\n"
  expect A "$SECOND\n"
  connect C
  send C "$FIRST\n"
  expect C "$FIRST\n"
  step "when all have left, no descriptor stays open" "全部离开后，没有留下打开的描述符"
  close A
  close B
  close C
  expect_descriptors_back
  step "after that nothing wakes the server" "此后没有任何东西唤醒服务器"
  expect_no_wakeups 400
}

check 1 "When accept fails" forgets_nobody \
  "all are served when one client leaves just as others connect" \
  "一个客户端离开的同时又有新的连接，每个都能得到服务"
forgets_nobody() {
  step "A is connected, and so many others that only one descriptor is left" "A 已连接，再连接其他客户端，直到只剩一个描述符"
  start
  connect A
  send A "$FIRST\n"
  expect A "$FIRST\n"
  fill 1
  step "at the same moment A leaves, and B and C connect" "A 离开的同时，B 和 C 连接"
  hold
  close A
  connect B
  send B "$FIRST\n"
  connect C
  send C "$SECOND\n"
  signal CONT
  step "there are descriptors for both: both get their lines back" "描述符够两个客户端用：两个都收回自己的一行"
  expect B "$FIRST\n"
  expect C "$SECOND\n"
}

check 1 "The flags" ends_well \
  "the program ends at SIGTERM and frees all, even while clients wait" \
  "有客户端在等待时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  watch_allocated
  step "descriptors run out, then are free again" "描述符用完，又空出来"
  start
  note_resources
  fill
  empty
  expect_descriptors_back
  step "clients reset their connections, and no memory is held for them; then descriptors run out again" "几个客户端以 RST（重置）断开，没有为它们占用内存；然后描述符再次用完"
  reset_many 3 "$FIRST\n"
  expect_descriptors_back
  note_allocated
  reset_many 5 "$FIRST\n"
  expect_descriptors_back
  expect_allocated_back 5
  connect A
  send A "$FIRST\n"
  expect A "$FIRST\n"
  fill
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

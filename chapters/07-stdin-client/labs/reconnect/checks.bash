# checks.bash -- try again, wait longer each time, give up in the end; lose nothing
# that no connection was given, and keep little of it.

lab make 3 60
STILL_MS=$LIMIT_MS # it has timers
: "${FIRST:=one}" "${SECOND:=two}" "${THIRD:=three}" "${TRIES:=5}" "${BIG:=6000000}" "${TALK:=24000000}" "${SEED:=1}" "${LOSSES:=3}"

# A port that nobody has, and that the kernel gives no client as its own: one that
# connects to itself would find a server there.
choose_port() {
  PORT=$((10000 + RANDOM % 20000))
  while grep -qi "$(printf ':%04X ' "$PORT")" /proc/net/tcp; do
    PORT=$((10000 + RANDOM % 20000))
  done
}

# Start the client while nobody listens, and let the first try fail.
launch_too_early() { # TRIES
  choose_port
  launch "$PORT" "$1"
  expect_line '^trying again in 50 ms$'
}

# The server is there, at last or again.
come() { # CLIENT
  listen "$1" "$PORT"
  accepted "$1"
}

# The lines of so many failed tries in a row, the last of which has none, and
# SUM, the pauses together.
pauses() { # COUNT
  local i pause=50
  SUM=0 LINES_OF_PAUSES=''
  for ((i = 0; i < $1; i++)); do
    LINES_OF_PAUSES+="trying again in $pause ms\n"
    SUM=$((SUM + pause))
    ((pause >= 400)) || pause=$((2 * pause))
  done
}

# So long it has taken since the moment, at least. (Timers may be a little early,
# by the tick of the clock that they look at.)
expect_time() { # SINCE MS
  now_ms
  ((10 * (MS - $1) >= 9 * $2)) || fail "the pauses are shorter than the program says" "实际的停顿比程序说的短"
}

# What was printed since the last connection came about.
since_connected() {
  tac "$WORK/stdout" | sed '/^connected$/,$d' | tac
}

has_paused_since() { # TIMES
  (($(since_connected | grep -c '^trying') >= $1)) || has_ended "$RUN"
}

expect_end() { # CLIENT
  until_true is_closed "$1" || fail "the server does not learn that the input has ended" "服务器不知道输入已经结束"
  expect_nothing_left "$1"
}

check 1 "Standard input to the server" talks \
  "with a server that is there: what is typed arrives, what the server says is thrown away" \
  "服务器在时：输入的内容能送到，服务器说的话被丢弃"
talks() {
  fast_clock 60
  step "the client connects, and says so" "客户端连接成功，并打印出来"
  choose_port
  listen S "$PORT"
  launch "$PORT" 1000
  accepted S
  expect_line '^connected$'
  step "a line goes to the server" "一行内容到达服务器"
  type_in "$FIRST\n"
  expect S "$FIRST\n"
  step "65536 bytes that are typed at once do not wait for more" "一次输入的 65536 字节不会等后面的输入"
  make_lines "$WORK/some" 65536
  cat "$WORK/some" >&"$STDIN" &
  expect_file S "$WORK/some"
  # (The sanitizer keeps 4 MB of what is freed.)
  step "$TALK bytes of the server do not stay in memory" "服务器发来的 $TALK 字节不会留在内存里"
  note_resources
  make_lines "$WORK/big" "$TALK"
  timeout $((PATIENCE / 2)) cat "$WORK/big" >&"${TO[S]}" || fail "the program does not read what the server says" "程序没有读取服务器发来的数据"
  expect_rest
  expect_memory_within 10240
  step "another line goes to the server; nothing was printed but \"connected\"" "再一行到达服务器；除了“connected”，没有打印别的"
  type_in "$SECOND\n"
  expect S "$SECOND\n"
  expect_output 'connected\n'
  step "then it sleeps, and nothing wakes it, for a minute, as it seems" "此后它在睡眠，没有任何东西唤醒它，在它看来有一分钟之久"
  expect_no_wakeups
  step "it is still connected" "它仍然连着"
  type_in "$THIRD\n"
  expect S "$THIRD\n"
  expect_output 'connected\n'
}

check 1 "What goes wrong" gives_up \
  "without a server it waits longer each time, and gives up after $TRIES tries" \
  "没有服务器时，它一次比一次等得久，失败 $TRIES 次后放弃"
gives_up() {
  step "nobody listens, and the client gives up with status 1" "没有人监听，客户端放弃，退出码为 1"
  choose_port
  pauses $((TRIES - 1))
  environment EVENT_NOEPOLL=1 # so that the engine knows the calls of poll
  launch "$PORT" "$TRIES"
  watch_blocking
  expect_line "$(printf '%b' "$LINES_OF_PAUSES" | tail -n 1)"
  expect_exit 1
  step "it has said each time how long it waits" "每次等多久，它都说了"
  expect_output "$LINES_OF_PAUSES"
  step "it has waited in the event loop, never in a callback" "它一直在事件循环里等待，从未停在回调里"
  expect_not_blocked
}

check 1 "Standard input to the server" later \
  "what was typed before the server came arrives when it is there" \
  "服务器来之前输入的内容，等它来了就送到"
later() {
  step "nobody listens, and two lines are typed" "没有人监听，这时输入两行"
  launch_too_early 1000
  type_in "$FIRST\n"
  type_in "$SECOND\n"
  step "while it waits, the client rests" "等待时，客户端不占用处理器"
  expect_rest
  step "the server comes, and gets both, in order" "服务器来了，按顺序收到这两行"
  come S
  expect S "$FIRST\n$SECOND\n"
  expect_line '^connected$'
  step "what is typed now arrives too" "现在输入的也能送到"
  type_in "$THIRD\n"
  expect S "$THIRD\n"
  expect_nothing_left S
}

check 2 "The end" comes_back \
  "each time that the connection is lost, it connects again and goes on" \
  "每次连接断开后，它都重新连接并继续工作"
comes_back() {
  local i
  find_all_leaks
  watch_allocated
  step "the client connects, and a line goes to the server" "客户端连接，一行内容到达服务器"
  choose_port
  listen S0 "$PORT"
  launch "$PORT" 1000
  accepted S0
  type_in "$FIRST\n"
  expect S0 "$FIRST\n"
  note_resources
  for ((i = 1; i <= LOSSES; i++)); do
    step "the server goes, and the client says that the connection is lost ($i)" "服务器离开，客户端报告连接断开（第 $i 次）"
    close "S$((i - 1))"
    expect_lost "$i"
    step "what is typed meanwhile arrives at the server that comes next, and nothing else ($i)" "这期间输入的内容送到下一个服务器，没有别的（第 $i 次）"
    type_in "$SECOND $i\n"
    come "S$i"
    expect "S$i" "$SECOND $i\n"
    expect_line '^connected$' $((i + 1))
    ((i > 1)) || note_allocated
  done
  step "this connection does not end, it breaks; the client says the same" "这次连接不是正常结束，而是被复位（RST）；客户端打印同样的一行"
  break_connection "S$LOSSES"
  expect_lost $((LOSSES + 1))
  step "the next server gets what is typed" "下一个服务器收到输入的内容"
  come S
  type_in "$THIRD\n"
  expect S "$THIRD\n"
  step "the connections that are lost hold neither descriptors nor memory" "断开的连接不占描述符，也不占内存"
  expect_descriptors_back
  expect_allocated_back 10
  step "SIGTERM ends it with status 0; nothing leaks" "SIGTERM 使其以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# The connection is lost, and the first pause after that is 50 ms.
expect_lost() { # TIMES
  expect_line '^lost$' "$1"
  until_true has_paused_since 1 || true
  [[ $(since_connected | head -n 2) == $'lost\ntrying again in 50 ms' ]] || fail "after the loss of a connection the first pause is not 50 ms" "连接断开后，第一次停顿不是 50 毫秒"
}

# The server ends with a line unread, of which the kernel lets the client know by
# a reset.
break_connection() { # CLIENT
  pause "$1"
  type_in "$FIRST\n"
  until_true has_unread
  close "$1"
}

# Whether bytes of the connection wait in the kernel: proc_net_tcp(5).
has_unread() {
  local line lines near queues port
  port=$(printf '%04X' "$PORT")
  mapfile -t lines </proc/net/tcp # at once: it is made anew for each seek of `read`
  for line in "${lines[@]}"; do
    read -r _ near _ _ queues _ <<<"$line"
    [[ $near != *:"$port" ]] || ((16#${queues#*:} == 0)) || return 0
  done
  return 1
}

# Stopped, the client cannot give up before the server is there;
# on a busy machine it may have done so before it was stopped.
launch_and_stop() {
  local i
  for ((i = 0; i < 20; i++)); do
    launch_too_early "$TRIES"
    kill -STOP "$PID" 2>/dev/null || continue
    nap 0.05
    ! is_running "$RUN" || return 0
  done
  fail "it gives up before $TRIES tries have failed" "失败还不到 $TRIES 次就放弃了"
}

check 1 "The end" starts_anew \
  "a connection that came about puts the pause and the count back to their beginning" \
  "一旦连接成功，停顿和计数都回到起点"
starts_anew() {
  local began
  step "a try fails, then the server comes" "失败过之后，服务器来了"
  launch_and_stop
  listen S "$PORT"
  kill -CONT "$PID"
  accepted S
  expect_line '^connected$'
  step "it goes for good: the client waits 50 ms before the next try" "服务器一去不返：客户端等 50 毫秒再试"
  now_ms
  began=$MS
  close S
  expect_line '^lost$'
  until_true has_paused_since 1 || true
  [[ $(since_connected | sed -n 2p) == "trying again in 50 ms" ]] || fail "after the loss of a connection the first pause is not 50 ms" "连接断开后，第一次停顿不是 50 毫秒"
  step "as long pauses as before follow, and after $TRIES failed tries it gives up" "随后的停顿与先前一样增长，失败 $TRIES 次后放弃"
  pauses "$TRIES"
  until_true has_paused_since "$TRIES" || true
  (($(since_connected | grep -c '^trying') >= TRIES)) || fail "fewer than $TRIES tries have failed since the connection was lost" "连接断开后，失败还不到 $TRIES 次"
  expect_exit 1
  since_connected >"$WORK/came"
  printf '%b' "lost\n$LINES_OF_PAUSES" >"$WORK/expected"
  same_bytes "$WORK/expected" "$WORK/came" || fail
  step "so long it has waited, $SUM ms in all" "它确实等了那么久，一共 $SUM 毫秒"
  expect_time "$began" "$SUM"
}

# Whether what types is through, or waits for the program to read.
writer_waits() {
  has_ended "$WRITER" || stays_asleep "$WRITER"
}

check 2 "End of input: half-close" all_arrives \
  "much input does not fill the memory while there is no server, and arrives whole" \
  "没有服务器时，大量输入不会占满内存，之后完整送到"
all_arrives() {
  step "nobody listens, and $BIG bytes of input wait" "没有人监听，有 $BIG 字节输入在等"
  launch_too_early 1000
  note_resources
  make_lines "$WORK/big" "$BIG"
  cat "$WORK/big" >&"$STDIN" &
  WRITER=$!
  until_true writer_waits || fail
  expect_rest
  step "the program keeps only some of it" "程序只留下其中一部分"
  expect_memory_within 2048
  step "the input ends, the server comes, and gets all" "输入结束；服务器来了，全部收到"
  end_input
  come S
  until_more S "$BIG"
  cmp -s "$WORK/big" "$WORK/S.out" || fail "not all of the input has come to the server" "服务器没有收到全部输入"
  # shellcheck disable=SC2034 # all of it was expected
  AT[S]=$BIG
  step "then it sees the end" "然后得知输入结束"
  expect_end S
  step "the client waits until the server closes, and ends with status 0" "客户端等服务器关闭连接，以退出码 0 结束"
  expect_rest
  half_close S
  expect_exit 0
  ! has_line '^lost$' || fail "the end that was agreed on is no loss" "双方约定好的结束不算断开"
  step "40000 bytes wait, and the input has ended; the server comes, its kernel takes little at a time: it gets all, and sees the end" \
    "40000 字节在等，输入已经结束；服务器来了，内核每次只收下一点数据：它全部收到，并得知输入结束"
  short_writes
  launch_too_early 1000
  make_lines "$WORK/some" 40000
  cat "$WORK/some" >&"$STDIN"
  end_input
  come D
  until_more D 40000
  cmp -s "$WORK/some" "$WORK/D.out" || fail "not all of the input has come to the server" "服务器没有收到全部输入"
  # shellcheck disable=SC2034 # all of it was expected
  AT[D]=40000
  expect_end D
  half_close D
  expect_exit 0
  step "without a word of input too, the next server sees the end" "一个字节都没有输入时，下一个服务器同样得知输入结束"
  launch_too_early 1000
  end_input
  come E
  expect_end E
  half_close E
  expect_exit 0
}

check 1 "Standard input to the server" input_goes_on \
  "standard input is paused and goes on as often as it must" \
  "标准输入可以多次暂停，每次都能恢复"
input_goes_on() {
  local i
  launch_too_early 1000
  make_lines "$WORK/some" 300000
  make_lines "$WORK/much" "$BIG"
  for i in 1 2; do
    step "300000 bytes wait for a server; it comes, and gets them all ($i)" "300000 字节在等服务器；服务器来了，全部收到（第 $i 次）"
    feed some
    listen "S$i" "$PORT" rcvbuf=65536
    accepted "S$i"
    expect_fed "S$i" some
    step "the server does not read while $BIG bytes are typed, then it does, and gets them all ($i)" "输入 $BIG 字节期间服务器不读，后来又读，全部收到（第 $i 次）"
    pause "S$i"
    feed much
    resume "S$i"
    expect_fed "S$i" much
    step "the server goes ($i)" "服务器离开（第 $i 次）"
    close "S$i"
    expect_line '^lost$' "$i"
  done
}

feed() { # FILE: of it, as much as the program reads
  cat "$WORK/$1" >&"$STDIN" &
  WRITER=$!
  until_true writer_waits || fail
}

# The file comes to the server whole.
expect_fed() { # CLIENT FILE
  # Where the kernel has dropped a segment, it tries again later and later.
  local size at=${AT[$1]} LIMIT_MS=8000 STILL_MS=8000
  size=$(stat -c %s "$WORK/$2")
  until_more "$1" $((at + size))
  cmp -s -n "$size" -i "0:$at" "$WORK/$2" "$WORK/$1.out" || fail "not all of the input has come to the server" "服务器没有收到全部输入"
  AT[$1]=$((at + size))
}

check 1 "The end" ends_well \
  "it ends at SIGTERM with status 0 and frees all, connected or not" \
  "不论是否已连接，收到 SIGTERM 都能释放全部资源，以退出码 0 结束"
ends_well() {
  find_all_leaks
  step "during a pause, with a line that waits" "停顿期间，有一行在等"
  launch_too_early 1000
  type_in "$FIRST\n"
  expect_rest
  stop_cleanly
  step "connected, after a loss" "断开过一次之后，处于连接状态"
  choose_port
  listen S "$PORT"
  launch "$PORT" 1000
  accepted S
  close S
  expect_line '^lost$'
  come S2
  type_in "$SECOND\n"
  expect S2 "$SECOND\n"
  stop_cleanly
  expect_closed S2
  step "while a connection is neither made nor refused" "正在连接、既没有成功也没有被拒绝时"
  listen_full F
  launch "$PORT" 1000
  type_in "$FIRST\n"
  nap 0.2
  stop_cleanly
  close F
  step "while the server does not read, and much waits" "服务器不读，积压了很多内容时"
  make_lines "$WORK/much" "$BIG"
  choose_port
  listen S3 "$PORT" rcvbuf=65536
  launch "$PORT" 1000
  accepted S3
  pause S3
  feed much
  stop_cleanly
}

# checks.bash -- try again, wait longer each time, give up in the end; lose no input
# that was not sent yet, and keep little of it in memory.

lab make 3 60
STILL_MS=$LIMIT_MS # the program has timers
: "${FIRST:=one}" "${SECOND:=two}" "${THIRD:=three}" "${TRIES:=5}" "${BIG:=6000000}" "${TALK:=24000000}" "${SEED:=1}" "${LOSSES:=3}"

# A port that is free, and that the kernel does not give to a client: a client that
# connects to itself would find a server there.
choose_port() {
  PORT=$((10000 + RANDOM % 20000))
  while grep -qi "$(printf ':%04X ' "$PORT")" /proc/net/tcp; do
    PORT=$((10000 + RANDOM % 20000))
  done
}

# Start the client while no server listens, and let the first try fail.
launch_too_early() { # TRIES
  choose_port
  launch "$PORT" "$1"
  expect_line '^trying again in 50 ms$'
}

# The server starts, for the first time or again.
come() { # CLIENT
  listen "$1" "$PORT"
  accepted "$1"
}

# Sets LINES_OF_PAUSES to the lines that this number of failed tries in a row prints
# (none for the last one), and SUM to the sum of the pauses.
pauses() { # COUNT
  local i pause=50
  SUM=0 LINES_OF_PAUSES=''
  for ((i = 0; i < $1; i++)); do
    LINES_OF_PAUSES+="trying again in $pause ms\n"
    SUM=$((SUM + pause))
    ((pause >= 400)) || pause=$((2 * pause))
  done
}

# At least this time has passed since the moment. (A timer may fire early, by a tick
# of the clock that it uses.)
expect_time() { # SINCE MS
  now_ms
  ((10 * (MS - $1) >= 9 * $2)) || fail "the pauses are shorter than the program prints" "实际的停顿比打印的短"
}

# The output since the last connection was made.
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
  "with a server: typed input arrives, data from the server is discarded" \
  "有服务器时：输入的内容能送到，服务器发来的数据丢弃"
talks() {
  fast_clock 60
  step "the client connects, and prints \"connected\"" "客户端连接成功，并打印 connected"
  choose_port
  listen S "$PORT"
  launch "$PORT" 1000
  accepted S
  expect_line '^connected$'
  step "a typed line arrives at the server" "输入的一行送到服务器"
  type_in "$FIRST\n"
  expect S "$FIRST\n"
  step "65536 bytes that are typed at once are sent without waiting for more" "一次输入 65536 字节，不等后面的输入就发出"
  make_lines "$WORK/some" 65536
  cat "$WORK/some" >&"$STDIN" &
  expect_file S "$WORK/some"
  # (The sanitizer keeps 4 MB of freed memory.)
  step "$TALK bytes from the server do not stay in memory" "服务器发来的 $TALK 字节不会留在内存里"
  note_resources
  make_lines "$WORK/big" "$TALK"
  timeout $((PATIENCE / 2)) cat "$WORK/big" >&"${TO[S]}" || fail "the program does not read the server's data" "程序没有读取服务器发来的数据"
  expect_rest
  expect_memory_within 10240
  step "another line arrives at the server; nothing was printed but \"connected\"" "又一行送到服务器；除了“connected”，没有打印别的"
  type_in "$SECOND\n"
  expect S "$SECOND\n"
  expect_output 'connected\n'
  step "then the client sleeps, and nothing wakes it for a minute (the clock runs fast)" "此后客户端处于休眠，一分钟内没有任何东西唤醒它（时钟调快）"
  expect_no_wakeups
  step "the client is still connected" "客户端仍然连着"
  type_in "$THIRD\n"
  expect S "$THIRD\n"
  expect_output 'connected\n'
}

check 1 "What goes wrong" gives_up \
  "without a server the client waits longer each time, and gives up after $TRIES tries" \
  "没有服务器时，停顿一次比一次长，失败 $TRIES 次后放弃"
gives_up() {
  step "no server listens, and the client gives up with status 1" "没有服务器在监听，客户端放弃，退出码为 1"
  choose_port
  pauses $((TRIES - 1))
  environment EVENT_NOEPOLL=1 # so that the engine knows the calls of poll
  launch "$PORT" "$TRIES"
  watch_blocking
  expect_line "$(printf '%b' "$LINES_OF_PAUSES" | tail -n 1)"
  expect_exit 1
  step "the client has printed each pause" "每次停顿多久，都打印了"
  expect_output "$LINES_OF_PAUSES"
  step "the client has waited in the event loop, never in a callback" "客户端一直在事件循环里等待，从未停在回调里"
  expect_not_blocked
}

check 1 "Standard input to the server" later \
  "input that was typed before the server started arrives when it listens" \
  "服务器启动之前输入的内容，启动之后送到"
later() {
  step "no server listens, and two lines are typed" "没有服务器在监听，这时输入两行"
  launch_too_early 1000
  type_in "$FIRST\n"
  type_in "$SECOND\n"
  step "while the client waits, it uses no processor time" "等待时，客户端不占用处理器"
  expect_rest
  step "the server starts, and gets both lines, in order" "服务器启动，按顺序收到这两行"
  come S
  expect S "$FIRST\n$SECOND\n"
  expect_line '^connected$'
  step "input that is typed now arrives too" "现在输入的也能送到"
  type_in "$THIRD\n"
  expect S "$THIRD\n"
  expect_nothing_left S
}

check 2 "The end" comes_back \
  "each time that the connection is lost, the client connects again and goes on" \
  "每次连接断开后，客户端都重新连接并继续工作"
comes_back() {
  local i
  find_all_leaks
  watch_allocated
  step "the client connects, and a typed line arrives at the server" "客户端连接，输入的一行送到服务器"
  choose_port
  listen S0 "$PORT"
  launch "$PORT" 1000
  accepted S0
  type_in "$FIRST\n"
  expect S0 "$FIRST\n"
  note_resources
  for ((i = 1; i <= LOSSES; i++)); do
    step "the server closes, and the client prints \"lost\" ($i)" "服务器关闭连接，客户端打印 lost（第 $i 次）"
    close "S$((i - 1))"
    expect_lost "$i"
    step "input that is typed meanwhile arrives at the next server, and nothing else ($i)" "这期间输入的内容送到下一个服务器，没有别的数据（第 $i 次）"
    type_in "$SECOND $i\n"
    come "S$i"
    expect "S$i" "$SECOND $i\n"
    expect_line '^connected$' $((i + 1))
    ((i > 1)) || note_allocated
  done
  step "this connection is reset; the client prints the same" "这次连接因 RST（重置）断开；客户端打印同样的一行"
  break_connection "S$LOSSES"
  expect_lost $((LOSSES + 1))
  step "the next server gets the typed input" "下一个服务器收到输入的内容"
  come S
  type_in "$THIRD\n"
  expect S "$THIRD\n"
  step "the connections that are lost hold neither descriptors nor memory" "断开的连接不占描述符，也不占内存"
  expect_descriptors_back
  expect_allocated_back 10
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# The connection breaks, and the first pause after that is 50 ms.
expect_lost() { # TIMES
  expect_line '^lost$' "$1"
  until_true has_paused_since 1 || true
  [[ $(since_connected | head -n 2) == $'lost\ntrying again in 50 ms' ]] || fail "after a lost connection the first pause is not 50 ms" "连接断开后，第一次停顿不是 50 毫秒"
}

# The server ends with a line unread, so the kernel sends the client a reset.
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

# While it is stopped, the client cannot give up before the server listens. On a busy
# machine it may have given up before it was stopped.
launch_and_stop() {
  local i
  for ((i = 0; i < 20; i++)); do
    launch_too_early "$TRIES"
    kill -STOP "$PID" 2>/dev/null || continue
    nap 0.05
    ! is_running "$RUN" || return 0
  done
  fail "the client gives up before $TRIES tries have failed" "失败还不到 $TRIES 次，客户端就放弃了"
}

check 1 "The end" starts_anew \
  "a new connection resets the pause and the count" \
  "连接一成功，停顿和计数都恢复初值"
starts_anew() {
  local began
  step "a try fails, then the server starts" "失败一次之后，服务器启动"
  launch_and_stop
  listen S "$PORT"
  kill -CONT "$PID"
  accepted S
  expect_line '^connected$'
  step "the server ends: the client waits 50 ms before the next try" "服务器退出：客户端等 50 毫秒再试"
  now_ms
  began=$MS
  close S
  expect_line '^lost$'
  until_true has_paused_since 1 || true
  [[ $(since_connected | sed -n 2p) == "trying again in 50 ms" ]] || fail "after a lost connection the first pause is not 50 ms" "连接断开后，第一次停顿不是 50 毫秒"
  step "the pauses grow as before, and after $TRIES failed tries the client gives up" "停顿与先前一样增长，失败 $TRIES 次后放弃"
  pauses "$TRIES"
  until_true has_paused_since "$TRIES" || true
  (($(since_connected | grep -c '^trying') >= TRIES)) || fail "fewer than $TRIES tries have failed since the connection was lost" "连接断开后，失败还不到 $TRIES 次"
  expect_exit 1
  since_connected >"$WORK/came"
  printf '%b' "lost\n$LINES_OF_PAUSES" >"$WORK/expected"
  same_bytes "$WORK/expected" "$WORK/came" || fail
  step "the client has really waited $SUM ms in all" "客户端确实一共等了 $SUM 毫秒"
  expect_time "$began" "$SUM"
}

# Whether the typing process has finished, or waits for the program to read.
writer_waits() {
  has_ended "$WRITER" || stays_asleep "$WRITER"
}

check 2 "End of input: half-close" all_arrives \
  "without a server, much input does not pile up in memory, and arrives whole later" \
  "没有服务器时，大量输入不会积压在内存里，之后完整送到"
all_arrives() {
  step "no server listens, and $BIG bytes of input wait" "没有服务器在监听，有 $BIG 字节输入等着发送"
  launch_too_early 1000
  note_resources
  make_lines "$WORK/big" "$BIG"
  cat "$WORK/big" >&"$STDIN" &
  WRITER=$!
  until_true writer_waits || fail
  expect_rest
  step "the program keeps only a part of this input" "程序只保留其中一部分"
  expect_memory_within 2048
  step "the input ends, the server starts, and gets all input" "输入结束；服务器启动，收到全部输入"
  end_input
  come S
  until_more S "$BIG"
  cmp -s "$WORK/big" "$WORK/S.out" || fail "not all of the input has arrived at the server" "服务器没有收到全部输入"
  # shellcheck disable=SC2034 # all of it was expected
  AT[S]=$BIG
  step "then the server sees the end" "然后服务器得知输入结束"
  expect_end S
  step "the client waits until the server closes, and ends with status 0" "客户端等服务器关闭连接，以退出码 0 结束"
  expect_rest
  half_close S
  expect_exit 0
  ! has_line '^lost$' || fail "\"lost\" is not printed for this end of the connection" "连接这样结束时，不打印 lost"
  step "40000 bytes wait, and the input has ended; the server starts, its kernel accepts little at a time: it gets all, then sees the end" \
    "40000 字节等着发送，输入已经结束；服务器启动，内核每次只收下一点数据：服务器全部收到，并得知输入结束"
  short_writes
  launch_too_early 1000
  make_lines "$WORK/some" 40000
  cat "$WORK/some" >&"$STDIN"
  end_input
  come D
  until_more D 40000
  cmp -s "$WORK/some" "$WORK/D.out" || fail "not all of the input has arrived at the server" "服务器没有收到全部输入"
  # shellcheck disable=SC2034 # all of it was expected
  AT[D]=40000
  expect_end D
  half_close D
  expect_exit 0
  step "without any input, the next server sees the end too" "一个字节都没有输入时，下一个服务器同样得知输入结束"
  launch_too_early 1000
  end_input
  come E
  expect_end E
  half_close E
  expect_exit 0
}

check 1 "Standard input to the server" input_goes_on \
  "reading standard input pauses and resumes as often as needed" \
  "标准输入的读取可以多次暂停，每次都能恢复"
input_goes_on() {
  local i
  launch_too_early 1000
  make_lines "$WORK/some" 300000
  make_lines "$WORK/much" "$BIG"
  for i in 1 2; do
    step "300000 bytes wait for a server; the server starts, and gets all of them ($i)" "300000 字节等着发送；服务器启动，全部收到（第 $i 次）"
    feed some
    listen "S$i" "$PORT" rcvbuf=65536
    accepted "S$i"
    expect_fed "S$i" some
    step "the server does not read while $BIG bytes are typed; then it reads, and gets all of them ($i)" "输入 $BIG 字节期间服务器不读，后来又读，全部收到（第 $i 次）"
    pause "S$i"
    feed much
    resume "S$i"
    expect_fed "S$i" much
    step "the server closes ($i)" "服务器关闭连接（第 $i 次）"
    close "S$i"
    expect_line '^lost$' "$i"
  done
}

feed() { # FILE: of it, as much as the program reads
  cat "$WORK/$1" >&"$STDIN" &
  WRITER=$!
  until_true writer_waits || fail
}

# The whole file arrives at the server.
expect_fed() { # CLIENT FILE
  # After a dropped segment the kernel waits longer and longer before it tries again.
  local size at=${AT[$1]} LIMIT_MS=8000 STILL_MS=8000
  size=$(stat -c %s "$WORK/$2")
  until_more "$1" $((at + size))
  cmp -s -n "$size" -i "0:$at" "$WORK/$2" "$WORK/$1.out" || fail "not all of the input has arrived at the server" "服务器没有收到全部输入"
  AT[$1]=$((at + size))
}

check 1 "The end" ends_well \
  "the client ends at SIGTERM with status 0 and frees all, connected or not" \
  "不论是否已连接，收到 SIGTERM 都能释放全部资源，以退出码 0 结束"
ends_well() {
  find_all_leaks
  step "during a pause, while a line waits" "停顿期间，有一行等着发送"
  launch_too_early 1000
  type_in "$FIRST\n"
  expect_rest
  stop_cleanly
  step "connected, after a lost connection" "断开过一次之后，处于连接状态"
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
  step "while a connection is neither made nor refused" "连接既没有成功也没有被拒绝时"
  listen_full F
  launch "$PORT" 1000
  type_in "$FIRST\n"
  nap 0.2
  stop_cleanly
  close F
  step "while the server does not read, and much input waits" "服务器不读，积压了很多数据时"
  make_lines "$WORK/much" "$BIG"
  choose_port
  listen S3 "$PORT" rcvbuf=65536
  launch "$PORT" 1000
  accepted S3
  pause S3
  feed much
  stop_cleanly
}

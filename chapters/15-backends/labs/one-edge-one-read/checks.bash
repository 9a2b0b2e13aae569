# checks.bash -- with edge triggering nothing stays unread, and nobody is kept waiting.

lab mend 3 35
: "${WORD:=hello}" "${LONG:=60000}" "${LATE_MB:=12}" "${COUNT:=8}" "${SEED:=1}"
SIZES="${SIZES:-10 1000 1001 5000 200000}"

check 2 "Edge triggered, done right" echoes \
  "messages of all sizes come back whole" \
  "各种大小的消息都完整返回"
echoes() {
  local size
  start
  for size in $SIZES; do
    step "A sends $size bytes and gets them all back" "A 发出 $size 字节，全部收回"
    connect A
    make_bytes "$WORK/message" "$size"
    send_all A "$WORK/message"
    expect_file A "$WORK/message"
    step "the next line comes back too" "接着发出的一行也能返回"
    send A "$WORD\n"
    expect A "$WORD\n"
    close A
  done
}

check 2 "Edge triggered, done right" sees_the_end \
  "the end of a client's input is seen, also if it arrives together with the last bytes" \
  "能看到客户端输入的结尾，与最后的数据一起到达也一样"
sees_the_end() {
  local size
  step "A sends a line, gets it back, and half-closes: its connection is closed" "A 发出一行，收回，然后半关闭：它的连接被关闭"
  start
  connect A
  send A "$WORD\n"
  expect A "$WORD\n"
  half_close A
  expect_closed A
  for size in 10 1000 2500; do
    step "B's $size bytes and its end have arrived before the program looks: all comes back, and the connection is closed" \
      "程序查看之前，B 的 $size 字节和结尾都已到达：数据全部返回，连接被关闭"
    connect B
    send B "x"
    expect B "x"
    make_bytes "$WORK/message" "$size"
    hold
    send_all B "$WORK/message"
    half_close B
    until_true has_half_closed || true
    signal CONT
    expect_file B "$WORK/message"
    expect_closed B
  done
}

check 2 "Edge triggered, done right" others_go_on \
  "a client that sends much does not keep the others waiting" \
  "一个客户端发送大量数据，不会让其他客户端等待"
others_go_on() {
  make_bytes "$WORK/message" "$LONG"
  step "while the program is stopped, A sends $LONG bytes, and then B sends a line; both half-close" \
    "程序暂停时，A 先发出 $LONG 字节，B 再发出一行；两者都半关闭"
  start
  connect A
  connect B
  send A "a"
  expect A "a"
  send B "b"
  expect B "b"
  hold
  send_long A
  send_line B
  step "B is served before the program has read all of A's bytes" "程序还没读完 A 的数据，就为 B 服务"
  signal CONT
  expect B "$WORD\n"
  expect_closed B
  expect_first $((1 + ${#WORD} + 1)) $((1 + LONG))
  step "all of A's bytes come back" "A 的数据全部返回"
  expect_file A "$WORK/message"
  expect_closed A
  step "D sends $LONG bytes, and C, which is new, connects after that: C is served before all of D's bytes are read" \
    "D 发出 $LONG 字节，之后才有新客户端 C 连接：还没读完 D 的数据，就为 C 服务"
  connect D
  send D "dd"
  expect D "dd"
  hold
  send_long D
  connect C
  send_line C
  signal CONT
  expect C "$WORD\n"
  expect_closed C
  expect_first $((${#WORD} + 1)) $((2 + LONG))
  expect_file D "$WORK/message"
  expect_closed D
}

check 1 "Edge triggered, done right" late_reader_gets_all \
  "a client that reads late gets all that it sent, and costs neither memory nor processor time" \
  "晚读的客户端也能收回全部数据，其间不占内存，也不占处理器时间"
late_reader_gets_all() {
  step "A sends $LATE_MB MB and reads nothing; B gets an answer, and then nothing wakes the program" \
    "A 发送 $LATE_MB MB，什么也不读；B 得到应答，之后没有什么唤醒程序"
  start
  connect B
  send B "$WORD\n"
  expect B "$WORD\n"
  note_resources
  make_bytes "$WORK/A.sent" $((LATE_MB << 20))
  send_unread A "$WORK/A.sent"
  settle
  send B "$WORD\n"
  expect B "$WORD\n"
  expect_memory_within 8192
  expect_no_wakeups 400
  step "A reads: all of its bytes come back, in order" "A 开始读：收回全部数据，顺序不变"
  read_late A
  expect_all A
}

check 1 "Choosing a back end" refuses_level \
  "without edge-triggered events the program refuses to start, and says why" \
  "没有边缘触发时，程序拒绝启动，并说明原因"
refuses_level() {
  step "with EVENT_NOEPOLL=1 the program prints a message and ends with status 1" "设置 EVENT_NOEPOLL=1，程序打印一条消息，以退出码 1 结束"
  environment EVENT_NOEPOLL=1
  run 0
  expect_exit 1
  expect_error '^one-edge-one-read: no back end has edge-triggered events$'
}

check 1 "Level and edge" is_idle \
  "the program sleeps while its clients are silent" \
  "客户端没有动静时，程序休眠"
is_idle() {
  step "A and B are connected and have got their answers; nothing wakes the program" "A 和 B 已连接，也得到了应答；没有什么唤醒程序"
  start
  connect A
  send A "$WORD\n"
  expect A "$WORD\n"
  connect B
  send B "$WORD\n"
  expect B "$WORD\n"
  expect_no_wakeups 400
}

check 1 "What goes wrong" leaves_nothing \
  "clients that have left hold nothing, and SIGTERM frees all" \
  "离开的客户端什么也不占用，收到 SIGTERM 释放全部资源"
leaves_nothing() {
  find_all_leaks
  watch_allocated
  watch_order
  step "$COUNT clients get answers, and leave; others reset their connections: no descriptor stays open" \
    "$COUNT 个客户端得到应答后离开，另一些以 RST（重置）断开：没有留下打开的描述符"
  start
  note_resources
  many "$COUNT" "$WORD %d\n" "$WORD %d\n"
  many_leave
  reset_many 3 "$WORD\n"
  expect_descriptors_back
  step "five more do the same, and no memory is held for them" "又有五个这样断开，没有为它们占用内存"
  note_allocated
  reset_many 5 "$WORD\n"
  expect_descriptors_back
  expect_allocated_back 5
  expect_order
  step "SIGTERM ends the program while A is connected; nothing leaks" "A 仍连接时，SIGTERM 使程序结束，没有泄漏"
  connect A
  send A "$WORD\n"
  expect A "$WORD\n"
  stop_cleanly
}

# The kernel has received a client's end of file on the program's side of the
# connection: state 08, CLOSE_WAIT.
has_half_closed() {
  awk -v port="$(printf ':%04X' "$PORT")" '$2 ~ port && $4 == "08" { found = 1 } END { exit !found }' /proc/net/tcp
}

# Both leave all to the kernel before they return: the program is stopped.
send_long() { # CLIENT
  send_all "$1" "$WORK/message"
  half_close "$1"
  settle
}

send_line() { # CLIENT
  send "$1" "$WORD\n"
  half_close "$1"
  settle
}

# The program has closed the connection with the small number of bytes first.
expect_first() { # BYTES BYTES
  expect_line "^client closed after $1 bytes$"
  expect_line "^client closed after $2 bytes$"
  grep -n '^client closed after' "$WORK/stdout" | sort -t : -k 1n | grep -E " ($1|$2) bytes" >"$WORK/order"
  [[ $(head -n 1 "$WORK/order") == *" $1 bytes" ]] ||
    fail "the program read all of the long message before it served the other client" "程序读完了长消息，才为另一个客户端服务"
}

# The place of the first wrong byte depends on the kernel's buffers, so the report
# does not say it.
expect_all() { # CLIENT
  local size
  size=$(stat -c %s "$WORK/$1.sent")
  until_more "$1" "$size"
  cmp -s "$WORK/$1.sent" "$WORK/$1.out" && return
  (($(size_of "$1") >= size)) ||
    fail "fewer bytes came back than were sent" "收回的字节比发出的少"
  fail "other bytes came back than were sent" "收回的字节与发出的不同"
}

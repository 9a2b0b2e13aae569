# checks.bash -- stop reading from a client that does not read.

lab mend 3 30
STILL_MS=$LIMIT_MS # the program has timers
: "${WORDS:=hello}" "${MEGABYTES:=32}" "${COUNT:=12}" "${SEED:=1}" "${READS:=3}"

# A message of MIB MiB, of any bytes, and its answer.
message() { # MIB
  make_bytes "$WORK/message" $(($1 << 20))
  LC_ALL=C tr '[:lower:]' '[:upper:]' <"$WORK/message" >"$WORK/answer"
}

# The answer arrives, then the end of file, and nothing else. The place of the first
# wrong byte depends on the kernel's buffers, so the report does not say it.
expect_whole() { # CLIENT FILE
  # After a dropped segment the kernel waits longer and longer before it tries again.
  local size came LIMIT_MS=8000 STILL_MS=8000
  size=$(stat -c %s "$2")
  until_more "$1" "$size"
  came=$(size_of "$1")
  ((came == size)) || tell_sent "$1"
  if ((came < size)) && is_closed "$1"; then
    fail "the connection ended before the whole answer had arrived" "应答还没有收完，连接就结束了"
  fi
  ((came >= size)) || fail "only a part of the answer arrives, although the connection is open" "连接还开着，却只收到应答的一部分"
  ((came <= size)) || fail "more bytes came back than were sent" "收回的数据比发出的还多"
  expect_file "$1" "$2"
  expect_closed "$1"
}

# B reads, and gets its answers as if it were the only client.
expect_answer_for_b() {
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
}

check 1 "Answer all that has arrived" answers \
  "clients get their lines back in capitals" \
  "客户端的行转成大写发回"
answers() {
  step "the server listens" "服务器开始监听"
  start
  step "A and B each send a line and get it back in capitals" "A、B 各发一行，收回大写的一行"
  connect A
  send A "one\n"
  expect A "ONE\n"
  connect B
  expect_answer_for_b
}

check 2 "A client that does not read" keeps_its_memory \
  "a client that sends and never reads costs little memory" \
  "只发送、从不读取的客户端占用的内存不多"
keeps_its_memory() {
  step "B sends a line and gets its answer" "B 发出一行，收到应答"
  start
  connect B
  expect_answer_for_b
  note_resources
  step "A sends $MEGABYTES MiB and reads nothing" "A 发送 $MEGABYTES MiB，什么也不读"
  head -c "${MEGABYTES}M" /dev/zero >"$WORK/message"
  send_unread A "$WORK/message"
  settle
  step "the server's memory has grown by less than 12 MB" "服务器的内存增长不到 12 MB"
  expect_memory_within 12000
}

# A client that reads nothing before read_on, and can send more than once.
silent() { # CLIENT
  local fd
  { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
  TO[$1]=$fd AT[$1]=0 CLIENT[$1]=
  : >"$WORK/$1.log"
}

send_and_wait() { # CLIENT FILE
  send_file "$1" "$2"
  CLIENT[$1]=$!
  settle
}

# The client reads until it has the whole file.
read_on() { # CLIENT FILE
  # After a dropped segment the kernel waits longer and longer before it tries again.
  local size LIMIT_MS=20000 STILL_MS=20000
  size=$(stat -c %s "$2")
  AT[$1]=0
  read_late "$1"
  until_more "$1" "$size"
  (($(size_of "$1") >= size)) ||
    fail "only a part of the answer arrives, although the connection is open" "连接还开着，却只收到应答的一部分"
  expect_file "$1" "$2"
  kill "${CLIENT[$1]}"
  CLIENT[$1]=
}

check 2 "A client that does not read" pauses_again \
  "the same holds each time that a client stops reading" \
  "客户端每次停止读取，都是如此"
pauses_again() {
  local i
  start
  message $((MEGABYTES / 2))
  silent A
  for i in 1 2 3; do
    step "A sends $((MEGABYTES / 2)) MiB and reads nothing ($i)" "A 发送 $((MEGABYTES / 2)) MiB，什么也不读（第 $i 次）"
    ((i > 1)) || note_resources
    send_and_wait A "$WORK/message"
    step "the server's memory has grown by less than 12 MB ($i)" "服务器的内存增长不到 12 MB（第 $i 次）"
    expect_memory_within 12000
    step "A reads, and gets every byte ($i)" "A 开始读取，一个字节也不少（第 $i 次）"
    read_on A "$WORK/answer"
  done
}

check 1 "A client that does not read" answers_a_late_reader \
  "a client that reads late gets every byte" \
  "读得晚的客户端，一个字节也不会少"
answers_a_late_reader() {
  short_writes # so that the end of the answer waits in the program
  step "A sends $((MEGABYTES / 2)) MiB, half-closes, and does not read" "A 发送 $((MEGABYTES / 2)) MiB 并半关闭，暂不读取"
  start
  message $((MEGABYTES / 2))
  send_unread A "$WORK/message"
  settle
  step "A reads: all of its answer arrives, byte for byte, then the end" "A 开始读取：应答逐字节完整到达，然后连接结束"
  read_late A
  expect_whole A "$WORK/answer"
}

check 1 "What goes wrong" answers_the_others \
  "others get answers while some do not read, and the server sleeps" \
  "有客户端不读取时，其他客户端照常得到应答，服务器处于休眠"
answers_the_others() {
  local i
  step "B sends a line and gets its answer" "B 发出一行，收到应答"
  start
  connect B
  expect_answer_for_b
  note_resources
  step "$COUNT clients send 8 MiB each and read nothing" "$COUNT 个客户端各发 8 MiB，什么也不读"
  head -c 8M /dev/zero >"$WORK/message"
  for ((i = 0; i < COUNT; i++)); do send_unread "c$i" "$WORK/message"; done
  settle
  step "the server's memory has grown by less than 12 MB, plus 1 MB for each client" "服务器的内存增长不到 12 MB 加上每个客户端 1 MB"
  expect_memory_within $((12000 + 1000 * COUNT))
  step "the server sleeps, and nothing wakes it" "服务器处于休眠，没有任何东西唤醒它"
  expect_idle
  expect_no_wakeups 400
  step "B gets an answer, and so does C, which connects now" "B 仍得到应答，新连接的 C 也一样"
  expect_answer_for_b
  connect C
  send C "$WORDS $WORDS\n"
  expect C "${WORDS^^} ${WORDS^^}\n"
  step "all $COUNT clients read, and each gets every byte" "这 $COUNT 个客户端都开始读取，各自收到每一个字节"
  for ((i = 0; i < COUNT; i++)); do read_late "c$i"; done
  for ((i = 0; i < COUNT; i++)); do expect_whole "c$i" "$WORK/message"; done
}

# A client with a small buffer sends the file and half-closes. It reads as many bytes
# of the answer as it is told to, or all the rest.
slow() { # CLIENT FILE
  local to
  # shellcheck disable=SC2016 # for the shell that gets the socket as 0 and 1
  echo 'socat -u "FILE:'"$2"'" FD:1,shut-down &
    while read -r count <&3; do
      [[ $count != rest ]] || exec cat >&4
      head -c "$count" >&4 || exit
    done' >"$WORK/slow"
  mkfifo "$WORK/$1.in"
  exec {to}<>"$WORK/$1.in"
  : >"$WORK/$1.out"
  (
    # shellcheck disable=SC2119
    close_ours
    exec 3<"$WORK/$1.in" 4>"$WORK/$1.out"
    # shellcheck disable=SC2153 # PORT is the engine's
    exec socat "TCP:127.0.0.1:$PORT,rcvbuf=131072" "EXEC:bash $WORK/slow,nofork" 2>"$WORK/$1.log"
  ) &
  CLIENT[$1]=$! TO[$1]=$to AT[$1]=0 SENT[$1]=
}

check 1 "A client that does not read" keeps_the_slow \
  "a slow reader is kept, a client that reads nothing for a minute is dropped" \
  "读得慢的客户端不会被断开，一分钟什么也没读的才断开"
keeps_the_slow() {
  # With this a minute lasts a second, or longer on a slow machine.
  local i since second=$((100 * PATIENCE)) piece=70000 LIMIT_MS=$((2 * LIMIT_MS)) STILL_MS=$((2 * LIMIT_MS))
  fast_clock $((600 / PATIENCE))
  step "A sends $MEGABYTES MiB, and reads a little of its answer every 36 seconds (the clock runs fast)" "A 发送 $MEGABYTES MiB，每 36 秒读一点应答（时钟调快）"
  start
  note_resources
  message "$MEGABYTES"
  slow A "$WORK/message"
  for ((i = 1; i <= READS; i++)); do
    nap "$((6 * second / 10000)).$(printf '%04d' $((6 * second % 10000)))"
    echo "$piece" >&"${TO[A]}"
    until_more A $((i * piece))
    (($(size_of A) == i * piece)) || fail "the connection ended before the whole answer had arrived" "应答还没有收完，连接就结束了"
  done
  step "now A reads on without a pause, and gets every byte" "现在 A 不停地读，一个字节也不少"
  echo rest >&"${TO[A]}"
  until_more A $((MEGABYTES << 20))
  (($(size_of A) == MEGABYTES << 20)) || fail "the connection ended before the whole answer had arrived" "应答还没有收完，连接就结束了"
  expect_file A "$WORK/answer"
  step "D sends $MEGABYTES MiB and reads nothing: it is dropped after a minute" "D 发送 $MEGABYTES MiB，什么也不读：一分钟后被断开"
  expect_descriptors_back
  now_ms
  since=$MS
  send_unread D "$WORK/message"
  expect_descriptors_back
  now_ms
  ((MS - since >= 9 * second / 10)) || fail "D was dropped in less than a minute" "不到一分钟就断开了 D"
}

check 1 "A client that does not read" forgets_the_lost \
  "a client that leaves while its answer waits holds nothing" \
  "应答还没读就离开的客户端，什么也不占用"
forgets_the_lost() {
  find_all_leaks
  watch_allocated
  step "the server listens" "服务器开始监听"
  start
  note_resources
  step "A sends 8 MiB, reads nothing, and leaves" "A 发送 8 MiB，什么也不读就离开"
  head -c 8M /dev/zero >"$WORK/message"
  send_unread A "$WORK/message"
  settle
  close A
  step "A's descriptor is closed" "A 的描述符已关闭"
  expect_descriptors_back
  step "three clients reset their connections: their descriptors are closed" "三个客户端以 RST（重置）断开：它们的描述符被关闭"
  reset_many 3 "$WORDS\n"
  expect_descriptors_back
  step "five more do the same, and no memory is held for them" "又有五个也是如此，没有为它们占用内存"
  note_allocated
  reset_many 5 "$WORDS\n"
  expect_descriptors_back
  expect_allocated_back 5
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

check 1 "End" ends_well \
  "the program ends at SIGTERM and frees all, while an answer waits" \
  "有应答尚未发完时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "B has received its answer, A does not read its own" "B 已收到应答，A 不读自己的应答"
  start
  connect B
  expect_answer_for_b
  head -c 8M /dev/zero >"$WORK/message"
  send_unread A "$WORK/message"
  settle
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

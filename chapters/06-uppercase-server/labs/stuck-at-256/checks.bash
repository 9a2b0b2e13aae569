# checks.bash -- a read callback that takes all of its input.

lab mend 1 20
: "${WORDS:=hello}" "${LENGTHS:=256 1000 3000}" "${BIG:=100000}" "${SEED:=1}" "${COUNT:=12}"

# A message of BYTES bytes, and its answer.
message() { # BYTES
  make_text "$WORK/text" $((3 * $1))
  head -c "$1" "$WORK/text" >"$WORK/message"
  upper <"$WORK/message" >"$WORK/answer"
}

upper() {
  LC_ALL=C tr '[:lower:]' '[:upper:]'
}

# The answer arrives, then the end of file, and nothing else. The place of the first
# wrong byte depends on how the kernel cut the message, so the report does not say it.
expect_whole() { # CLIENT FILE
  local size came LIMIT_MS=8000 STILL_MS=8000
  size=$(stat -c %s "$2")
  until_more "$1" "$size"
  until_true is_closed "$1" || true
  came=$(size_of "$1")
  ((came == size)) || tell_sent "$1"
  ((came >= size)) || fail "a part of the answer is missing" "应答缺了一部分"
  ((came <= size)) || fail "more bytes came back than were sent" "收回的数据比发出的还多"
  expect_file "$1" "$2"
}

check 1 "Answer all that has arrived" answers_a_line \
  "a short line comes back in capitals" \
  "短消息转成大写发回"
answers_a_line() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends a line and gets it back in capitals" "A 发出一行，收回大写的一行"
  connect A
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
}

check 2 "Answer all that has arrived" answers_a_long_message \
  "a longer message comes back whole, and the client need not send more for it" \
  "较长的消息能完整发回，不需要客户端再发任何数据"
answers_a_long_message() {
  local length
  fast_clock 60
  step "A connects" "A 连接"
  start
  connect A
  for length in $LENGTHS; do
    step "A sends $length bytes at once and gets as many back" "A 一次发出 $length 字节，收回同样多的字节"
    message "$length"
    send_file A "$WORK/message"
    expect_file A "$WORK/answer"
  done
  step "then nothing wakes the server for a minute (the clock runs fast)" "此后一分钟，没有任何东西唤醒服务器（时钟调快）"
  expect_no_wakeups
  step "A still gets answers" "A 仍能得到应答"
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
}

check 1 "Answer all that has arrived" answers_each \
  "the same holds for each of many clients" \
  "许多客户端都是如此"
answers_each() {
  local text
  find_all_leaks
  watch_allocated
  step "$COUNT clients send 1000 bytes each at once, and each gets its own back" "$COUNT 个客户端同时各发 1000 字节，各自收回自己的内容"
  start
  note_resources
  printf -v text '%01000d' 0
  many "$COUNT" "a%d$text" "A%d$text"
  many_again "${text}b%d" "${text}B%d"
  step "these clients leave, and others reset their connections: no descriptor stays open" "这些客户端离开，另一些以 RST（重置）断开：没有留下打开的描述符"
  many_leave
  reset_many 3 "$WORDS\n"
  expect_descriptors_back
  step "five more do the same, and no memory is held for them" "又有五个这样断开，没有为它们占用内存"
  note_allocated
  reset_many 5 "$WORDS\n"
  expect_descriptors_back
  expect_allocated_back 5
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

check 2 "What goes wrong" stays_in_step \
  "each answer belongs to the message before it" \
  "每个应答都对应刚发出的那条消息"
stays_in_step() {
  local length
  step "A sends a line and gets its answer" "A 发出一行，收到应答"
  start
  connect A
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
  step "A sends another line and gets the answer to this one" "A 再发一行，收到的是这一行的应答"
  send A "another\n"
  expect A "ANOTHER\n"
  for length in $LENGTHS; do
    step "A sends $length bytes, gets them, and then a line gets its own answer" "A 发出 $length 字节并收回，再发一行，收到的是这一行的应答"
    message "$length"
    send_file A "$WORK/message"
    expect_file A "$WORK/answer"
    send A "end\n"
    expect A "END\n"
  done
  step "no other bytes arrive" "没有多余的数据"
  expect_nothing A
}

check 1 "Change bytes in place" takes_any_byte \
  "all 256 byte values pass through; only ASCII letters are changed" \
  "256 种字节值都能通过，只有 ASCII 字母会改变"
takes_any_byte() {
  local text
  step "A sends 256 bytes, each value once, and no newline" "A 发出 256 字节，每种值一次，没有换行"
  start
  connect A
  text=$(printf '\\x%02x' {0..255})
  printf '%b' "$text" >"$WORK/message"
  upper <"$WORK/message" >"$WORK/answer"
  send_file A "$WORK/message"
  expect_file A "$WORK/answer"
}

check 1 "A client that half-closes" answers_before_it_closes \
  "a client that sends, half-closes and waits (nc -N) gets all of its answer" \
  "发送后半关闭并等待的客户端（nc -N）能收到完整的应答"
answers_before_it_closes() {
  step "A sends $BIG bytes, half-closes, and gets as many back" "A 发出 $BIG 字节并半关闭，收回同样多的字节"
  start
  message "$BIG"
  ask_file A "$WORK/message"
  expect_whole A "$WORK/answer"
  step "then its connection is closed" "然后连接被关闭"
  expect_closed A
  step "the same for B, which sends 6 MB and reads late, with a kernel that accepts little at a time" "B 发出 6 MB，过后才读，而内核每次只收下一点数据，也是如此"
  short_writes
  start
  message 6000000
  send_unread B "$WORK/message"
  settle
  read_late B
  expect_whole B "$WORK/answer"
}

check 1 "A client that does not read" keeps_its_memory \
  "a client that sends and does not read costs hardly any memory" \
  "只发送、不读取的客户端不会多占内存"
keeps_its_memory() {
  local i fd LIMIT_MS=8000 STILL_MS=8000
  step "B sends a line and gets its answer" "B 发出一行，收到应答"
  start
  connect B
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
  note_resources
  head -c 32M /dev/zero >"$WORK/message"
  { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
  for i in 1 2; do
    step "A sends 32 MiB and reads nothing; the server's memory does not grow ($i)" "A 发送 32 MiB 而不读取，服务器的内存没有增长（第 $i 次）"
    cat "$WORK/message" >&"$fd" &
    CLIENT[A]=$!
    settle
    expect_memory_within 12000
    step "B still gets answers ($i)" "B 仍能得到应答（第 $i 次）"
    send B "$WORDS\n"
    expect B "${WORDS^^}\n"
    ((i == 1)) || break
    step "A reads, and gets all of its answer" "A 开始读取，收到全部应答"
    TO[A]=$fd AT[A]=0
    read_late A
    until_more A $((32 << 20))
    (($(size_of A) == 32 << 20)) || fail "a part of the answer is missing" "应答缺了一部分"
    close_reader A
  done
}

close_reader() { # CLIENT
  kill "${CLIENT[$1]}" 2>/dev/null || true
  wait "${CLIENT[$1]}" 2>/dev/null || true
}

check 1 "End" ends_well \
  "the program ends at SIGTERM and frees all, with clients connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A and B connect; A gets an answer" "A、B 连接；A 得到应答"
  start
  connect A
  connect B
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# checks.bash -- a client that half-closes still gets all of its answer.

lab mend 2 25
: "${WORDS:=hello}" "${REST:=and the rest}" "${BIG:=1500000}" "${SEED:=1}" "${COUNT:=12}"

# A message of BYTES bytes, in lines, and its answer.
message() { # BYTES
  make_bytes "$WORK/bytes" "$1"
  base64 -w 999 "$WORK/bytes" | head -c "$1" >"$WORK/message"
  LC_ALL=C tr '[:lower:]' '[:upper:]' <"$WORK/message" >"$WORK/answer"
}

# The answer arrives, then the end of file, and nothing else.
expect_whole() { # CLIENT FILE
  # After a dropped segment the kernel waits longer and longer before it tries again.
  local size came LIMIT_MS=8000 STILL_MS=8000
  size=$(stat -c %s "$2")
  until_more "$1" "$size"
  until_true is_closed "$1" || fail "the program does not close the connection" "程序没有关闭连接"
  came=$(size_of "$1")
  ((came == size)) || {
    tell_sent "$1"
    detail expected "$size bytes" "$size 字节"
    detail came "$came bytes" "$came 字节"
  }
  ((came >= size)) || fail "the end of the answer is missing" "应答缺了结尾"
  ((came <= size)) || fail "more bytes came back than were sent" "收回的数据比发出的还多"
  expect_file "$1" "$2"
}

check 1 "Answer all that has arrived" answers_lines \
  "lines come back in capitals, each line when it is complete" \
  "每一行收完整后，转成大写发回"
answers_lines() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends a line and gets it back in capitals" "A 发出一行，收回大写的一行"
  connect A
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
  step "A sends two lines and a half, and gets two" "A 发出两行半，收回两行大写"
  send A "one\ntwo\n$WORDS"
  expect A "ONE\nTWO\n"
  expect_nothing A
  step "A sends the end of the third line, and gets the whole line" "A 发出第三行的其余部分，收回完整的一行"
  send A " again\n"
  expect A "${WORDS^^} AGAIN\n"
}

check 2 "A client that half-closes" answers_the_rest \
  "text behind the last newline is answered when the client half-closes" \
  "客户端半关闭时，最后一个换行符之后的内容也得到应答"
answers_the_rest() {
  step "A sends a line and gets it back in capitals" "A 发出一行，收回大写的一行"
  start
  connect A
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
  step "A sends text without a newline and half-closes (nc -N), and gets the text" "A 发出没有换行符的文字并半关闭（nc -N），收回这段文字的大写"
  printf '%b' "$REST" | LC_ALL=C tr '[:lower:]' '[:upper:]' >"$WORK/rest"
  send A "$REST"
  half_close A
  expect_file A "$WORK/rest"
  step "then its connection is closed, and nothing else has arrived" "然后连接被关闭，没有别的数据"
  expect_closed A
}

check 2 "A client that half-closes" answers_a_late_reader \
  "a client that half-closes and reads later gets its answer to the last byte" \
  "半关闭之后才开始读取的客户端，能收到应答的每一个字节"
answers_a_late_reader() {
  step "A sends $BIG bytes, half-closes, and does not read" "A 发出 $BIG 字节并半关闭，暂不读取"
  start
  message "$BIG"
  send_unread A "$WORK/message"
  settle
  step "meanwhile nothing wakes the server but B, which gets an answer" "这期间只有 B 会唤醒服务器，并得到应答"
  expect_no_wakeups 400
  connect B
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
  step "A reads: all of its answer arrives, then the end" "A 开始读取：收到完整的应答，然后连接结束"
  read_late A
  expect_whole A "$WORK/answer"
}

check 1 "A client that half-closes" however_late \
  "the same holds when the client reads minutes later" \
  "几分钟之后才读也一样"
however_late() {
  # With this a minute lasts a second, or longer on a slow machine.
  fast_clock $((600 / PATIENCE))
  step "A sends $BIG bytes and half-closes, and does not read for two minutes (the clock runs fast)" "A 发出 $BIG 字节并半关闭，两分钟不读取（时钟调快）"
  start
  message "$BIG"
  send_unread A "$WORK/message"
  nap "$((PATIENCE * 22 / 100)).$((PATIENCE * 22 % 100 / 10))"
  step "A reads: all of its answer arrives, then the end" "A 开始读取：收到完整的应答，然后连接结束"
  read_late A
  expect_whole A "$WORK/answer"
}

check 1 "A client that half-closes" each_of_many \
  "the same holds for each of many clients, and others are not affected" \
  "许多客户端都是如此，而且互不影响"
each_of_many() {
  local i fd line status
  step "$COUNT clients send a line and a half each, and each gets its line" "$COUNT 个客户端各发一行半，各自收到一行"
  start
  note_resources
  connect B
  many "$COUNT" 'line %d\nand %d' 'LINE %d\n'
  step "all half-close at the same moment; each gets the rest of its answer, then its connection is closed" "这些客户端同时半关闭；各自收到余下的应答，然后连接被关闭"
  hold # so that all connect at the same moment
  for fd in "${MANY[@]}"; do socat -u OPEN:/dev/null "FD:$fd,shut-down"; done
  signal CONT
  for ((i = 1; i <= COUNT; i++)); do
    line='' status=0
    IFS= read -r -t $((LIMIT_MS * PATIENCE / 10000)) -u "${MANY[i - 1]}" line || status=$?
    [[ $line == "AND $i" ]] || {
      detail sent "and $i"
      detail expected "AND $i"
      detail came "$line"
      fail
    }
    ((status == 1)) || fail "the program does not close the connection" "程序没有关闭连接"
  done
  step "B, which was connected all the time, gets answers line by line" "一直连着的 B 逐行得到应答"
  for i in 1 2 3; do
    send B "$WORDS $i\n"
    expect B "${WORDS^^} $i\n"
  done
  step "when B has left too, no descriptor stays open" "B 也离开后，没有留下打开的描述符"
  many_leave
  close B
  expect_descriptors_back
}

check 1 "A client that half-closes" ends_the_connection \
  "a connection ends when both sides have finished, and holds no descriptor" \
  "双方都结束后连接关闭，不再占用描述符"
ends_the_connection() {
  step "the server listens" "服务器开始监听"
  start
  note_resources
  step "A sends nothing and half-closes: its connection is closed" "A 什么也没发就半关闭：连接被关闭"
  connect A
  half_close A
  expect_closed A
  step "B sends a line, gets its answer, half-closes: its connection is closed" "B 发出一行并收到应答，然后半关闭：连接被关闭"
  connect B
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
  half_close B
  expect_closed B
  step "no descriptor stays open, and the server is idle" "没有留下打开的描述符，服务器处于空闲"
  expect_descriptors_back
  expect_idle
}

check 1 "A client that half-closes" forgets_the_lost \
  "a client that half-closes and leaves with its answer unread holds nothing" \
  "半关闭后不读应答就离开的客户端，什么也不占用"
forgets_the_lost() {
  find_all_leaks
  watch_allocated
  step "the server listens" "服务器开始监听"
  start
  note_resources
  step "A sends $BIG bytes, half-closes, does not read, and leaves" "A 发出 $BIG 字节并半关闭，不读取就离开"
  message "$BIG"
  send_unread A "$WORK/message"
  settle
  close A
  step "A's descriptor is closed" "A 的描述符已关闭"
  expect_descriptors_back
  step "three clients reset their connections: their descriptors are closed" "三个客户端以 RST（重置）断开：它们的描述符被关闭"
  reset_many 3 "$WORDS\n$WORDS"
  expect_descriptors_back
  step "five more do the same, and no memory is held for them" "又有五个也是如此，没有为它们占用内存"
  note_allocated
  reset_many 5 "$WORDS\n$WORDS"
  expect_descriptors_back
  expect_allocated_back 5
  step "B gets an answer" "B 得到应答"
  connect B
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

check 1 "End" ends_well \
  "the program ends at SIGTERM and frees all, while an answer waits" \
  "有应答尚未发完时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A half-closes with its answer unread, B has sent half a line" "A 半关闭，应答还没读；B 只发了半行"
  start
  message "$BIG"
  send_unread A "$WORK/message"
  connect B
  send B "$WORDS"
  settle
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# checks.bash -- each answer is sent whole, and in its turn.

lab mend 2 20
: "${WORD:=hello}" "${LONG:=1000000}" "${BIG:=12000000}" "${COUNT:=12}" "${SEED:=1}"

# A text of BYTES bytes, in lines that are all different, and its answer.
message() { # BYTES
  make_bytes "$WORK/bytes" "$1"
  base64 -w 999 "$WORK/bytes" | head -c "$1" >"$WORK/message"
  LC_ALL=C tr '[:lower:]' '[:upper:]' <"$WORK/message" >"$WORK/answer"
}

check 2 "Answers around the bufferevent" answers \
  "lines come back in capitals" \
  "各行转成大写返回"
answers() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends a line, and gets it back in capitals" "A 发出一行，收回大写的一行"
  connect A
  send A "$WORD\n"
  expect A "${WORD^^}\n"
  step "$COUNT clients send a line each, and each gets its own" "$COUNT 个客户端各发一行，各自收回自己的一行"
  many "$COUNT" 'line %d\n' 'LINE %d\n'
}

check 4 "Answers around the bufferevent" answers_whole \
  "an answer that has to wait comes whole, and in order" \
  "应答虽要等待，收到时完整，次序也对"
answers_whole() {
  local size LIMIT_MS=8000 STILL_MS=8000
  short_writes
  step "A sends $LONG bytes and half-closes; its socket takes little of the answer at a time" "A 发出 $LONG 字节并半关闭；它的套接字每次只收下一点应答"
  start
  message "$LONG"
  send_unread A "$WORK/message"
  step "A reads: all of its answer arrives, then the end" "A 开始读取：收到完整的应答，然后连接结束"
  read_late A
  until_more A "$LONG"
  until_true is_closed A || fail "the program does not close the connection" "程序没有关闭连接"
  size=$(size_of A)
  ((size >= LONG)) || {
    detail expected "$LONG bytes" "$LONG 字节"
    detail came "$size bytes" "$size 字节"
    fail "a part of the answer is missing" "应答缺了一部分"
  }
  ((size <= LONG)) || fail "more bytes came back than were sent" "收回的数据比发出的还多"
  cmp -s "$WORK/A.out" "$WORK/answer" ||
    fail "the bytes are not in the order in which they were sent" "数据的次序与发出时不同"
}

check 1 "Answers around the bufferevent" serves_others \
  "others are served while one client does not read" \
  "一个客户端不读时，其他客户端仍得到应答"
serves_others() {
  step "A sends $BIG bytes, and does not read" "A 发出 $BIG 字节，不读取"
  start
  message "$BIG"
  send_unread A "$WORK/message"
  settle
  step "B sends lines, and each is answered" "B 逐行发送，每行都得到应答"
  connect B
  for i in 1 2 3; do
    send B "$WORD $i\n"
    expect B "${WORD^^} $i\n"
  done
}

check 2 "Answers around the bufferevent" survives_resets \
  "a client that resets its connection does no harm, and holds no descriptor" \
  "重置连接的客户端不造成危害，也不占用描述符"
survives_resets() {
  step "A is answered; $COUNT clients send and reset their connections" "A 得到应答；$COUNT 个客户端发送之后重置连接"
  start
  connect A
  send A "$WORD\n"
  expect A "${WORD^^}\n"
  note_resources
  reset_many "$COUNT" "$WORD\n"
  step "A is still answered, and no descriptor stays open" "A 仍得到应答，没有留下打开的描述符"
  send A "$WORD again\n"
  expect A "${WORD^^} AGAIN\n"
  expect_descriptors_back
}

check 1 "Answers around the bufferevent" ends_well \
  "the program ends at SIGTERM and frees all, with a client connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A gets an answer" "A 得到应答"
  start
  connect A
  send A "$WORD\n"
  expect A "${WORD^^}\n"
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

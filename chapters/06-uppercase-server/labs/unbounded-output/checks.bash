# checks.bash -- a client that does not read is not read from either.

lab mend 3 30
: "${WORDS:=hello}" "${MEGABYTES:=32}" "${COUNT:=3}" "${SEED:=1}"

# A message of so many MiB, of any bytes, and the answer to it.
message() { # MIB
  make_bytes "$WORK/message" $(($1 << 20))
  LC_ALL=C tr '[:lower:]' '[:upper:]' <"$WORK/message" >"$WORK/answer"
}

# The answer and then the end, nothing else. Where it goes wrong depends on the
# kernel's buffers, so the report does not say it.
expect_whole() { # CLIENT FILE
  local size came
  size=$(stat -c %s "$2")
  until_more "$1" "$size"
  came=$(size_of "$1")
  ((came == size)) || tell_sent "$1"
  if ((came < size)) && is_closed "$1"; then
    fail "the connection ended before all of the answer had come" "应答还没有收完，连接就结束了"
  fi
  ((came >= size)) || fail "only a part of the answer comes, although the connection is open" "连接还开着，却只收到应答的一部分"
  ((came <= size)) || fail "more came back than was sent" "收回的比发出的还多"
  expect_file "$1" "$2"
  expect_closed "$1"
}

# B, which reads, is answered as if nobody else were there.
expect_answer_for_b() {
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
}

check 1 "How it works" answers \
  "clients get their lines back in capitals" \
  "客户端能收回大写的行"
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

check 5 "A client that does not read" keeps_its_memory \
  "a client that sends and never reads costs little memory" \
  "只发送、从不读取的客户端占不了多少内存"
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
  step "the server has grown by less than 12 MB" "服务器的内存增长不到 12 MB"
  expect_memory_within 12000
}

check 1 "A client that does not read" answers_a_late_reader \
  "a client that reads late gets every byte" \
  "读得晚的客户端，一个字节也不会少"
answers_a_late_reader() {
  step "A sends $((MEGABYTES / 2)) MiB, half-closes, and does not read" "A 发送 $((MEGABYTES / 2)) MiB 并半关闭，暂不读取"
  start
  message $((MEGABYTES / 2))
  send_unread A "$WORK/message"
  settle
  step "A reads: all of its answer comes, byte for byte, and then the end" "A 开始读取：应答逐字节完整到达，然后连接结束"
  read_late A
  expect_whole A "$WORK/answer"
}

check 1 "What goes wrong" answers_the_others \
  "others are answered while some do not read, and the server rests" \
  "有客户端不读取时，其他客户端照常得到应答，服务器也不空转"
answers_the_others() {
  local i
  step "B sends a line and gets its answer" "B 发出一行，收到应答"
  start
  connect B
  expect_answer_for_b
  step "$COUNT clients send 8 MiB each and read nothing" "$COUNT 个客户端各发 8 MiB，什么也不读"
  head -c 8M /dev/zero >"$WORK/message"
  for ((i = 0; i < COUNT; i++)); do send_unread "c$i" "$WORK/message"; done
  settle
  step "the server uses no processor time" "服务器不占用处理器时间"
  expect_idle
  step "B is answered, and so is C, who comes now" "B 仍得到应答，新来的 C 也一样"
  expect_answer_for_b
  connect C
  send C "$WORDS $WORDS\n"
  expect C "${WORDS^^} ${WORDS^^}\n"
}

check 1 "A client that does not read" forgets_the_lost \
  "a client that goes away while its answer waits holds nothing" \
  "应答尚未读取就离开的客户端，什么也不再占用"
forgets_the_lost() {
  step "the server listens" "服务器开始监听"
  start
  note_resources
  step "A sends 8 MiB, reads nothing, and goes away" "A 发送 8 MiB，什么也不读就离开"
  head -c 8M /dev/zero >"$WORK/message"
  send_unread A "$WORK/message"
  settle
  close A
  step "its descriptor is closed" "它的描述符被关闭"
  expect_descriptors_back
}

check 1 "Leave" ends_well \
  "it ends at SIGTERM and frees all, while an answer waits" \
  "有应答尚未发完时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "B has got its answer, A does not read its own" "B 已收到应答，A 不读自己的应答"
  start
  connect B
  expect_answer_for_b
  head -c 8M /dev/zero >"$WORK/message"
  send_unread A "$WORK/message"
  settle
  step "SIGTERM ends it with status 0; nothing leaks" "SIGTERM 使其以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# checks.bash -- a read callback that takes all of its input.

lab mend 1 20
: "${WORDS:=hello}" "${LENGTHS:=256 1000 3000}" "${BIG:=100000}" "${SEED:=1}"

# A message of so many bytes, and the answer to it.
message() { # BYTES
  make_text "$WORK/text" $((3 * $1))
  head -c "$1" "$WORK/text" >"$WORK/message"
  upper <"$WORK/message" >"$WORK/answer"
}

upper() {
  LC_ALL=C tr '[:lower:]' '[:upper:]'
}

# The answer and then the end, nothing else. Where it goes wrong depends on how
# the kernel cut a long message, so the report does not say it.
expect_whole() { # CLIENT FILE
  local size came
  size=$(stat -c %s "$2")
  until_more "$1" "$size"
  until_true is_closed "$1" || true
  came=$(size_of "$1")
  ((came == size)) || tell_sent "$1"
  ((came >= size)) || fail "a part of the answer is missing" "应答缺了一部分"
  ((came <= size)) || fail "more came back than was sent" "收回的比发出的还多"
  expect_file "$1" "$2"
}

check 1 "Answer all that has come" answers_a_line \
  "a short line comes back in capitals" \
  "一行短消息会变成大写回来"
answers_a_line() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends a line and gets it back in capitals" "A 发出一行，收回大写的一行"
  connect A
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
}

check 3 "Answer all that has come" answers_a_long_message \
  "a longer message comes back whole, and nothing more has to be sent for it" \
  "较长的消息能完整回来，不需要再发任何东西"
answers_a_long_message() {
  local length
  step "A connects" "A 连接"
  start
  connect A
  for length in $LENGTHS; do
    step "A sends $length bytes at once and gets as many back" "A 一次发出 $length 字节，收回同样多的字节"
    message "$length"
    send_file A "$WORK/message"
    expect_file A "$WORK/answer"
  done
}

check 2 "What goes wrong" stays_in_step \
  "each answer belongs to the message before it" \
  "每个应答都对应刚发出的那条消息"
stays_in_step() {
  local length
  step "A sends a line and gets its answer" "A 发出一行，收到它的应答"
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
  step "nothing is left over" "没有多余的内容"
  expect_nothing A
}

check 1 "Change bytes where they lie" takes_any_byte \
  "all 256 byte values go through; ASCII letters alone are changed" \
  "256 种字节值都能通过，只有 ASCII 字母会改变"
takes_any_byte() {
  local text
  step "A sends 256 bytes, each value once, no newline" "A 发出 256 字节，每种值一次，没有换行"
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
}

check 1 "A client that does not read" keeps_its_memory \
  "a client that sends and does not read costs no memory to speak of" \
  "只发送、不读取的客户端不会多占内存"
keeps_its_memory() {
  step "B sends a line and gets its answer" "B 发出一行，收到应答"
  start
  connect B
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
  note_resources
  step "A sends 32 MiB and reads nothing; the server's memory stays as it was" "A 发送 32 MiB 而不读取，服务器的内存没有增长"
  head -c 32M /dev/zero >"$WORK/message"
  send_unread A "$WORK/message"
  settle
  expect_memory_within 12000
  step "B is still answered" "B 仍能得到应答"
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
}

check 1 "Leave" ends_well \
  "it ends at SIGTERM and frees all, with clients connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A and B connect; A is answered" "A、B 连接；A 得到应答"
  start
  connect A
  connect B
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
  step "SIGTERM ends it with status 0; nothing leaks" "SIGTERM 使其以退出码 0 结束，没有泄漏"
  stop_cleanly
}

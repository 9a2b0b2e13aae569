# checks.bash -- lines are whole, however they come, and none is lost.

lab mend 2 30
: "${WORD:=hello}" "${COUNT:=8}" "${LINES_OF_FILE:=3000}"

TOO_LONG="error: line too long"

check 1 "Lines" answers_lines \
  "each line comes back behind its number" \
  "每一行都带着编号返回"
answers_lines() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends a line and gets it back with the number 1" "A 发出一行，收回编号为 1 的这一行"
  connect A
  send A "$WORD\n"
  expect A "1 $WORD\n"
  step "two lines at once, one with CRLF: two answers" "两行一起到达，其中一行以 CRLF 结尾：两个应答"
  send A "a$WORD\r\nb$WORD\n"
  expect A "2 a$WORD\n3 b$WORD\n"
  step "B's lines have numbers of their own" "B 的行另外编号"
  connect B
  send B "$WORD\n"
  expect B "1 $WORD\n"
}

check 2 "Lines" joins_pieces \
  "a line that comes in pieces is one line" \
  "分几次到达的一行仍是一行"
joins_pieces() {
  local i
  step "A sends half a line: no answer yet" "A 发出半行：还没有应答"
  start
  connect A
  send A "$WORD"
  expect_nothing A
  step "the rest and half of the next line: one answer" "这一行的其余部分和下一行的一半：一个应答"
  send A " there\nnext"
  expect A "1 $WORD there\n"
  expect_nothing A
  step "B sends a line meanwhile" "这期间 B 发出一行"
  connect B
  send B "$WORD\n"
  expect B "1 $WORD\n"
  step "A sends the rest byte by byte, CR and LF apart" "A 一个字节一个字节地发完，CR 和 LF 分开"
  for i in ' ' o n e '\r' '\n'; do
    send A "$i"
    settle
  done
  expect A "2 next one\n"
  expect_nothing A
}

check 1 "Lines" answers_a_file \
  "the lines of a long file all come back, then the connection ends" \
  "长文件的每一行都返回，然后连接结束"
answers_a_file() {
  local LIMIT_MS=8000 STILL_MS=8000
  step "A sends $LINES_OF_FILE lines, half-closes, and gets $LINES_OF_FILE answers" "A 发出 $LINES_OF_FILE 行并半关闭，收到 $LINES_OF_FILE 个应答"
  start
  awk -v n="$LINES_OF_FILE" -v w="$WORD" 'BEGIN { for (i = 1; i <= n; i++) print "line", i * i, w }' >"$WORK/lines"
  awk '{ print NR, $0 }' "$WORK/lines" >"$WORK/answers"
  ask_file A "$WORK/lines"
  expect_file A "$WORK/answers"
  step "then its connection is closed" "然后连接被关闭"
  expect_closed A
}

check 1 "What ends a line" keeps_empty_lines \
  "an empty line is a line" \
  "空行也是一行"
keeps_empty_lines() {
  step "A sends empty lines between others" "A 发出的行之间有空行"
  start
  connect A
  send A "$WORD\n\n\r\n\n$WORD\n"
  expect A "1 $WORD\n2 \n3 \n4 \n5 $WORD\n"
  step "and one that comes alone" "以及单独到达的一个空行"
  send A "\n"
  expect A "6 \n"
}

check 1 "Lines" passes_any_byte \
  "a line may contain every byte but its end, NUL too" \
  "一行可以含有除行结束符以外的任何字节，包括 NUL"
passes_any_byte() {
  step "A sends a line with NUL bytes and a CR" "A 发出的一行里有 NUL 字节和 CR"
  start
  connect A
  send A "a\0\0b\rc\x80\xff\n$WORD\n"
  expect A "1 a\0\0b\rc\x80\xff\n2 $WORD\n"
}

check 2 "Lines" bounds_a_line \
  "a line over 1000 bytes is refused, and not kept" \
  "超过 1000 字节的行会被拒绝，不会存下来"
bounds_a_line() {
  local longest
  printf -v longest '%01000d' 0
  step "a line of 1000 bytes is answered, though its CR and LF come apart" "1000 字节的行照常应答，CR 和 LF 分开到达也一样"
  start
  connect A
  send A "$longest\r"
  settle
  send A "\n"
  expect A "1 $longest\n"
  step "a line of 1001 bytes is refused; what follows is discarded" "1001 字节的行被拒绝，之后的内容都丢弃"
  send A "${longest}1\n$WORD\n"
  expect A "$TOO_LONG\n"
  expect_nothing A
  send A "$WORD\n"
  expect_nothing A
  step "B sends 16 MB without an end of line; memory does not grow" "B 发出 16 MB 而没有行结束符，内存不增长"
  note_resources
  connect B
  head -c 16777216 /dev/zero | tr '\0' 7 >"$WORK/long"
  send_all B "$WORK/long"
  settle
  expect B "$TOO_LONG\n"
  expect_memory_within 8192
  step "B half-closes, and its connection is closed" "B 半关闭，它的连接被关闭"
  half_close B
  expect_closed B
}

check 1 "What goes wrong" answers_the_rest \
  "the last line counts, even without its end" \
  "最后一行没有行结束符也算数"
answers_the_rest() {
  step "A sends a line and a half, and half-closes: two answers, then the end" "A 发出一行半，然后半关闭：两个应答，然后连接结束"
  start
  connect A
  send A "$WORD\nand $WORD"
  expect A "1 $WORD\n"
  half_close A
  expect A "2 and $WORD\n"
  expect_closed A
  step "B sends nothing and half-closes: no answer, then the end" "B 什么也不发就半关闭：没有应答，连接结束"
  connect B
  half_close B
  expect_closed B
}

check 1 "How it works" leaves_nothing \
  "clients that have left hold nothing, and SIGTERM frees all" \
  "离开的客户端什么也不占用，收到 SIGTERM 释放全部资源"
leaves_nothing() {
  find_all_leaks
  watch_allocated
  step "$COUNT clients get answers at the same time; then nothing wakes the server" "$COUNT 个客户端同时得到应答；之后没有任何东西唤醒服务器"
  start
  note_resources
  many "$COUNT" "$WORD %d\n" "1 $WORD %d\n"
  expect_no_wakeups
  step "these clients leave in the middle of a line, others by a reset: no descriptor stays open" "这些客户端在一行中间离开，另一些以 RST（重置）断开：没有留下打开的描述符"
  many_again "$WORD" ''
  many_leave
  reset_many 3 "$WORD\n$WORD"
  expect_descriptors_back
  step "five more do the same, and no memory is held for them" "又有五个这样断开，没有为它们占用内存"
  note_allocated
  reset_many 5 "$WORD\n$WORD"
  expect_descriptors_back
  expect_allocated_back 5
  step "SIGTERM ends the program while A is connected; nothing leaks" "A 仍连接时，SIGTERM 使程序结束，没有泄漏"
  connect A
  send A "$WORD\n$WORD"
  expect A "1 $WORD\n"
  stop_cleanly
}

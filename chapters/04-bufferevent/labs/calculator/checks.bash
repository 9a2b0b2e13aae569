# checks.bash -- lines in any pieces, exact errors, bounded memory, a half-close.

lab make 2 60
: "${X:=144}" "${Y:=-7}" "${COUNT:=1000}" "${CLIENTS:=20}" "${WORDS:=three plus four}"

MOST=9223372036854775807
LEAST=-9223372036854775808
NOT_UNDERSTOOD='error: not understood; write two whole numbers with + - * or / between them: 6 * 7'

# A client sends LINE, and gets ANSWER.
ask() { # CLIENT LINE ANSWER
  send "$1" "$2\n"
  expect "$1" "$3\n"
}

check 1 "Move bytes" calculates \
  "the server adds, subtracts, multiplies and divides" \
  "能做加减乘除"
calculates() {
  step "the server listens" "服务器开始监听"
  start
  connect A
  step "$X + $Y" "$X + $Y"
  ask A "$X + $Y" $((X + Y))
  step "$X - $Y" "$X - $Y"
  ask A "$X - $Y" $((X - Y))
  step "$X * $Y" "$X * $Y"
  ask A "$X * $Y" $((X * Y))
  step "$X / $Y" "$X / $Y"
  ask A "$X / $Y" $((X / Y))
  step "a line that ends in \\r\\n" "以 \\r\\n 结尾的行"
  ask A "$Y + $X\r" $((X + Y))
  step "with more spaces and fewer" "空格或多或少"
  ask A "  $X+  $Y " $((X + Y))
}

check 1 "Move bytes" says_what_is_wrong \
  "the server reports errors, and goes on" \
  "应答里指出错误，并继续服务"
says_what_is_wrong() {
  step "lines that are not understood" "无法识别的行"
  start
  connect A
  ask A "$WORDS" "$NOT_UNDERSTOOD"
  ask A "" "$NOT_UNDERSTOOD"
  ask A "$X % $Y" "$NOT_UNDERSTOOD"
  ask A "$X + $Y\0" "$NOT_UNDERSTOOD"
  step "division by zero" "除以零"
  ask A "$X / 0" "error: division by zero"
  step "the largest and the smallest number still fit" "最大和最小的数不溢出"
  ask A "$((MOST - 1)) + 1" "$MOST"
  ask A "$((LEAST + 1)) - 1" "$LEAST"
  step "one more, and it overflows" "再多一就溢出"
  ask A "$MOST + 1" "error: overflow"
  ask A "$LEAST - 1" "error: overflow"
  ask A "${MOST}0 - 1" "error: overflow"
  ask A "3037000500 * 3037000500" "error: overflow"
  step "the one division that overflows" "唯一会溢出的除法"
  ask A "$LEAST / -1" "error: overflow"
  step "after all these errors, A is still served" "出了这些错误之后，A 仍能得到服务"
  ask A "$X + $Y" $((X + Y))
}

check 1 "What goes wrong" takes_any_pieces \
  "a line may come in pieces, and many lines at once" \
  "一行可以分几次到达，多行也可以一起到达"
takes_any_pieces() {
  step "A sends half a line: no answer yet" "A 发出半行：还没有应答"
  start
  connect A
  send A "$X * 1"
  expect_nothing A
  step "the other half arrives, then the answer" "另外半行到达后才有应答"
  ask A "0" $((X * 10))
  step "three lines at once: three answers" "三行一起到达：三个应答"
  ask A "$X + 1\n$X + 2\n$X + 3" "$((X + 1))\n$((X + 2))\n$((X + 3))"
  step "$COUNT lines at once" "$COUNT 行一起到达"
  awk -v n="$COUNT" -v x="$X" 'BEGIN { for (i = 0; i < n; i++) print x, "*", i }' >"$WORK/lines"
  awk -v n="$COUNT" -v x="$X" 'BEGIN { for (i = 0; i < n; i++) print x * i }' >"$WORK/answers"
  ask_file B "$WORK/lines"
  expect_file B "$WORK/answers"
  expect_closed B
}

check 1 "Which memory belongs to whom" clients_do_not_mix \
  "lines of several clients do not mix, in pieces or too long" \
  "各客户端的行互不混淆，分段的、过长的都一样"
clients_do_not_mix() {
  step "$CLIENTS clients send half a line each, then the other half" "$CLIENTS 个客户端各发半行，然后各发另外半行"
  start
  many "$CLIENTS" "%d *" ''
  many_again " 1\n" "%d\n"
  step "A is in the middle of a line that is too long; B and C get answers" "A 正在发一个过长的行；B、C 照常得到应答"
  connect A
  connect B
  send A "$(printf '%0200d' 0)"
  settle
  ask B "$X + 1" $((X + 1))
  connect C
  ask C "$X + 2" $((X + 2))
  step "B's long line and A's next line are answered too" "B 的过长行、A 的下一行也得到应答"
  ask B "$(printf '%0100d' 0)" "error: line too long"
  ask A "\n$X + 3" "error: line too long\n$((X + 3))"
  ask B "$X + 4" $((X + 4))
}

check 1 "What goes wrong" skips_a_long_line \
  "a line that is too long is skipped, not kept" \
  "过长的行会被跳过，而不是存下来"
skips_a_long_line() {
  local line
  step "a line of 80 bytes is calculated" "80 字节的行照常计算"
  start
  connect A
  printf -v line '%s - %*d' "$X" $((80 - ${#X} - 3)) "$Y"
  ask A "$line" $((X - Y))
  step "so is a line whose \\r arrives first, and its \\n later" "\\r 先到、\\n 后到的，也照常计算"
  send A "$line\r"
  expect_nothing A
  ask A "" $((X - Y))
  step "a line of 81 bytes is too long; the next line is answered" "81 字节的行过长；下一行仍有应答"
  ask A "$line " "error: line too long"
  ask A "$X - 1" $((X - 1))
  step "16 MB arrive without a line's end; memory does not grow" "收到 16 MB 仍没有换行，内存不增长"
  note_resources
  head -c 16777216 /dev/zero | tr '\0' 7 >"$WORK/long"
  send_all A "$WORK/long"
  settle
  expect_memory_within 8192
  step "this long line gets one error line; the next line is answered" "这一行只应答一次错误；下一行仍有应答"
  ask A "7\n$X + 1" "error: line too long\n$((X + 1))"
}

check 2 "The end of a connection" answers_at_the_end \
  "a client that half-closes gets all its answers" \
  "半关闭的客户端能收到全部应答"
answers_at_the_end() {
  step "A sends two lines, the second without a newline: the first is answered" "A 发出两行，第二行没有换行：第一行得到应答"
  start
  connect A
  send A "$X - 1\n$X + 1"
  expect A "$((X - 1))\n"
  step "A half-closes: the last line is answered too, then the server closes" "A 半关闭：最后一行也得到应答，然后服务器关闭连接"
  half_close A
  expect A "$((X + 1))\n"
  expect_closed A
  step "B sends nothing and half-closes: no answer, then the connection ends" "B 什么也不发就半关闭：没有应答，连接结束"
  connect B
  half_close B
  expect_closed B
}

check 1 "Watermarks" waits_for_the_slow \
  "a client that reads late gets all answers, and little memory is held meanwhile" \
  "晚读的客户端能收到全部应答，此前占用的内存不多"
waits_for_the_slow() {
  watch_allocated
  step "A sends 100000 empty lines, half-closes, and reads none of the answers" "A 发出 100000 个空行，半关闭，一个应答也不读"
  start
  note_allocated
  head -c 100000 /dev/zero | tr '\0' '\n' >"$WORK/lines"
  send_unread A "$WORK/lines"
  until_true has_ended "${CLIENT[A]}" || fail "the program does not read the client's data" "程序没有读取客户端发来的数据"
  settle
  step "B gets an answer meanwhile" "这期间 B 能得到应答"
  connect B
  ask B "$X + $Y" $((X + Y))
  step "less than 2 MB of memory are held for these clients" "为这些客户端占用的内存不到 2 MB"
  expect_allocated_within 2048
  step "A reads some answers, then stops: still less than 2 MB" "A 读一些应答又停下：仍不到 2 MB"
  yes "$NOT_UNDERSTOOD" 2>/dev/null | head -n 100000 >"$WORK/answers"
  head -c 2000000 "$WORK/answers" >"$WORK/some"
  read_late A
  until_more A 2000000
  pause A
  expect_allocated_within 2048
  step "A reads on: all answers arrive, then the server closes" "A 接着读：收到全部应答，然后服务器关闭连接"
  resume A
  until_more A "$(stat -c %s "$WORK/answers")"
  cmp -s "$WORK/answers" "$WORK/A.out" ||
    fail "the answers did not all arrive once and in order" "应答有缺失、重复或乱序"
  AT[A]=$(stat -c %s "$WORK/answers")
  expect_closed A
  step "with a kernel that accepts little at a time, C sends 3000 empty lines, half-closes, and reads late: all answers arrive, then the end" \
    "内核每次只收下一点数据时，C 发出 3000 个空行，半关闭，过后才读：收到全部应答，然后连接结束"
  short_writes
  start
  head -n 3000 "$WORK/lines" >"$WORK/few"
  head -n 3000 "$WORK/answers" >"$WORK/few_answers"
  send_unread C "$WORK/few"
  settle
  read_late C
  until_more C "$(stat -c %s "$WORK/few_answers")"
  cmp -s "$WORK/few_answers" "$WORK/C.out" ||
    fail "the answers did not all arrive once and in order" "应答有缺失、重复或乱序"
  AT[C]=$(stat -c %s "$WORK/few_answers")
  expect_closed C
}

check 1 "Watermarks" drops_the_idle \
  "a client that sends nothing, or reads nothing, for a minute is dropped" \
  "一分钟什么也不发、或者什么也不读的客户端会被断开"
drops_the_idle() {
  local speed=$((200 / PATIENCE > 8 ? 200 / PATIENCE : 8)) began
  # shellcheck disable=SC2034 # for scripts/labs/steps.bash
  LIMIT_MS=5000 STILL_MS=5000
  fast_clock "$speed" # a minute passes in three seconds
  step "D sends 100000 empty lines and reads none of the answers" "D 发出 100000 个空行，一个应答也不读"
  head -c 100000 /dev/zero | tr '\0' '\n' >"$WORK/lines"
  start
  note_resources
  send_unread D "$WORK/lines"
  step "A, B and C get answers" "A、B、C 得到应答"
  connect A
  connect B
  connect C
  now_ms
  began=$MS
  ask A "$X + 1" $((X + 1))
  ask B "$X + 2" $((X + 2))
  ask C "$X + 3" $((X + 3))
  step "some time later C is still served" "过一会儿，C 仍能得到服务"
  nap "$((20000 / speed / 1000)).$(printf '%03d' $((20000 / speed % 1000)))"
  ask C "$X + 4" $((X + 4))
  step "after a minute A and B, which sent nothing, are dropped" "一分钟后，什么也没发的 A、B 被断开"
  expect_closed A
  expect_closed B
  now_ms
  ((MS - began >= 50000 / speed)) || fail "A and B were dropped too early" "A、B 断开得太早"
  step "E connects, gets an answer, and is dropped when it sends nothing more; D is dropped too" "E 连接并得到应答，此后什么也不发，同样被断开；D 也被断开"
  connect E
  ask E "$X + 5" $((X + 5))
  expect_closed E
  close A
  close B
  close C
  expect_descriptors_back
}

check 1 "Make one, connect one, free one" leaves_nothing \
  "clients that have left hold nothing, and SIGTERM frees all" \
  "离开的客户端什么也不占用，收到 SIGTERM 释放全部资源"
leaves_nothing() {
  find_all_leaks
  watch_allocated
  step "$CLIENTS clients get answers at the same time; then none sends: the server sleeps, and does not wake up" \
    "$CLIENTS 个客户端同时得到应答；之后都不发送：服务器休眠，不会醒来"
  start
  note_resources
  many "$CLIENTS" "$X + 0\n" "$X\n"
  expect_no_wakeups
  step "these clients leave, some in the middle of a line, some by a reset" "这些客户端离开，有的一行还没发完，有的以 RST（重置）断开"
  many_again "$X +" ''
  many_leave
  reset_many 5 "$X + %d\n$X +"
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
  step "10 more leave, some by a reset: no memory is held for them" "又有 10 个离开，有的以 RST 断开：没有为它们占用内存"
  note_allocated
  reset_many 5 "$X + %d\n$X +"
  many 5 "%d + 0\n$X" '%d\n'
  many_leave
  expect_descriptors_back
  expect_allocated_back 10
  step "SIGTERM ends the program while A and B are connected; nothing leaks" "A、B 仍连接时，SIGTERM 使程序结束，没有泄漏"
  connect A
  connect B
  ask A "$X + $Y" $((X + Y))
  send B "$X"
  stop_cleanly
}

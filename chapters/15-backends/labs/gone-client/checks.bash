# checks.bash -- a job stops as soon as its client is gone, though nothing is read.

lab make 3 40
: "${TICKS:=5}" "${COUNT:=6}" "${UNREAD_MB:=16}"
HOUR=3600000 # ms: no job gets done, so nothing but the client's leaving can stop it

check 1 "Gone, with bytes unread" works \
  "jobs are done one after the other, and each client gets its answers" \
  "工作一件一件地完成，每个客户端都收到自己的应答"
works() {
  local STILL_MS=$LIMIT_MS
  step "A sends \"$TICKS\" and gets \"done $TICKS\"" "A 发出“$TICKS”，收到“done $TICKS”"
  start 0 20
  connect A
  send A "$TICKS\n"
  expect A "done $TICKS\n"
  step "A sends three lines at once, and gets three answers" "A 一次发出三行，收到三个应答"
  send A "2\n1\n$TICKS\n"
  expect A "done 2\ndone 1\ndone $TICKS\n"
  step "A's next line arrives while its job runs; B gets an answer meanwhile, then A gets two" \
    "A 的工作进行时，它的下一行到达；其间 B 收到应答，之后 A 收到两个"
  connect B
  send A "30\n"
  expect_line "^job of 30 begins$"
  send A "1\n"
  send B "3\n"
  expect B "done 3\n"
  expect A "done 30\ndone 1\n"
}

check 2 "Gone, with bytes unread" stops_at_once \
  "when a client closes its connection, its job stops at once, and no other one" \
  "客户端一关闭连接，它的工作立刻停止，别人的不停"
stops_at_once() {
  step "A and B have jobs, and a tick takes an hour" "A 和 B 各有一件工作，一拍要一小时"
  start 0 "$HOUR"
  note_resources
  begin_job A "$TICKS"
  begin_job B 7
  step "A closes: its job stops, and B's does not" "A 关闭连接：它的工作停止，B 的不停"
  close A
  expect_stopped "$TICKS"
  expect_running 7
  step "B closes: its job stops too" "B 关闭连接：它的工作也停止"
  close B
  expect_stopped 7
  step "C has sent more lines, which are unread, and closes: its job stops" "C 又发来几行，都还没读，然后关闭连接：它的工作停止"
  begin_job C 9
  send C "1\n2\n"
  settle
  send C "3\n"
  settle
  close C
  expect_stopped 9
  step "all descriptors are closed, and nothing wakes the program" "描述符都已关闭，没有什么唤醒程序"
  expect_descriptors_back
  expect_no_wakeups 400
}

check 1 "Gone, with bytes unread" half_close_is_gone \
  "a client that half-closes is gone too" \
  "半关闭的客户端也算离开"
half_close_is_gone() {
  step "A half-closes: its job stops, and its connection is closed" "A 半关闭：它的工作停止，它的连接被关闭"
  start 0 "$HOUR"
  begin_job A "$TICKS"
  half_close A
  expect_stopped "$TICKS"
  expect_closed A
  step "B's line and its end have arrived before the program looks: the same" "程序查看之前，B 的一行和结尾都已到达：也是一样"
  connect B
  hold
  send B "8\n"
  half_close B
  until_true has_half_closed || true
  signal CONT
  expect_stopped 8
  expect_closed B
}

check 2 "Gone, with bytes unread" resets \
  "when a client resets its connection, its job stops at once, with epoll too" \
  "客户端重置连接，它的工作立刻停止，用 epoll 时也一样"
resets() {
  step "with epoll: A resets its connection, and its job stops" "用 epoll：A 以 RST（重置）断开，它的工作停止"
  environment EVENT_NOPOLL=1 EVENT_NOSELECT=1
  start 0 "$HOUR"
  note_resources
  begin_job A "$TICKS" linger=0
  reset A
  expect_stopped "$TICKS"
  step "B does the same, with unread lines" "B 也这样断开，还有几行没读"
  begin_job B 7 linger=0
  send B "1\n2\n"
  settle
  reset B
  expect_stopped 7
  expect_descriptors_back
  expect_no_wakeups 400
}

check 1 "Choosing a back end" works_with_poll \
  "with poll it is the same" \
  "用 poll 也一样"
works_with_poll() {
  step "with EVENT_NOEPOLL=1, lines that stay unread do not wake the program" "设置 EVENT_NOEPOLL=1，没读的行不会唤醒程序"
  environment EVENT_NOEPOLL=1
  start 0 "$HOUR"
  begin_job A "$TICKS"
  send A "1\n2\n"
  expect_no_wakeups 400
  step "A closes: its job stops" "A 关闭连接：它的工作停止"
  close A
  expect_stopped "$TICKS"
  step "B resets its connection: its job stops" "B 以 RST（重置）断开：它的工作停止"
  begin_job B 7 linger=0
  send B "1\n"
  reset B
  expect_stopped 7
}

check 1 "Choosing a back end" refuses_select \
  "where no back end reports a close early, the program refuses to start, and says why" \
  "后端不能及早报告关闭时，程序拒绝启动，并说明原因"
refuses_select() {
  step "with select alone, the program prints a message and ends with status 1" "只有 select 时，程序打印一条消息，以退出码 1 结束"
  environment EVENT_NOEPOLL=1 EVENT_NOPOLL=1
  run 0
  expect_exit 1
  expect_error '^gone-client: no back end reports early that a client has closed$'
}

check 1 "Level and edge" leaves_lines_unread \
  "while a job runs, the client's next lines stay in the kernel" \
  "工作进行时，客户端后面的行留在内核里"
leaves_lines_unread() {
  step "A sends a line, and then $UNREAD_MB MB of lines: the program's memory does not grow" \
    "A 发出一行，然后发出 $UNREAD_MB MB 的行：程序的内存不增长"
  start 0 "$HOUR"
  note_resources
  begin_job B 7
  { echo "$TICKS" && yes 1 | head -c "$((UNREAD_MB << 20))"; } >"$WORK/lines"
  send_unread A "$WORK/lines"
  expect_line "^job of $TICKS begins$"
  settle
  expect_memory_within 4096
  step "nothing wakes the program, and C's job begins" "没有什么唤醒程序，C 的工作能够开始"
  expect_no_wakeups 400
  begin_job C 9
}

check 1 "What goes wrong" ends_well \
  "clients that have left hold nothing; SIGTERM frees all, while jobs run" \
  "离开的客户端什么也不占用；有工作在进行时收到 SIGTERM，也释放全部资源"
ends_well() {
  local i
  find_all_leaks
  watch_allocated
  step "$COUNT clients close while their jobs run: no descriptor stays open" "$COUNT 个客户端在工作进行时关闭连接：没有留下打开的描述符"
  start 0 "$HOUR"
  note_resources
  for ((i = 11; i < 11 + COUNT; i++)); do
    begin_job A "$i"
    close A
  done
  expect_descriptors_back
  step "$COUNT more do the same, and no memory is held for them" "又有 $COUNT 个这样离开，没有为它们占用内存"
  note_allocated
  for ((i = 31; i < 31 + COUNT; i++)); do
    begin_job A "$i"
    close A
  done
  expect_descriptors_back
  expect_allocated_back "$COUNT"
  step "SIGTERM stops two jobs and ends the program; nothing leaks" "SIGTERM 停止两件工作，结束程序，没有泄漏"
  begin_job A "$TICKS"
  begin_job B 7
  stop_cleanly
  expect_line "^job of $TICKS stopped after 0$"
  expect_line "^job of 7 stopped after 0$"
}

# Each job of a check has another number of ticks, so that its lines can be told apart.
begin_job() { # CLIENT TICKS [SOCAT-OPTION]
  connect "$1" "${3-}"
  send "$1" "$2\n"
  expect_line "^job of $2 begins$"
}

expect_stopped() { # TICKS
  expect_line "^job of $1 stopped after 0$"
}

expect_running() { # TICKS
  settle
  ! has_line "^job of $1 stopped" ||
    fail "the job of another client was stopped as well" "另一个客户端的工作也停止了"
}

# The kernel has received a client's end of file on the program's side of the
# connection: state 08, CLOSE_WAIT.
has_half_closed() {
  awk -v port="$(printf ':%04X' "$PORT")" '$2 ~ port && $4 == "08" { found = 1 } END { exit !found }' /proc/net/tcp
}

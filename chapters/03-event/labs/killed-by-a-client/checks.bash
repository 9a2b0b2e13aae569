# checks.bash -- a client that vanishes must neither end the server nor cost memory.

lab mend 1 20
: "${TEXT:=one\ntwo\nthree}" "${SIZE:=300000}" "${COUNT:=8}" "${MANY_CLIENTS:=20}" "${SEED:=1}"

check 1 "Read, write, and what does not fit into the socket" counts \
  "a client that half-closes gets its lines and bytes counted" \
  "客户端半关闭后收到行数和字节数"
counts() {
  step "A sends a short text, half-closes, and gets the counts" "A 发送一小段文本，半关闭，收到计数"
  start
  printf '%b' "$TEXT" >"$WORK/short"
  ask_file A "$WORK/short"
  expect_counts A "$WORK/short"
  step "B sends $SIZE bytes, half-closes, and gets the counts" "B 发送 $SIZE 字节，半关闭，收到计数"
  make_text "$WORK/long" "$SIZE"
  ask_file B "$WORK/long"
  expect_counts B "$WORK/long"
}

check 3 "What goes wrong" vanished \
  "a client that sends and vanishes does not end the server" \
  "客户端发完就消失，服务器不会因此结束"
vanished() {
  step "B connects and sends" "B 连接并发送"
  start
  connect B
  send B "$TEXT"
  step "while the server is stopped by SIGSTOP, A connects, sends, and vanishes" \
    "服务器被 SIGSTOP 暂停期间，A 连接、发送、随即消失"
  hold
  vanish
  step "the server goes on, and prints that A has closed" "服务器继续运行，并打印 A 已关闭"
  signal CONT
  expect_line '^client closed$'
  step "B half-closes and gets its counts" "B 半关闭，收到计数"
  finish B
}

check 2 "What goes wrong" broken_after_its_end \
  "a client that half-closes and then resets its connection does not end the server" \
  "客户端半关闭后又以 RST（重置）断开，服务器不会因此结束"
broken_after_its_end() {
  step "A and B connect, B sends" "A、B 连接，B 发送"
  start
  connect A linger=0
  connect B
  send B "$TEXT"
  step "while the server is stopped by SIGSTOP, A sends, half-closes, and resets its connection" \
    "服务器被 SIGSTOP 暂停期间，A 发送、半关闭，然后以 RST（重置）断开"
  hold
  send A "$TEXT"
  half_close A
  until_true has_half_closed || fail "the check cannot half-close" "检查程序无法半关闭"
  reset A
  step "the server goes on, and prints that A has closed" "服务器继续运行，并打印 A 已关闭"
  signal CONT
  expect_line '^client closed$'
  step "B half-closes and gets its counts" "B 半关闭，收到计数"
  finish B
}

check 1 "One context for each client" many_count \
  "each of many clients gets its own counts" \
  "许多客户端各自收到自己的计数"
many_count() {
  local i
  step "$MANY_CLIENTS clients send at the same time; then none does: the server sleeps, and does not wake up" \
    "$MANY_CLIENTS 个客户端同时发送；之后都不发送：服务器休眠，不会醒来"
  start
  many "$MANY_CLIENTS" '%d\n\n' ''
  expect_no_wakeups
  step "A and B send again, half-close, and get their own counts" "A、B 再次发送，半关闭，各自收到自己的计数"
  connect A
  connect B
  send A "$TEXT"
  send B "$TEXT$TEXT"
  settle
  send A "\n$TEXT"
  half_close A
  half_close B
  printf '%b' "$TEXT\n$TEXT" >"$WORK/a"
  printf '%b' "$TEXT$TEXT" >"$WORK/b"
  expect_counts A "$WORK/a"
  expect_counts B "$WORK/b"
  step "the $MANY_CLIENTS half-close and get their counts too" "那 $MANY_CLIENTS 个也半关闭，收到计数"
  for i in "${!MANY[@]}"; do
    socat -u OPEN:/dev/null "FD:${MANY[i]},shut-down" 2>/dev/null || true
    one_of_many $((i + 1)) "$((i + 1))\n\n" "lines 2\nbytes $((${#i} + (i == 9 || i == 99) + 2))\n"
  done
}

check 2 "Free in the right order" leave_nothing \
  "clients that vanish hold neither descriptors nor memory" \
  "消失的客户端既不占描述符，也不占内存"
leave_nothing() {
  local i
  watch_allocated
  step "A sends and vanishes; B, connected before, gets its counts" "A 发送后消失；先前连接的 B 收到计数"
  start
  note_resources
  connect B
  send B "$TEXT"
  hold
  vanish
  signal CONT
  expect_line '^client closed$'
  finish B
  step "$COUNT more clients send and vanish, one after the other" "又有 $COUNT 个客户端先后发送并消失"
  for ((i = 0; i < COUNT; i++)); do
    hold
    vanish
    signal CONT
    expect_line '^client closed$' $((i + 3))
  done
  step "4 more reset their connections while the server reads from them" "又有 4 个客户端在服务器读取途中以 RST（重置）断开"
  reset_many 4 "$TEXT"
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
  step "6 more vanish in these ways: no memory is held for them" "又有 6 个这样消失：没有为它们占用内存"
  note_allocated
  for ((i = 0; i < 2; i++)); do
    hold
    vanish
    signal CONT
    expect_line '^client closed$' $((COUNT + 3 + i))
  done
  reset_many 4 "$TEXT"
  expect_descriptors_back
  expect_allocated_back 6
  step "the server sleeps" "服务器处于休眠"
  expect_no_wakeups
}

check 1 "Free in the right order" ends_well \
  "the program ends at SIGTERM and frees all, with clients connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "B and C connect; A sends and vanishes; B gets its counts" "B、C 连接；A 发送后消失；B 收到计数"
  start
  connect B
  connect C
  send B "$TEXT"
  hold
  vanish
  signal CONT
  expect_line '^client closed$'
  finish B
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# The client has sent TEXT. It half-closes now, and gets its counts.
finish() { # CLIENT
  half_close "$1"
  printf '%b' "$TEXT" >"$WORK/text"
  expect_counts "$1" "$WORK/text"
}

# A server that is about to end closes the connection first: then wait until the
# process has ended, so that the report can say how.
expect_counts() { # CLIENT FILE
  local counts
  counts="lines $(wc -l <"$2")\nbytes $(wc -c <"$2")\n"
  until_true has_come "$1" "$(printf '%b' "$counts" | wc -c)" || true
  (($(size_of "$1") > 0)) || until_true has_ended "$RUN" || true
  expect "$1" "$counts"
  expect_closed "$1"
}

# Connect, send, and close before the server, which is stopped, can answer.
vanish() {
  local fd
  { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
  printf '%b' "$TEXT" >&"$fd"
  exec {fd}>&-
}

# The kernel has received the client's end of file on the server's side of the
# connection: state 08, CLOSE_WAIT.
has_half_closed() {
  awk -v port="$(printf ':%04X' "$PORT")" '$2 ~ port && $4 == "08" { found = 1 } END { exit !found }' /proc/net/tcp
}

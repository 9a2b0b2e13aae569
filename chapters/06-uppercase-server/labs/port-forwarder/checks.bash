# checks.bash -- a forwarder passes on bytes, half-closes and broken connections.

lab make 4 60
: "${COUNT:=20}" "${QUESTION:=who is there?}" "${ANSWER:=nobody}" "${MEGABYTES:=24}" "${SEED:=1}"

# The check is the upstream too: each of its connections is a peer with a name, which
# has to listen before the program connects. A peer made before the program starts
# could not be half-closed, since the process that starts the program inherits the
# peer's input. So the first peer only finds a free port.
start_forwarder() { # PEER
  listen any
  UPSTREAM=$PORT
  start 0 "$UPSTREAM"
  close any
  upstream "$1"
}

# The upstream waits for one more connection. (listen sets PORT.)
upstream() { # PEER [SOCAT-OPTION]
  local forwarder=$PORT
  listen "$1" "$UPSTREAM${2:+,$2}"
  PORT=$forwarder
}

# Start an upstream that echoes, for any number of connections. Sets UPSTREAM.
listen_for_many() {
  : >"$WORK/echo.log"
  (
    # shellcheck disable=SC2119
    close_ours
    exec socat -d -d TCP-LISTEN:0,bind=127.0.0.1,reuseaddr,fork,backlog=256 PIPE 2>"$WORK/echo.log"
  ) &
  CLIENT[echo]=$!
  until_true log_says echo 'listening on| E ' || true
  UPSTREAM=$(sed -nE 's/.*listening on .*:([0-9]+)$/\1/p' "$WORK/echo.log" | head -n 1)
  [[ $UPSTREAM ]] || fail "the check cannot listen" "检查程序无法监听"
}

# The place at which a message is cut depends on timing, so the report does not say
# it.
expect_whole() { # PEER FILE
  # After a dropped segment the kernel waits longer and longer before it tries again.
  local size LIMIT_MS=8000 STILL_MS=8000
  size=$((AT[$1] + $(stat -c %s "$2")))
  until_more "$1" "$size"
  (($(size_of "$1") >= size)) || {
    tell_sent "$1"
    fail "only a part of the data has arrived" "只收到一部分数据"
  }
  expect_file "$1" "$2"
}

# The program has half-closed.
expect_end() { # PEER
  until_true is_closed "$1" || fail "the half-close was not passed on" "没有传递半关闭"
  expect_nothing_left "$1"
}

# The connection of a peer that was made with linger=0 is broken. (The engine's
# reset lets it half-close first, and the program may see that.)
lose() { # PEER
  kill -KILL "${CLIENT[$1]}"
  reset "$1"
}

check 1 "A connection" passes_bytes \
  "bytes are passed both ways, unchanged" \
  "数据原样双向传递"
passes_bytes() {
  step "an upstream U listens, the forwarder starts" "上游 U 开始监听，转发器启动"
  start_forwarder U
  step "A connects, and the forwarder connects to U" "A 连接，转发器随即连接 U"
  connect A
  accepted U
  step "A sends a line, U gets it" "A 发出一行，U 收到"
  send A "$QUESTION\n"
  expect U "$QUESTION\n"
  step "U sends a line, A gets it" "U 发出一行，A 收到"
  send U "$ANSWER\n"
  expect A "$ANSWER\n"
  step "100000 bytes of all values reach U, and another 100000 reach A" "10 万个各种值的字节到达 U，另外 10 万个到达 A"
  make_bytes "$WORK/one" 100000
  SEED=2 make_bytes "$WORK/two" 100000
  send_file A "$WORK/one"
  send_file U "$WORK/two"
  expect_whole U "$WORK/one"
  expect_whole A "$WORK/two"
}

check 1 "A connection" keeps_clients_apart \
  "each client has a connection of its own to the upstream" \
  "每个客户端各有一条到上游的连接"
keeps_clients_apart() {
  step "A connects, and the forwarder to U" "A 连接，转发器连接 U"
  start_forwarder U
  connect A
  accepted U
  step "B connects, and the forwarder a second time, to V" "B 连接，转发器再次连接，这次是 V"
  upstream V
  connect B
  accepted V
  step "A talks with U, and B with V" "A 与 U 通信，B 与 V 通信"
  send B "$QUESTION from B\n"
  expect V "$QUESTION from B\n"
  send A "$QUESTION from A\n"
  expect U "$QUESTION from A\n"
  send U "$ANSWER for A\n"
  expect A "$ANSWER for A\n"
  send V "$ANSWER for B\n"
  expect B "$ANSWER for B\n"
  step "when A and U have closed, B and V still talk" "A 与 U 离开后，B 与 V 仍能通信"
  half_close A
  expect_end U
  half_close U
  expect_end A
  send B "$QUESTION\n"
  expect V "$QUESTION\n"
}

check 1 "Which memory belongs to whom" as_many_as_come \
  "$COUNT clients at once, each with its own upstream connection, and nothing is held for them later" \
  "$COUNT 个客户端同时连接，各有自己的上游连接；离开后什么也不占用"
as_many_as_come() {
  watch_allocated
  step "$COUNT clients each get back from the upstream what they sent, twice" "$COUNT 个客户端各自从上游收回自己发出的数据，连续两次"
  listen_for_many
  start 0 "$UPSTREAM"
  note_resources
  many "$COUNT" '%d: who?\n' '%d: who?\n'
  many_again '%d again\n' '%d again\n'
  step "neither side sends: nothing wakes the forwarder" "两侧都不发送：没有任何东西唤醒转发器"
  expect_no_wakeups
  step "these clients leave, 10 more by a reset: no descriptor stays open" "这些客户端离开，另有 10 个以 RST（重置）断开：没有留下打开的描述符"
  many_leave
  reset_many 10 '%d: who?\n'
  expect_descriptors_back
  step "10 more do the same: no memory is held for them" "又有 10 个这样断开：没有为它们占用内存"
  note_allocated
  reset_many 10 '%d: who?\n'
  expect_descriptors_back
  expect_allocated_back 10
}

check 1 "A client that half-closes" passes_half_closes \
  "a half-close is passed on in either direction, and the other direction goes on" \
  "任一方向的半关闭都会传过去，另一方向不受影响"
passes_half_closes() {
  step "the forwarder starts" "转发器启动"
  start_forwarder U
  note_resources
  step "A sends a line and half-closes: U gets the line and the end" "A 发出一行并半关闭：U 收到这一行，然后读到结束"
  connect A
  accepted U
  send A "$QUESTION\n"
  expect U "$QUESTION\n"
  half_close A
  expect_end U
  step "U answers after that: A gets the answer" "U 此后作答：A 收到应答"
  send U "$ANSWER\n"
  expect A "$ANSWER\n"
  expect_open A
  step "U half-closes too: A gets the end" "U 也半关闭：A 读到结束"
  half_close U
  expect_end A
  step "B connects; V, its upstream, sends a line and half-closes: B gets both" "B 连接；它的上游 V 发出一行并半关闭：B 收到这一行，然后读到结束"
  upstream V
  connect B
  accepted V
  send V "$ANSWER\n"
  expect B "$ANSWER\n"
  half_close V
  expect_end B
  step "B sends after that: V gets it, and then the end" "B 此后发送：V 收到内容，然后读到结束"
  send B "$QUESTION\n"
  expect V "$QUESTION\n"
  half_close B
  expect_end V
  step "no descriptor stays open, and the forwarder is idle" "没有留下打开的描述符，转发器处于空闲"
  expect_descriptors_back
  expect_idle
}

check 1 "What goes wrong" sends_before_the_end \
  "all data is sent before the half-close is passed on" \
  "先发完全部数据，再传递半关闭"
sends_before_the_end() {
  local size
  step "the forwarder starts" "转发器启动"
  start_forwarder U
  for size in 100 6000 10000 100000; do
    step "$size bytes and the end wait for the forwarder together; U gets all, then the end" "$size 字节和结束同时等着转发器；U 先收到全部数据，再读到结束"
    make_bytes "$WORK/message" "$size"
    signal STOP
    send_unread A "$WORK/message"
    wait "${CLIENT[A]}" || true
    signal CONT
    accepted U
    expect_whole U "$WORK/message"
    expect_end U
    half_close A
    half_close U
    upstream U
  done
  close U
  step "the same with 8 MiB for a U that reads after a while, and a kernel that accepts little at a time" "U 过一会儿才读 8 MiB，内核每次只收下一点数据，也是如此"
  short_writes
  start_forwarder U
  make_bytes "$WORK/message" $((8 << 20))
  pause U
  send_unread A "$WORK/message"
  settle
  resume U
  expect_whole U "$WORK/message"
  expect_end U
}

check 1 "A connection" ends_both \
  "when one connection breaks, the other is closed, and so are both descriptors" \
  "一侧断开时，另一侧的连接也关闭，两个描述符都关闭"
ends_both() {
  find_all_leaks
  step "A and B talk with U and V" "A、B 分别与 U、V 通信"
  start_forwarder U
  note_resources
  connect A linger=0
  accepted U
  send A "$QUESTION\n"
  expect U "$QUESTION\n"
  upstream V linger=0
  connect B
  accepted V
  send V "$ANSWER\n"
  expect B "$ANSWER\n"
  step "A resets its connection: U sees the end" "A 以 RST（重置）断开：U 读到结束"
  lose A
  expect_end U
  step "B and V still talk" "B 与 V 仍能通信"
  send V "$ANSWER\n"
  expect B "$ANSWER\n"
  step "V resets its connection: B sees the end" "V 以 RST 断开：B 读到结束"
  lose V
  expect_end B
  step "C half-closes, then its upstream W resets the connection: C sees the end" "C 半关闭，然后它的上游 W 以 RST 断开：C 读到结束"
  upstream W linger=0
  connect C
  accepted W
  send C "$QUESTION\n"
  expect W "$QUESTION\n"
  half_close C
  expect_end W
  lose W
  expect_end C
  step "X reads nothing of 8 MB, and resets its connection: D's is closed too" "8 MB 数据 X 一点也不读，就以 RST 断开：D 的连接也被关闭"
  upstream X linger=0
  pause X
  head -c 8M /dev/zero >"$WORK/message"
  send_unread D "$WORK/message"
  settle
  lose X
  step "no descriptor stays open, and at the end nothing leaks" "没有留下打开的描述符，结束时没有泄漏"
  expect_descriptors_back
  stop_cleanly
}

check 1 "What goes wrong" survives_a_refusal \
  "a client is closed when the upstream refuses, and the next one is served" \
  "上游拒绝连接时关闭客户端，并继续为后来者服务"
survives_a_refusal() {
  find_all_leaks
  step "no process listens on the upstream's port" "上游的端口上没有进程监听"
  start_forwarder U
  close U
  note_resources
  step "A connects, and its connection is closed" "A 连接，随后连接被关闭"
  connect A
  expect_closed A
  step "the forwarder's descriptors for A are closed" "转发器为 A 打开的描述符都已关闭"
  expect_descriptors_back
  step "the upstream listens again: B is connected to it" "上游重新监听：B 被连到上游"
  upstream V
  connect B
  accepted V
  send B "$QUESTION\n"
  expect V "$QUESTION\n"
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

check 2 "A client that does not read" waits_for_slow_readers \
  "a slow reader costs little memory and gets every byte" \
  "读得慢的一方占用的内存不多，也不会少收一个字节"
waits_for_slow_readers() {
  fast_clock $((600 / PATIENCE)) # so that they seem to wait for minutes
  step "A talks with U, and B with V" "A 与 U 通信，B 与 V 通信"
  start_forwarder U
  connect A
  accepted U
  send A "$QUESTION\n"
  expect U "$QUESTION\n"
  upstream V
  connect B
  accepted V
  send V "$ANSWER\n"
  expect B "$ANSWER\n"
  note_resources
  make_bytes "$WORK/message" $((MEGABYTES << 20))
  step "A sends $MEGABYTES MiB, and U does not read" "A 发送 $MEGABYTES MiB，U 不读取"
  fill_up U A
  step "V sends $MEGABYTES MiB, and B does not read" "V 发送 $MEGABYTES MiB，B 不读取"
  fill_up B V
  step "the forwarder's memory has grown by less than 16 MB, and the forwarder is idle" "转发器的内存增长不到 16 MB，并处于空闲"
  expect_memory_within 16000
  expect_idle
  step "U reads on, and gets every byte" "U 继续读取，逐字节全部收到"
  resume U
  expect_whole U "$WORK/message"
  step "B reads on, and gets every byte" "B 继续读取，逐字节全部收到"
  resume B
  expect_whole B "$WORK/message"
  step "when both stop reading a second time, memory grows no more than before" "两者第二次停止读取时，内存的增长不比之前多"
  fill_up U A
  fill_up B V
  expect_memory_within 16000
  step "both get every byte again" "两者再次逐字节全部收到"
  resume U
  expect_whole U "$WORK/message"
  resume B
  expect_whole B "$WORK/message"
}

# READER stops reading, and SENDER sends as much as is accepted.
fill_up() { # READER SENDER
  pause "$1"
  send_file "$2" "$WORK/message"
  CLIENT["sender $2"]=$!
  settle
}

check 1 "End" ends_well \
  "the program ends at SIGTERM and frees all, whatever its connections are doing" \
  "收到 SIGTERM 时，不论各连接处于什么状态，都能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A has talked with U; B has half-closed; C's upstream does not read" "A 与 U 通信过；B 已半关闭；C 的上游不读取"
  start_forwarder U
  connect A
  accepted U
  send A "$QUESTION\n"
  expect U "$QUESTION\n"
  upstream V
  connect B
  accepted V
  half_close B
  expect_end V
  upstream W
  pause W
  head -c 8M /dev/zero >"$WORK/message"
  send_unread C "$WORK/message"
  settle
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
  step "the same while the upstream neither accepts nor refuses D's connection" "上游既不接受、也不拒绝 D 的连接时，也是如此"
  listen_full F
  start 0 "$PORT"
  connect D
  send D "$QUESTION\n"
  nap 0.2
  stop_cleanly
}

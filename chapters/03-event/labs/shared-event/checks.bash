# checks.bash -- an event for each client, freed before its descriptor is closed.

lab mend 1 30
: "${FIRST:=one}" "${SECOND:=two}" "${COUNT:=20}"

check 1 "Read, write, and what does not fit into the socket" echoes \
  "a client gets its line back" \
  "客户端能收回自己发出的一行"
echoes() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends a line and gets it back" "A 发出一行并原样收回"
  connect A
  send A "$FIRST\n"
  expect A "$FIRST\n"
  step "A sends a second line and gets it back" "A 再发一行并原样收回"
  send A "$SECOND\n"
  expect A "$SECOND\n"
}

check 3 "What goes wrong" neighbour_goes_on \
  "the second client gets answers after the first has left" \
  "第一个客户端离开后，第二个仍能得到应答"
neighbour_goes_on() {
  step "A and B connect, and each gets its line back" "A、B 先后连接，各自收回自己的一行"
  start
  connect A
  send A "$FIRST\n"
  expect A "$FIRST\n"
  connect B
  send B "$SECOND\n"
  expect B "$SECOND\n"
  step "A leaves" "A 离开"
  close A
  expect_line '^client closed$'
  step "B sends another line and gets it back" "B 再发一行并原样收回"
  send B "$SECOND again\n"
  expect B "$SECOND again\n"
}

check 2 "What goes wrong" newcomer_is_heard \
  "a client that gets the descriptor number of a client that has left gets answers" \
  "新客户端的描述符与已离开的客户端号码相同，也能得到应答"
newcomer_is_heard() {
  step "A and B connect, B leaves" "A、B 先后连接，B 离开"
  start
  connect A
  send A "$FIRST\n"
  expect A "$FIRST\n"
  connect B
  send B "$SECOND\n"
  expect B "$SECOND\n"
  close B
  expect_line '^client closed$'
  step "C connects and gets its line back" "C 连接并收回自己的一行"
  connect C
  send C "$SECOND\n"
  expect C "$SECOND\n"
  step "A still gets answers" "A 仍能得到应答"
  send A "$FIRST\n"
  expect A "$FIRST\n"
}

check 2 "One context for each client" many_come_and_go \
  "many clients get answers, and hold nothing after they have left" \
  "许多客户端都能得到应答，离开后不再占用任何资源"
many_come_and_go() {
  watch_allocated
  step "$COUNT clients connect at the same time; each gets its own lines back" "$COUNT 个客户端同时连接，各自收回自己的行"
  start
  note_resources
  many "$COUNT" "$FIRST %d\n" "$FIRST %d\n"
  many_again "%d $SECOND\n" "%d $SECOND\n"
  step "no client sends: the server sleeps, and does not wake up" "没有客户端发送：服务器休眠，不会醒来"
  expect_no_wakeups
  step "these clients leave; the server prints a line for each" "它们离开；服务器为每个客户端打印一行"
  many_leave
  expect_line '^client closed$' "$COUNT"
  step "10 connect, and reset their connections; the server prints a line for each" "10 个客户端连接，然后以 RST（重置）断开；服务器为每个客户端打印一行"
  reset_many 10 "$FIRST %d\n"
  expect_line '^client closed$' $((COUNT + 10))
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
  step "10 more connect and leave, some by a reset: no memory is held for them" "又有 10 个连接后离开，有的以 RST 断开：没有为它们占用内存"
  note_allocated
  reset_many 5 "$FIRST %d\n"
  many 5 "$FIRST %d\n" "$FIRST %d\n"
  many_leave
  expect_line '^client closed$' $((COUNT + 20))
  expect_allocated_back 10
}

check 1 "What goes wrong" event_goes_first \
  "a client's event is freed before its descriptor is closed" \
  "先释放客户端的事件，再关闭它的描述符"
event_goes_first() {
  watch_order
  step "A and B connect and get answers" "A、B 连接并得到应答"
  start
  connect A
  send A "$FIRST\n"
  expect A "$FIRST\n"
  connect B linger=0
  send B "$SECOND\n"
  expect B "$SECOND\n"
  step "A leaves: its event is freed, then its descriptor is closed" "A 离开：先释放它的事件，再关闭它的描述符"
  close A
  expect_line '^client closed$'
  expect_order
  step "B resets its connection: its event is freed first, too" "B 以 RST（重置）断开：同样先释放事件"
  reset B
  expect_line '^client closed$' 2
  expect_order
}

check 1 "End, and free everything" ends_well \
  "the program ends at SIGTERM and frees all, with clients connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A, B, C and D connect and get answers; B leaves, D by a reset" "A、B、C、D 连接并得到应答；B 离开，D 以 RST（重置）断开"
  start
  connect A
  connect B
  connect C
  connect D linger=0
  send A "$FIRST\n"
  expect A "$FIRST\n"
  send C "$SECOND\n"
  expect C "$SECOND\n"
  send D "$SECOND\n"
  expect D "$SECOND\n"
  close B
  expect_line '^client closed$'
  reset D
  expect_line '^client closed$' 2
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

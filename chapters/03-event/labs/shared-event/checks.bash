# checks.bash -- an event for each client, freed before its descriptor is closed.

lab mend 1 30
: "${FIRST:=one}" "${SECOND:=two}" "${COUNT:=8}"

check 1 "How it works" echoes \
  "a client gets its line back" \
  "客户端能收回自己发出的一行"
echoes() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends a line and gets it back" "A 发出一行并原样收回"
  connect A
  send A "$FIRST\n"
  expect A "$FIRST\n"
}

check 3 "What goes wrong" neighbour_goes_on \
  "the second client is heard when the first has left" \
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

check 3 "What goes wrong" newcomer_is_heard \
  "a client that gets the descriptor of one who left is heard" \
  "复用了离开者描述符的新客户端也能得到应答"
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
  step "A is still heard" "A 仍能得到应答"
  send A "$FIRST\n"
  expect A "$FIRST\n"
}

check 2 "How it works" descriptors_come_back \
  "clients that have left hold no descriptor" \
  "离开的客户端不再占用描述符"
descriptors_come_back() {
  local i
  step "the server listens" "服务器开始监听"
  start
  note_resources
  step "$COUNT clients come at the same time, are heard, and leave" "$COUNT 个客户端同时到来、得到应答并离开"
  for ((i = 0; i < COUNT; i++)); do connect "c$i"; done
  for ((i = 0; i < COUNT; i++)); do
    send "c$i" "$FIRST $i\n"
    expect "c$i" "$FIRST $i\n"
  done
  for ((i = 0; i < COUNT; i++)); do close "c$i"; done
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
  step "the server is at rest" "服务器处于空闲"
  expect_idle
}

check 1 "How it works" ends_well \
  "it ends at SIGTERM and frees all, with clients connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A, B and C connect; A and C are heard, B leaves" "A、B、C 连接；A、C 得到应答，B 离开"
  start
  connect A
  connect B
  connect C
  send A "$FIRST\n"
  expect A "$FIRST\n"
  send C "$SECOND\n"
  expect C "$SECOND\n"
  close B
  expect_line '^client closed$'
  step "SIGTERM ends it with status 0; nothing leaks" "SIGTERM 使其以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# checks.bash -- so many clients come in as there are places, and no more.

lab make 2 25
: "${WORD:=hello}" "${OTHER:=127.0.0.2}" "${THIRD:=127.0.0.3}" "${ROUNDS:=3}"

# Clients of an address come in, and each is answered.
come_in() { # ADDRESS CLIENT...
  local client
  for client in "${@:2}"; do
    connect "$client" "bind=$1,linger=0"
    send "$client" "$WORD $client\n"
    expect "$client" "$WORD $client\n"
  done
}

turned_away() { # ADDRESS CLIENT
  connect "$2" "bind=$1"
  expect_closed "$2"
}

all_leave() { # CLIENT...
  local client
  for client in "$@"; do close "$client"; done
  settle
}

check 1 "A gate for clients" answers \
  "a client gets its line back" \
  "客户端能收回自己发出的一行"
answers() {
  step "A sends a line and gets it back" "A 发出一行并原样收回"
  start
  come_in 127.0.0.1 A
}

check 3 "A gate for clients" limits_one_address \
  "an address has four clients at the most, others have their own" \
  "一个地址最多四个客户端，别的地址另算"
limits_one_address() {
  step "four clients of one address come in, and are answered" "一个地址的四个客户端进来，并得到应答"
  start
  come_in 127.0.0.1 A B C D
  step "the connection of the fifth is closed at once, without a byte" "第五个的连接立刻被关闭，一个字节也不发"
  turned_away 127.0.0.1 E
  step "a client of another address comes in" "另一个地址的客户端能进来"
  come_in "$OTHER" F
  step "those that came in are still answered" "已经进来的仍得到应答"
  send A "again\n"
  expect A "again\n"
}

check 2 "A gate for clients" limits_all \
  "there are six clients at the most, whatever their addresses" \
  "不管地址，最多六个客户端"
limits_all() {
  step "six clients of two addresses come in, and are answered" "两个地址的六个客户端进来，并得到应答"
  start
  come_in 127.0.0.1 A B C
  come_in "$OTHER" D E F
  step "the next one is turned away, whatever its address" "下一个不管什么地址，都被拒绝"
  turned_away 127.0.0.1 G
  turned_away "$THIRD" H
}

check 2 "A gate for clients" frees_places \
  "a place is free again when its client has left or reset its connection" \
  "客户端离开或重置连接后，位置空出来"
frees_places() {
  local round
  start
  for ((round = 1; round <= ROUNDS; round++)); do
    step "round $round: all places are taken, some are turned away, all leave or reset" "第 $round 轮：占满位置，拒绝几个，然后全部离开或重置"
    come_in 127.0.0.1 A B C D
    turned_away 127.0.0.1 E
    come_in "$OTHER" F G
    turned_away "$THIRD" H
    all_leave A B C D F G
  done
  step "two of four leave; two can come in, and no third" "四个走了两个；能再进来两个，第三个不行"
  come_in 127.0.0.1 A B C D
  all_leave B C
  come_in 127.0.0.1 I J
  turned_away 127.0.0.1 K
}

check 1 "A gate for clients" forgets_clients \
  "clients that were turned away hold no descriptor" \
  "被拒绝的客户端不占用描述符"
forgets_clients() {
  step "four clients come in, and two are turned away" "四个客户端进来，两个被拒绝"
  start
  come_in 127.0.0.1 A B C D
  note_resources
  turned_away 127.0.0.1 E
  turned_away 127.0.0.1 F
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
}

check 1 "A gate for clients" ends_well \
  "the program ends at SIGTERM and frees all, with clients connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "clients of two addresses come in, one is turned away, one leaves" "两个地址的客户端进来，拒绝一个，离开一个"
  start
  come_in 127.0.0.1 A B C D
  come_in "$OTHER" F
  turned_away 127.0.0.1 E
  all_leave F
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

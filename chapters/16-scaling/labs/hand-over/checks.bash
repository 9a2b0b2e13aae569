# checks.bash -- two threads, each with a loop; a client belongs to one of them.

lab make 3 40
STILL_MS=$LIMIT_MS # the program sleeps on purpose
: "${WORD:=hello}" "${SLEEP_MS:=900}" "${COUNT:=10}"

check 2 "Hand a client over" in_turn \
  "the workers get new clients in turn" \
  "新客户端轮流分给各个工作线程"
in_turn() {
  local client worker=1
  start
  for client in A B C D; do
    step "$client is answered by worker $worker" "$client 得到工作线程 $worker 的应答"
    connect "$client"
    send "$client" "$WORD\n"
    expect "$client" "$worker $WORD\n"
    worker=$((3 - worker))
  done
  step "later lines are answered by the same worker" "后面的行仍由原来的线程应答"
  send A "again\n"
  expect A "1 again\n"
  send B "again\n"
  expect B "2 again\n"
}

check 3 "Work that blocks" others_go_on \
  "while one worker is blocked, the other one answers, and new clients come to it" \
  "一个工作线程阻塞时，另一个照常应答，也能接到新客户端"
others_go_on() {
  start
  step "A is answered by worker 1, B by worker 2" "A 由工作线程 1 应答，B 由工作线程 2 应答"
  connect A
  send A "$WORD\n"
  expect A "1 $WORD\n"
  connect B
  send B "$WORD\n"
  expect B "2 $WORD\n"
  step "A lets its worker sleep for $SLEEP_MS ms; B is answered before that" "A 让自己的线程睡 $SLEEP_MS 毫秒；B 在那之前得到应答"
  send A "sleep $SLEEP_MS\n"
  send B "again\n"
  expect B "2 again\n"
  has_no_more A
  step "C comes to worker 1, and D to worker 2, which answers before A's sleep is over" "C 分给工作线程 1，D 分给工作线程 2；D 在 A 睡醒之前得到应答"
  connect C
  connect D
  send C "$WORD\n"
  send D "$WORD\n"
  expect D "2 $WORD\n"
  has_no_more A
  step "then A and C are answered too" "之后 A 和 C 也得到应答"
  expect A "1 sleep $SLEEP_MS\n"
  expect C "1 $WORD\n"
  step "the other worker can be blocked as well" "另一个线程也可以阻塞"
  send B "sleep $SLEEP_MS\n"
  send A "again\n"
  expect A "1 again\n"
  has_no_more B
  expect B "2 sleep $SLEEP_MS\n"
}

check 2 "A mailbox: a queue and an eventfd" takes_all \
  "clients that come at the same time are all taken, and those that come while the worker is busy" \
  "同时到来的客户端都能接到，线程忙碌时到来的也一样"
takes_all() {
  local i
  start
  step "$COUNT clients connect while worker 1 is blocked; then all are answered" "工作线程 1 阻塞时有 $COUNT 个客户端连接；之后全部得到应答"
  connect A
  send A "$WORD\n"
  expect A "1 $WORD\n"
  send A "sleep $SLEEP_MS\n"
  for ((i = 0; i < COUNT; i++)); do
    connect "C$i"
    send "C$i" "$WORD $i\n"
  done
  for ((i = 0; i < COUNT; i++)); do
    expect_answer "C$i" "^[12] $WORD $i\$"
  done
  step "$COUNT clients connect while the program is stopped; then all are answered" "程序暂停时有 $COUNT 个客户端连接；之后全部得到应答"
  hold
  for ((i = 0; i < COUNT; i++)); do
    connect "D$i"
  done
  signal CONT
  for ((i = 0; i < COUNT; i++)); do
    send "D$i" "$WORD $i\n"
    expect_answer "D$i" "^[12] $WORD $i\$"
  done
}

check 1 "A mailbox: a queue and an eventfd" sleeps_when_idle \
  "no thread wakes while nothing happens" \
  "没有事的时候，没有线程醒来"
sleeps_when_idle() {
  step "A and B are answered" "A 和 B 得到应答"
  start
  connect A
  connect B
  send A "$WORD\n"
  send B "$WORD\n"
  expect A "1 $WORD\n"
  expect B "2 $WORD\n"
  step "then no thread of the program wakes" "之后程序没有一个线程醒来"
  expect_no_wakeups 300
}

check 1 "Hand a client over" forgets_clients \
  "clients that have left hold no descriptor" \
  "离开的客户端不再占用描述符"
forgets_clients() {
  local i
  step "$COUNT clients connect, are answered, and leave" "$COUNT 个客户端连接、得到应答并离开"
  start
  note_resources
  for ((i = 0; i < COUNT; i++)); do
    connect A
    send A "$WORD\n"
    expect_answer A "^[12] $WORD\$"
    close A
  done
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
}

check 1 "The whole program" ends_well \
  "the program ends at SIGTERM and frees all, with clients at both workers" \
  "两个工作线程都有客户端时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A and B are answered" "A 和 B 得到应答"
  start
  connect A
  connect B
  send A "$WORD\n"
  send B "$WORD\n"
  expect A "1 $WORD\n"
  expect B "2 $WORD\n"
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# The client has got no more than what was expected.
has_no_more() { # CLIENT
  count_bytes "$1"
  ((ARRIVED == AT[$1])) ||
    fail "the other worker was blocked as well" "另一个工作线程也阻塞了"
}

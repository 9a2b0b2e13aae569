# checks.bash -- a server on a socket of its own, which has to listen.

lab mend 1 15
STILL_MS=$LIMIT_MS # when the backlog is full, the kernel tries again after 1 s
: "${COUNT:=12}" "${TIMES:=3}" "${CROWD:=60}"

# The greeting arrives, then the connection is closed.
expect_greeting() { # CLIENT NUMBER
  expect "$1" "hello, client $2\n"
  expect_closed "$1"
}

check 3 "From an address: new_bind" greets \
  "clients can connect, and are greeted" \
  "客户端能够连接，并收到问候"
greets() {
  step "the server says that it listens on 127.0.0.1" "服务器报告正在 127.0.0.1 上监听"
  start
  expect_line '^listening on 127.0.0.1 port [0-9]+$'
  step "A connects, is greeted, and the connection is closed" "A 连接，收到问候，连接随后关闭"
  connect A
  expect_greeting A 1
  step "B is greeted too" "B 也收到问候"
  connect B
  expect_greeting B 2
}

check 2 "When accept fails" is_idle \
  "while no client connects, the program does nothing" \
  "没有客户端连接时，程序什么也不做"
is_idle() {
  step "the server listens" "服务器开始监听"
  start
  step "no client connects: the server is idle" "没有客户端连接：服务器处于空闲"
  expect_idle
  step "nothing is written to standard error" "标准错误上没有任何输出"
  [[ ! -s $WORK/stderr ]] || {
    detail expected ""
    detail came "$(head -n 1 "$WORK/stderr")"
    fail
  }
  step "nothing wakes the server" "没有任何东西唤醒服务器"
  expect_no_wakeups
}

check 2 "From an address: new_bind" many_at_once \
  "many clients that connect at the same moment are all greeted" \
  "许多客户端同时连接，全部收到问候"
many_at_once() {
  local i
  step "$COUNT clients connect while the program is stopped" "程序被暂停期间，$COUNT 个客户端连接"
  start
  hold
  for ((i = 1; i <= COUNT; i++)); do connect "c$i"; done
  step "the program goes on, and greets all of them" "程序继续运行，向所有客户端发送问候"
  signal CONT
  for ((i = 1; i <= COUNT; i++)); do expect_greeting "c$i" "$i"; done
  step "$CROWD clients can wait at the same time" "$CROWD 个客户端可以同时等待"
  expect_backlog "$CROWD"
}

check 1 "The flags" listens_anew \
  "after each SIGHUP the program listens on a new socket, and the old one is closed" \
  "每次 SIGHUP 之后都在新的套接字上监听，旧的已关闭"
listens_anew() {
  local i old
  step "the server listens, and greets a client" "服务器开始监听，并问候一个客户端"
  start
  note_resources
  connect c1
  expect_greeting c1 1
  for ((i = 2; i <= TIMES + 1; i++)); do
    old=$PORT
    step "SIGHUP: the server listens on another port, and a client is greeted there ($((i - 1)))" "SIGHUP：服务器改为监听另一个端口，客户端在那里收到问候（第 $((i - 1)) 次）"
    listen_anew "$i"
    connect "c$i"
    expect_greeting "c$i" "$i"
    step "the old port refuses clients ($((i - 1)))" "旧端口拒绝客户端（第 $((i - 1)) 次）"
    ! (exec 9<>"/dev/tcp/127.0.0.1/$old") 2>/dev/null || fail "clients can still connect to the old port" "客户端仍能连接旧端口"
  done
  step "as many descriptors are open as before" "打开的描述符和之前一样多"
  expect_descriptors_back
}

check 1 "The flags" keeps_its_port \
  "with a given port, the program listens on this port again" \
  "指定了端口时，重新监听的仍是这个端口"
keeps_its_port() {
  step "the server finds a free port, and ends" "服务器找到一个空闲端口，然后结束"
  start
  stop_cleanly
  step "the server is started with this port, and greets a client" "用这个端口重新启动，问候一个客户端"
  start "$PORT"
  OLD=$PORT
  connect A
  expect_greeting A 1
  step "SIGHUP: the server listens on the same port, and greets a client" "SIGHUP：服务器在同一个端口上监听，并问候一个客户端"
  listen_anew 2
  ((PORT == OLD)) || fail "the server listens on another port" "服务器监听的是另一个端口"
  connect B
  expect_greeting B 2
}

# Tell the program to listen anew, and wait for its ready line, the last of the
# lines that this number says.
listen_anew() { # COUNT
  signal HUP
  expect_line "$READY" "$1"
  PORT=$(sed -nE 's/^listening on .* port ([0-9]+)$/\1/p' "$WORK/stdout" | tail -n 1)
}

check 1 "The flags" ends_well \
  "the program ends at SIGTERM and frees all" \
  "收到 SIGTERM 后释放全部资源并退出"
ends_well() {
  find_all_leaks
  watch_allocated
  step "the server greets A, listens on a new socket, and greets B" "服务器问候 A，换一个套接字监听，再问候 B"
  start
  connect A
  expect_greeting A 1
  listen_anew 2
  connect B
  expect_greeting B 2
  note_resources
  step "clients that reset their connections before they are greeted hold nothing" "还没收到问候就以 RST（重置）断开的客户端，什么也不占用"
  break_ungreeted
  step "three more do the same: no memory is held for them" "又有三个这样断开：没有为它们占用内存"
  note_allocated
  break_ungreeted
  expect_allocated_back 3
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# Three clients that have closed before the program sees them.
break_ungreeted() {
  local i
  hold
  for i in 1 2 3; do connect "r$i" linger=0; done
  for i in 1 2 3; do reset "r$i"; done
  signal CONT
  settle
  expect_descriptors_back
}

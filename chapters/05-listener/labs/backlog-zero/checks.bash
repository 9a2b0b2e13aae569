# checks.bash -- a server on a socket of its own, which has to listen.

lab mend 1 15
STILL_MS=$LIMIT_MS # a connection refused for now is tried again in 1 s
: "${COUNT:=12}" "${TIMES:=3}"

# The greeting comes, and then the connection is closed.
expect_greeting() { # CLIENT NUMBER
  expect "$1" "hello, client $2\n"
  expect_closed "$1"
}

check 3 "From an address: new_bind" greets \
  "clients can connect, and are greeted" \
  "客户端能够连接，并收到问候"
greets() {
  step "the server says that it listens" "服务器报告正在监听"
  start
  step "A connects, is greeted, and the connection is closed" "A 连接，收到问候，连接随后关闭"
  connect A
  expect_greeting A 1
  step "so is B" "B 也一样"
  connect B
  expect_greeting B 2
}

check 2 "When accept fails" is_idle \
  "while nobody comes, it does nothing" \
  "没有客户端时，什么也不做"
is_idle() {
  step "the server listens" "服务器开始监听"
  start
  step "nobody comes: the server is idle" "没有客户端到来：服务器处于空闲"
  expect_idle
  step "nothing stands on standard error" "标准错误上没有任何内容"
  [[ ! -s $WORK/stderr ]] || {
    detail expected ""
    detail came "$(head -n 1 "$WORK/stderr")"
    fail
  }
}

check 2 "From an address: new_bind" many_at_once \
  "many who come at the same moment are all greeted" \
  "许多客户端同时到来，全部收到问候"
many_at_once() {
  local i
  step "$COUNT clients connect while the program is stopped" "程序被暂停期间，$COUNT 个客户端连接"
  start
  hold
  for ((i = 1; i <= COUNT; i++)); do connect "c$i"; done
  step "it goes on, and greets them all" "程序继续运行，向所有客户端发送问候"
  signal CONT
  for ((i = 1; i <= COUNT; i++)); do expect_greeting "c$i" "$i"; done
}

check 2 "The flags" listens_anew \
  "SIGHUP makes it listen anew, and nothing of before is left" \
  "SIGHUP 使其重新监听，不留下先前的任何东西"
listens_anew() {
  local i old
  step "the server listens, and greets A" "服务器开始监听，并问候 A"
  start
  note_resources
  old=$PORT
  connect A
  expect_greeting A 1
  step "SIGHUP: it listens on another port" "SIGHUP：服务器改为监听另一个端口"
  listen_anew 2
  step "B is greeted there" "B 在新端口上收到问候"
  connect B
  expect_greeting B 2
  step "the old port takes nobody" "旧端口不再接受任何客户端"
  ! (exec 9<>"/dev/tcp/127.0.0.1/$old") 2>/dev/null || fail "it can still be connected to" "旧端口仍然能连接"
  step "after $TIMES SIGHUPs as many descriptors are open as before" "收到 $TIMES 次 SIGHUP 之后，打开的描述符和之前一样多"
  for ((i = 2; i <= TIMES; i++)); do listen_anew $((i + 1)); done
  expect_descriptors_back
}

# Tell it to listen anew, and wait for its ready line, which is this one of all.
listen_anew() { # COUNT
  signal HUP
  expect_line "$READY" "$1"
  PORT=$(sed -nE 's/^listening on .* port ([0-9]+)$/\1/p' "$WORK/stdout" | tail -n 1)
}

check 1 "How it works" ends_well \
  "it ends at SIGTERM and frees all" \
  "收到 SIGTERM 后释放全部资源并退出"
ends_well() {
  find_all_leaks
  step "the server greets A, listens anew, and greets B" "服务器问候 A，重新监听，再问候 B"
  start
  connect A
  expect_greeting A 1
  listen_anew 2
  connect B
  expect_greeting B 2
  step "SIGTERM ends it with status 0; nothing leaks" "SIGTERM 使其以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# checks.bash -- free everything at the end, and use nothing after it is freed.

lab mend 1 20
: "${FIRST:=hello}" "${SECOND:=again}" "${COUNT:=4}"

# Build the program once more without the sanitizer, so that it uses glibc's malloc.
# With this variable each free returns its page to the kernel at once: reading it
# afterwards crashes, also inside libevent.
without_sanitizer() {
  mkdir -p "$FOLDER/plain"
  ((EUID != 0)) || chown "$OTHER_USER" "$FOLDER/plain"
  [[ -x $FOLDER/plain/$NAME ]] || compile "plain/$NAME" -w -O1 || fail "the program does not compile without the sanitizer" "程序不带 sanitizer 时编译失败"
  PROGRAM=${PROGRAM%/*}/plain/$NAME
  ENVIRONMENT+=(MALLOC_MMAP_THRESHOLD_=0)
}

check 1 "Finish a connection" echoes \
  "clients get their lines back" \
  "客户端能收回自己发出的行"
echoes() {
  step "the server listens" "服务器开始监听"
  start
  step "A and B each get their line back" "A、B 各自收回自己的一行"
  connect A
  connect B
  send A "$FIRST\n" && expect A "$FIRST\n"
  send B "$SECOND\n" && expect B "$SECOND\n"
  step "A half-closes, and its connection is closed; B still gets answers" "A 半关闭，连接被关闭；B 仍有应答"
  half_close A
  expect_closed A
  send B "$FIRST\n" && expect B "$FIRST\n"
}

check 2 "A signal event" ends_at_sigterm \
  "SIGTERM ends the program without clients" \
  "没有客户端时，SIGTERM 使程序正常退出"
ends_at_sigterm() {
  step "the server listens; freed memory becomes inaccessible at once" "服务器开始监听；内存一释放就不可访问"
  without_sanitizer
  start
  step "SIGTERM ends the program with status 0" "SIGTERM 使程序以退出码 0 结束"
  stop_cleanly TERM
  step "the last line is \"done\"" "最后一行输出是 done"
  expect_line '^served 0 clients$'
  expect_line '^done$'
}

check 1 "A signal event" ends_at_sigint \
  "so does SIGINT, which is Ctrl-C" \
  "SIGINT（即 Ctrl-C）也一样"
ends_at_sigint() {
  step "the server listens; freed memory becomes inaccessible at once" "服务器开始监听；内存一释放就不可访问"
  without_sanitizer
  start
  step "SIGINT ends the program with status 0" "SIGINT 使程序以退出码 0 结束"
  stop_cleanly INT
  step "the last line is \"done\"" "最后一行输出是 done"
  expect_line '^served 0 clients$'
  expect_line '^done$'
}

some_clients() {
  local i
  for ((i = 1; i <= COUNT; i++)); do
    connect "c$i"
    send "c$i" "$FIRST $i\n"
    expect "c$i" "$FIRST $i\n"
  done
}

check 3 "Finish a connection" ends_with_clients \
  "both signals end the program with clients connected" \
  "有客户端连接时，两种信号也都能使程序正常退出"
ends_with_clients() {
  local signal
  without_sanitizer
  for signal in TERM INT; do
    step "$COUNT clients connect and get answers" "$COUNT 个客户端连接并得到应答"
    start
    some_clients
    step "SIG$signal ends the program with status 0, after \"done\"" "收到 SIG$signal 后，程序输出 done，并以退出码 0 结束"
    stop_cleanly "$signal"
    expect_line "^served $COUNT clients\$"
    expect_line '^done$'
  done
}

check 2 "Check yourself" frees_all \
  "at the end all memory is freed" \
  "结束时内存全部释放"
frees_all() {
  find_all_leaks
  step "without clients, nothing leaks at SIGTERM" "没有客户端时收到 SIGTERM，没有泄漏"
  start
  stop_cleanly TERM
  step "$COUNT clients connect and get answers; one leaves" "$COUNT 个客户端连接并得到应答，其中一个离开"
  start
  some_clients
  close c1
  step "D does not read, and its answer waits" "D 不读取，应答还没发完"
  head -c 8M /dev/zero >"$WORK/message"
  send_unread D "$WORK/message"
  settle
  step "now too, nothing leaks at SIGTERM" "这时收到 SIGTERM，也没有泄漏"
  stop_cleanly TERM
  expect_line '^done$'
}

check 1 "Finish a connection" clients_leave \
  "clients that have left hold nothing" \
  "离开的客户端不占任何资源"
clients_leave() {
  local i
  find_all_leaks
  watch_allocated
  step "the server listens" "服务器开始监听"
  start
  note_resources
  step "$COUNT clients connect, get answers, and leave" "$COUNT 个客户端连接、得到应答并离开"
  some_clients
  for ((i = 1; i <= COUNT; i++)); do close "c$i"; done
  step "others reset their connections, and D leaves with its answer unread" "另一些以 RST（重置）断开，D 不读应答就离开"
  reset_many 3 "$FIRST\n"
  head -c 8M /dev/zero >"$WORK/message"
  send_unread D "$WORK/message"
  settle
  close D
  expect_descriptors_back
  step "five more reset their connections: no memory is held for them" "又有五个以 RST 断开：没有为它们占用内存"
  note_allocated
  reset_many 5 "$FIRST\n"
  expect_descriptors_back
  expect_allocated_back 5
  step "no descriptor stays open, and nothing wakes the server" "没有留下打开的描述符，没有任何东西唤醒服务器"
  expect_descriptors_back
  expect_idle
  expect_no_wakeups 400
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

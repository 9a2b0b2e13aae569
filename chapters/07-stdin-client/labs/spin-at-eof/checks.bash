# checks.bash -- at the end of input: no more reading, half-close, the rest of the answers.

lab mend 2 30
: "${FIRST:=one}" "${SECOND:=two}" "${LAST:=the last answer}" "${REST:=20000}" "${PIECE:=81920}" "${MUCH:=6000000}" "${SEED:=1}"

# The program is a client: play its server.
call() {
  step "the client connects" "客户端发起连接"
  listen S
  launch "$PORT"
  accepted S
}

# The server gets the client's end of file.
expect_end() {
  until_true is_closed S || fail "the server does not learn that the input has ended" "服务器不知道输入已经结束"
  expect_nothing_left S
}

# The output so far is this file.
expect_printed() { # FILE
  until_true has_printed "$1" || true
  same_bytes "$1" "$WORK/stdout" S || fail
}

has_printed() { # FILE
  (($(stat -c %s "$WORK/stdout") >= $(stat -c %s "$1"))) || has_ended "$RUN"
}

# A server whose kernel accepts few bytes: a small window of small segments.
call_narrow() {
  peer S "TCP-LISTEN:0,bind=127.0.0.1,reuseaddr,rcvbuf=1024,mss=536"
  until_true grep -q -e 'listening on' -e ' E ' "$WORK/S.log"
  PORT=$(sed -nE 's/.*listening on .*:([0-9]+)$/\1/p' "$WORK/S.log")
  launch "$PORT"
  accepted S
}

# Bytes of the connection that are in the kernel, on either side: proc_net_tcp(5).
held() {
  local line lines near far queues port sum=0
  port=$(printf '%04X' "$PORT")
  mapfile -t lines </proc/net/tcp # at once: it is made anew for each seek of `read`
  for line in "${lines[@]}"; do
    read -r _ near far _ queues _ <<<"$line"
    [[ $near != *:"$port" && $far != *:"$port" ]] || sum=$((sum + 16#${queues%:*} + 16#${queues#*:}))
  done
  echo "$sum"
}

# Type until some of the input has to wait in the program.
type_too_much() {
  local typed=0
  : >"$WORK/typed"
  while ((typed < 50 * PIECE && typed <= $(held))); do
    make_lines "$WORK/piece" "$PIECE"
    timeout $((LIMIT_MS * PATIENCE / 10000)) cat "$WORK/piece" >&"$STDIN" || fail "the program does not read its standard input" "程序没有读取标准输入"
    cat "$WORK/piece" >>"$WORK/typed"
    typed=$((typed + PIECE))
    expect_rest
  done
}

# All typed input arrives at the server.
all_typed_comes() {
  local size
  size=$(stat -c %s "$WORK/typed")
  until_more S $((AT[S] + size))
  cmp -s -n "$size" -i "0:${AT[S]}" "$WORK/typed" "$WORK/S.out" || fail "not all of the input has arrived at the server" "服务器没有收到全部输入"
  # shellcheck disable=SC2034 # all of it was expected
  AT[S]=$(size_of S)
}

check 1 "Standard input to the server" answers \
  "typed input is sent to the server, and the server's answers are printed" \
  "输入的内容发给服务器，服务器的应答打印出来"
answers() {
  local i LIMIT_MS=8000 STILL_MS=8000
  call
  step "a typed line arrives at the server" "输入的一行送到服务器"
  type_in "$FIRST\n"
  expect S "$FIRST\n"
  step "the client prints the answer" "客户端打印应答"
  send S "$SECOND\n"
  expect_line "^$SECOND\$"
  step "while nothing is typed, the client sleeps" "没有输入时，客户端处于休眠"
  expect_rest
  listen S 0 rcvbuf=65536
  launch "$PORT"
  accepted S
  make_lines "$WORK/typed" "$MUCH"
  for i in 1 2; do
    step "the server does not read while $MUCH bytes are typed; then it reads, and gets all of them ($i)" "输入 $MUCH 字节期间服务器不读，后来又读，全部收到（第 $i 次）"
    pause S
    cat "$WORK/typed" >&"$STDIN" &
    WRITER=$!
    until_true writer_waits || fail
    resume S
    all_typed_comes
  done
}

# Whether the typing process has finished, or waits for the program to read.
writer_waits() {
  has_ended "$WRITER" || stays_asleep "$WRITER"
}

check 2 "What goes wrong" rests \
  "after the end of input the client sleeps" \
  "输入结束之后，客户端处于休眠"
rests() {
  fast_clock 60
  call
  step "a typed line arrives at the server" "输入的一行送到服务器"
  type_in "$FIRST\n"
  expect S "$FIRST\n"
  step "the input ends; the server still works, and the client waits without using the processor" "输入结束；服务器还在工作，客户端等待时不占用处理器"
  end_input
  expect_rest
  step "an answer wakes the client once" "一条应答只唤醒客户端一次"
  send S "$SECOND\n"
  expect_line "^$SECOND\$"
  expect_rest
  step "nothing else wakes the client for a minute (the clock runs fast)" "此外一分钟内没有任何东西唤醒客户端（时钟调快）"
  expect_no_wakeups
  step "the client prints one more answer, and ends when the server closes" "客户端再打印一条应答，服务器关闭连接后结束"
  send S "$SECOND\n"
  expect_line "^$SECOND\$" 2
  half_close S
  expect_exit 0
}

check 2 "End of input: half-close" server_knows \
  "the server learns that the input has ended" \
  "服务器得知输入已经结束"
server_knows() {
  call
  step "two lines arrive at the server" "两行送到服务器"
  type_in "$FIRST\n$SECOND\n"
  expect S "$FIRST\n$SECOND\n"
  step "this direction of the connection stays open until the input ends" "输入没有结束，连接的这个方向就一直开着"
  expect_rest
  expect_open S
  step "the input ends, and the server sees the end" "输入结束，服务器随即得知"
  end_input
  expect_end
  step "the client waits for its answer" "客户端等待服务器的应答"
  expect_rest
}

check 2 "The end" rest_of_answers \
  "the client prints answers that arrive later, and ends with status 0 after the last" \
  "之后到达的应答照样打印，收完最后一条才以退出码 0 结束"
rest_of_answers() {
  find_all_leaks
  call
  step "a line arrives at the server, then the input ends" "一行送到服务器，然后输入结束"
  type_in "$FIRST\n"
  expect S "$FIRST\n"
  end_input
  expect_end
  step "a long answer that arrives now is printed whole" "这时才到达的长应答完整打印"
  make_lines "$WORK/all" "$REST"
  send_file S "$WORK/all"
  expect_printed "$WORK/all"
  step "so is one more answer; then the server closes" "再来一条也是；然后服务器关闭连接"
  send S "$LAST\n"
  printf '%b' "$LAST\n" >>"$WORK/all"
  expect_printed "$WORK/all"
  half_close S
  step "the client ends with status 0; nothing leaks" "客户端以退出码 0 结束，没有泄漏"
  expect_exit 0
}

check 2 "End of input: half-close" drains_first \
  "all waiting data is sent before the half-close" \
  "先发完等待的数据，再半关闭"
drains_first() {
  local LIMIT_MS=4000 STILL_MS=4000
  environment EVENT_NOEPOLL=1 # so that the engine knows the calls of poll
  step "the server does not read, until more is typed than the kernel accepts" "服务器不读；不断输入，直到内核放不下"
  call_narrow
  type_in "$FIRST\n"
  expect S "$FIRST\n"
  pause S
  watch_blocking
  type_too_much
  step "the input ends, and the client waits without using the processor" "输入结束，客户端等待时不占用处理器"
  end_input
  expect_rest
  nap "$((PATIENCE * 6 / 100)).$((PATIENCE * 6 % 100 / 10))"
  expect_not_blocked
  step "the server reads on, and gets all of the input" "服务器继续读，收到全部输入"
  resume S
  all_typed_comes
  step "then the server sees the end" "然后服务器得知输入结束"
  expect_end
  step "the server's answer is printed, and the client ends with status 0" "服务器的应答打印出来，客户端以退出码 0 结束"
  send S "$LAST\n"
  half_close S
  expect_exit 0
  expect_output "$LAST\n"
  step "the connection breaks before all was sent: the client ends with status 1" "还没发完连接就断开：客户端以退出码 1 结束"
  call_narrow
  pause S
  type_too_much
  end_input
  close S
  expect_exit 1
}

check 1 "The end" no_input \
  "the same without any input" \
  "一个字节都没有输入，也是如此"
no_input() {
  find_all_leaks
  call
  step "the input ends at once, and the server sees the end" "输入立刻结束，服务器随即得知"
  end_input
  expect_end
  step "the server sends a last line and closes; the client ends with status 0" "服务器发出最后一行，然后关闭连接；客户端以退出码 0 结束"
  send S "$LAST\n"
  half_close S
  expect_exit 0
  expect_output "$LAST\n"
}

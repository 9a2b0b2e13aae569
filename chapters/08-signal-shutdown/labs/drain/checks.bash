# checks.bash -- a server finishes the requests that have begun, then ends.
# shellcheck disable=SC2034 # variables of the engine

lab make 3 60
STILL_MS=$LIMIT_MS # the program has timers
: "${BYTES:=6000000}" "${WAIT:=800}" "${COUNT:=3}" "${SHORT:=300}"
LONG=60000 # milliseconds: no check may have to wait so long

# Only a few attempts: a client that is not refused fills the backlog, and the next
# one has to wait.
expect_refused() {
  local i
  for ((i = 0; i < 10; i++)); do
    { : <>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || return 0
    nap 0.1
  done
  fail "a new client can still connect" "新客户端仍能连接"
}

# A client that may send, but reads nothing before wake.
sleeper() { # CLIENT
  local fd
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  TO[$1]=$fd AT[$1]=0 CLIENT[$1]=
  : >"$WORK/$1.out"
}

wake() { # CLIENT
  cat <&"${TO[$1]}" >"$WORK/$1.out" 2>"$WORK/$1.log" &
  CLIENT[$1]=$!
}

# Like expect_file, but the report does not say where the output ends, nor whether
# the program is about to end: both depend on chance.
expect_all() { # CLIENT FILE
  local size
  size=$(stat -c %s "$2")
  until_more "$1" "$size"
  (($(size_of "$1") >= size)) || until_true has_ended "$RUN" || true
  ! grep -q 'reset' "$WORK/$1.log" || fail "the connection was reset, and the end of the answer was lost" "连接因 RST（重置）断开，丢失了应答的末尾"
  (($(size_of "$1") >= size)) || fail "only a part of the answer arrived" "只收到应答的一部分"
  expect_file "$@"
}

# The program prints these as its last lines and ends with status 0.
expect_end() { # CUT-OFF
  expect_exit 0
  expect_line "^cut off $1\$"
}

check 1 "Stop" serves \
  "the server answers each client's requests one after the other" \
  "逐个应答每个客户端的请求"
serves() {
  local began word
  step "A sends three requests at once and ends its input" "A 一次发出三个请求，随即结束输入"
  start
  connect A
  send A 'wait 20\ndata 5\nhello\n'
  half_close A
  step "A gets three answers in order, and the connection ends" "A 依次收到三个应答，连接结束"
  expect A 'waited 20\n00000\nunknown request\n'
  expect_closed A
  step "a number that is too large or too small, or not a number, is an unknown request" "数字过大、过小或不是数字，都是未知请求"
  connect F
  for word in 'wait 600001' 'wait -1' 'wait' 'data 0' 'data 16777217' 'data 5x'; do
    send F "$word\n"
    expect F 'unknown request\n'
  done
  step "a line of 100 bytes is a request, a line of 101 bytes ends the connection; so do 101 bytes without a newline" "100 字节的行是请求，101 字节的行使连接断开；101 字节没有换行也一样"
  send F "$(printf '%0100d' 1)\n"
  expect F 'unknown request\n'
  send F "$(printf '%0101d' 1)\n"
  expect_closed F
  connect G
  send G "$(printf '%0101d' 1)"
  expect_closed G
  step "B gets an answer while C waits" "C 等待期间，B 得到应答"
  connect C
  send C "wait $LONG\n"
  expect_line "^begun: wait $LONG\$"
  connect B
  send B 'data 3\n'
  expect B '000\n'
  step "while C waits, nothing wakes the server" "C 等待期间，没有任何东西唤醒服务器"
  expect_no_wakeups 400
  step "D is silent for a minute and is dropped (the clock runs fast)" "D 沉默一分钟，被断开（时钟调快）"
  fast_clock $((600 / PATIENCE)) # a minute is a second then, or longer
  LIMIT_MS=8000 STILL_MS=8000
  start
  now_ms
  began=$MS
  connect D
  sleeper E
  echo "data $BYTES" >&"${TO[E]}"
  expect_line "^begun: data $BYTES\$"
  expect_closed D
  now_ms
  ((MS - began >= 90 * PATIENCE)) || fail "D was dropped in less than a minute" "不到一分钟就断开了 D"
  step "E has not read its answer all this time: it is not dropped, and gets all of it" "E 这段时间一直没有读应答：没有被断开，并收到完整的应答"
  { head -c "$BYTES" /dev/zero | tr '\0' 0 && echo; } >"$WORK/answer"
  wake E
  expect_all E "$WORK/answer"
}

check 1 "Stop" refuses \
  "after SIGTERM new clients are refused" \
  "收到 SIGTERM 后拒绝新客户端"
refuses() {
  step "A waits for an answer" "A 在等应答"
  start 0 "$LONG"
  connect A
  send A "wait $LONG\n"
  expect_line "^begun: wait $LONG\$"
  step "SIGTERM: the server drains" "收到 SIGTERM：开始排空"
  signal TERM
  expect_line '^draining 1$'
  step "a new client is refused, and A is still connected" "新客户端被拒绝，而 A 仍连着"
  expect_refused
  expect_open A
}

check 1 "Stop" idle_clients \
  "idle clients get \"bye\", and the program ends when the last has left" \
  "空闲的客户端收到 bye；最后一个离开后程序结束"
idle_clients() {
  local i
  step "without clients SIGTERM ends the program at once" "没有客户端时，收到 SIGTERM 立即结束"
  start 0 "$LONG"
  signal TERM
  expect_end 0
  expect_line '^draining 0$'
  step "$COUNT clients connect; the first asked for something, the last is in the middle of a line" "$COUNT 个客户端连接；第一个提过请求，最后一个的一行才发了一半"
  start 0 "$LONG"
  for ((i = 1; i <= COUNT; i++)); do connect "c$i"; done
  send "c$COUNT" "data 1\nwai"
  expect "c$COUNT" '0\n'
  send c1 'data 2\n'
  expect c1 '00\n'
  step "SIGTERM: each gets \"bye\", and nothing follows" "收到 SIGTERM：每个都收到 bye，此后再无内容"
  signal TERM
  expect_line "^draining $COUNT\$"
  for ((i = 1; i <= COUNT; i++)); do
    expect "c$i" 'bye\n'
    expect_closed "c$i"
  done
  step "when all have closed too, the program ends: \"cut off 0\"" "客户端也都关闭后，程序输出 cut off 0 并结束"
  for ((i = 1; i <= COUNT; i++)); do half_close "c$i"; done
  expect_end 0
}

check 2 "Finish a connection" answers_what_has_begun \
  "a client that waits for an answer gets it, then \"bye\"" \
  "正在等应答的客户端先收到应答，再收到 bye"
answers_what_has_begun() {
  step "A waits for an answer, B is idle" "A 在等应答，B 空闲"
  start 0 "$LONG"
  connect A
  connect B
  send B 'data 4\n'
  expect B '0000\n'
  send A "wait $WAIT\n"
  expect_line "^begun: wait $WAIT\$"
  step "SIGTERM: A gets its answer, then \"bye\", then the end" "收到 SIGTERM：A 先收到应答，再收到 bye，然后连接结束"
  signal TERM
  expect A "waited $WAIT\nbye\n"
  expect_closed A
  step "B got \"bye\" too" "B 也收到了 bye"
  expect B 'bye\n'
  expect_closed B
  step "when both have closed, the program ends: \"cut off 0\"" "两者都关闭后，程序输出 cut off 0 并结束"
  half_close A
  half_close B
  expect_end 0
}

check 2 "Finish a connection" slow_reader \
  "a slow reader gets all of a large answer, and nothing after \"bye\"" \
  "读得慢的客户端能收全大应答，bye 之后再无内容"
slow_reader() {
  { head -c "$BYTES" /dev/zero | tr '\0' 0 && printf '\nbye\n'; } >"$WORK/answer"
  step "A requests $BYTES bytes, does not read them, and sends more requests; B is idle" "A 请求 $BYTES 字节却不读，又发了别的请求；B 空闲"
  start 0 "$LONG"
  connect B
  sleeper A
  printf 'data %s\ndata 7\n' "$BYTES" >"$WORK/requests"
  cat "$WORK/requests" >&"${TO[A]}" # in one piece, which printf's are not
  expect_line "^begun: data $BYTES\$"
  send A 'data 8\n'
  step "SIGTERM: the server drains, and B gets \"bye\"" "收到 SIGTERM：开始排空，B 收到 bye"
  signal TERM
  expect_line '^draining 2$'
  expect B 'bye\n'
  step "A reads, and gets the whole answer and \"bye\"" "A 开始读，收到完整应答和 bye"
  wake A
  expect_all A "$WORK/answer"
  step "A's other requests are not answered any more" "A 的其余请求不再得到应答"
  expect_closed A
  step "when both have closed too, the program ends: \"cut off 0\"" "两者也都关闭后，程序输出 cut off 0 并结束"
  half_close A
  half_close B
  expect_end 0
}

check 1 "Stop" keeps_the_limit \
  "at the limit the program ends, and cuts off the clients that are left" \
  "到了时限程序就结束，切断剩下的客户端"
keeps_the_limit() {
  local began
  step "A waits for an answer, B is idle; the limit is $SHORT ms" "A 在等应答，B 空闲；时限 $SHORT 毫秒"
  start 0 "$SHORT"
  connect A
  send A "wait $LONG\n"
  expect_line "^begun: wait $LONG\$"
  connect B
  send B 'data 1\n'
  expect B '0\n'
  step "SIGTERM: B gets \"bye\", but does not close" "收到 SIGTERM：B 收到 bye，但不关闭"
  now_ms
  began=$MS
  signal TERM
  expect B 'bye\n'
  expect_closed B
  step "at the limit, not before, the program ends: \"cut off 2\"" "到了时限（不提前），程序输出 cut off 2 并结束"
  expect_end 2
  now_ms
  ((MS - began >= SHORT * 9 / 10)) || fail "the program ended before the limit" "还没到时限程序就结束了"
}

check 1 "Stop" ends_at_the_second_signal \
  "a second signal ends the program at once" \
  "第二个信号使程序立即结束"
ends_at_the_second_signal() {
  step "A waits for an answer, B is idle; SIGINT: the server drains" "A 在等应答，B 空闲；收到 SIGINT，开始排空"
  start 0 "$LONG"
  connect A
  send A "wait $LONG\n"
  expect_line "^begun: wait $LONG\$"
  note_resources
  connect B
  send B 'data 1\n'
  expect B '0\n'
  signal INT
  expect_line '^draining 2$'
  step "B gets \"bye\" and closes; A still waits" "B 收到 bye 并关闭；A 仍在等"
  expect B 'bye\n'
  half_close B
  DESCRIPTORS=$((DESCRIPTORS - 1)) # the listener's
  expect_descriptors_back
  expect_nothing_left A
  expect_open A
  step "SIGTERM ends the program: \"cut off 1\"" "再收到 SIGTERM，程序输出 cut off 1 并结束"
  signal TERM
  expect_end 1
}

check 1 "What goes wrong" clients_vanish \
  "clients that vanish during the drain do not delay it, and hold nothing" \
  "排空期间消失的客户端不会耽误程序结束，也不占用任何资源"
clients_vanish() {
  find_all_leaks
  watch_allocated
  step "during normal service, clients get answers and reset their connections: nothing is held for them" \
    "正常服务期间，一些客户端得到应答后以 RST（重置）断开：没有为它们占用任何资源"
  start 0 "$LONG"
  note_resources
  reset_many 2 'data 1\n'
  expect_descriptors_back
  note_allocated
  reset_many 5 'data 1\ndata 20\n'
  expect_descriptors_back
  expect_allocated_back 5
  step "A and B wait for answers, C is idle" "A、B 在等应答，C 空闲"
  connect A linger=0
  connect B
  connect C linger=0
  send A "wait $SHORT\n"
  send B "wait $SHORT\n"
  expect_line "^begun: wait $SHORT\$" 2
  send C 'data 1\n'
  expect C '0\n'
  step "SIGTERM: the server drains; all three vanish, A and C by a reset" "收到 SIGTERM，开始排空；三个都消失，其中 A、C 以 RST 断开"
  signal TERM
  expect_line '^draining 3$'
  reset C
  reset A
  close B
  step "the program ends: \"cut off 0\"; the sanitizer reports nothing" "程序输出 cut off 0 并结束，sanitizer 没有任何报告"
  expect_end 0
}

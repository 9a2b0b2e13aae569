# checks.bash -- a child needs a back end of its own.

lab mend 3 40
: "${TEXT:=banana}" "${MORE:=a panda}" "${LETTER:=a}"

ASK=${LETTER^}

answer_to() { # TEXT...: what the server answers when all these were sent
  local text="$*"
  text=${text//[^$LETTER]/}
  printf '%s %s%s' "$LETTER" "${#text}" '\n'
}

has_child() {
  CHILD=$(cat "/proc/$PID/task/$PID/children" 2>/dev/null) || CHILD=
  CHILD=${CHILD%% *}
  [[ $CHILD ]]
}

has_no_child() {
  ! has_child
}

# A and B connect; A sends the text and becomes frozen.
freeze() {
  start
  connect A
  connect B
  send A "$TEXT$ASK"
  expect A "$(answer_to "$TEXT")"
  send B "$ASK"
  expect B "$(answer_to "$TEXT")"
  send A '!'
  expect A 'frozen\n'
}

check 1 "One round of the loop" counts \
  "the letters of all clients are counted" \
  "所有客户端的字母都被计数"
counts() {
  step "A sends letters and asks how many there are" "A 发送字母并询问个数"
  start
  connect A
  send A "$TEXT$ASK"
  expect A "$(answer_to "$TEXT")"
  step "B sends more and asks" "B 再发一些并询问"
  connect B
  send B "$MORE$ASK"
  expect B "$(answer_to "$TEXT$MORE")"
}

check 3 "What goes wrong" others_are_heard \
  "the other clients get answers while a client is frozen" \
  "一个客户端被冻结时，其他客户端仍能得到应答"
others_are_heard() {
  step "A and B connect and get answers; A becomes frozen" "A、B 连接并得到应答；A 被冻结"
  freeze
  step "B sends letters, asks, and gets an answer" "B 发送字母并询问，得到应答"
  send B "$MORE$ASK"
  expect B "$(answer_to "$TEXT$MORE")"
}

check 1 "What goes wrong" newcomer_is_heard \
  "a new client gets answers while another is frozen" \
  "有客户端被冻结时，新来的客户端也能得到应答"
newcomer_is_heard() {
  step "A and B connect and get answers; A becomes frozen" "A、B 连接并得到应答；A 被冻结"
  freeze
  step "C connects, asks, and gets an answer" "C 连接并询问，得到应答"
  connect C
  send C "$ASK"
  expect C "$(answer_to "$TEXT")"
}

check 1 "After fork" frozen_sees_the_past \
  "a frozen client sees the counts as they were" \
  "被冻结的客户端看到的是当时的计数"
frozen_sees_the_past() {
  step "A becomes frozen, then B sends letters" "A 被冻结，之后 B 发送字母"
  freeze
  send B "$MORE$ASK"
  expect B "$(answer_to "$TEXT$MORE")"
  step "A asks, and its count is without these letters" "A 询问，得到的计数不含这些字母"
  send A "$ASK"
  expect A "$(answer_to "$TEXT")"
  step "B becomes frozen too, and A sends letters" "B 也被冻结，之后 A 发送字母"
  send B '!'
  expect B 'frozen\n'
  send A "$LETTER$ASK"
  expect A "$(answer_to "$TEXT$LETTER")"
  step "each of them sees its own counts" "双方看到的都是自己的计数"
  send B "$ASK"
  expect B "$(answer_to "$TEXT$MORE")"
}

check 1 "After fork" many_are_frozen \
  "many clients can be frozen, and a frozen client can be frozen again" \
  "许多客户端都能被冻结，被冻结的还能再冻结一次"
many_are_frozen() {
  local i text=$TEXT
  # shellcheck disable=SC2034 # for scripts/labs/check
  MAX_PROCESSES=40
  step "12 clients become frozen, one after the other, each after one more letter" "12 个客户端先后被冻结，每次冻结前多发一个字母"
  start
  connect A
  send A "$TEXT"
  for i in {1..12}; do
    connect "f$i"
    text+=$LETTER
    send "f$i" "$LETTER!"
    expect "f$i" 'frozen\n'
  done
  step "each gets the counts of the moment when it was frozen" "各自收到的是自己被冻结时的计数"
  text=$TEXT
  for i in {1..12}; do
    text+=$LETTER
    send "f$i" "$ASK"
    expect "f$i" "$(answer_to "$text")"
  done
  step "A, which is not frozen, sees all letters; B connects and gets an answer" "A 没被冻结，看到全部字母；B 连接，得到应答"
  send A "$ASK"
  expect A "$(answer_to "$text")"
  connect B
  send B "$ASK"
  expect B "$(answer_to "$text")"
  step "the last client is frozen again, and still gets an answer" "最后一个再次被冻结，仍能得到应答"
  send f12 "$LETTER!"
  expect f12 'frozen\n'
  send f12 "$ASK"
  expect f12 "$(answer_to "$text$LETTER")"
  step "no client sends: server and children sleep, and do not wake up" "没有客户端发送：服务器和子进程都休眠，不会醒来"
  expect_no_wakeups
}

check 1 "After fork" leaver_sees_the_end \
  "a client that leaves sees its connection end, even while another client is frozen" \
  "即使另一个客户端被冻结，离开的客户端也能看到连接结束"
leaver_sees_the_end() {
  step "A becomes frozen" "A 被冻结"
  freeze
  step "B sends no more; the server closes B's connection" "B 不再发送；服务器关闭 B 的连接"
  half_close B
  expect_closed B
}

check 1 "After fork" child_ends \
  "the child ends with its client, and no resources of either are left" \
  "子进程随客户端一起结束，两者都不再占用任何资源"
child_ends() {
  watch_allocated
  step "the server listens" "服务器开始监听"
  start
  note_resources
  step "A becomes frozen; there is a child for it" "A 被冻结；有一个子进程为它服务"
  connect A
  send A "$TEXT!"
  expect A 'frozen\n'
  until_true has_child || fail "the program has no child" "程序没有子进程"
  step "A leaves, and the child ends" "A 离开，子进程结束"
  close A
  until_true has_no_child || fail "the child is still there" "子进程仍然存在"
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
  step "B is frozen, then resets its connection: its child ends too" "B 被冻结后以 RST（重置）断开：它的子进程同样结束"
  frozen_reset B
  step "C and D do the same, E and F reset without being frozen: no memory is held for them" \
    "C、D 也是如此，E、F 没被冻结就以 RST 断开：没有为它们占用内存"
  reset_many 2 "$TEXT"
  expect_descriptors_back
  note_allocated
  frozen_reset C
  frozen_reset D
  reset_many 2 "$TEXT"
  expect_descriptors_back
  expect_allocated_back 4
}

frozen_reset() { # CLIENT
  connect "$1" linger=0
  send "$1" "$TEXT!"
  expect "$1" 'frozen\n'
  until_true has_child || fail "the program has no child" "程序没有子进程"
  reset "$1"
  until_true has_no_child || fail "the child is still there" "子进程仍然存在"
  expect_descriptors_back
}

check 1 "After fork" signals_are_apart \
  "a signal for the child does not reach the server; SIGTERM ends both cleanly" \
  "发给子进程的信号不影响服务器；SIGTERM 使两者都妥善结束"
signals_are_apart() {
  find_all_leaks
  step "A becomes frozen; there is a child for it" "A 被冻结；有一个子进程为它服务"
  freeze
  until_true has_child || fail "the program has no child" "程序没有子进程"
  step "the child gets SIGTERM, and A's connection ends" "子进程收到 SIGTERM，A 的连接结束"
  kill -TERM "$CHILD"
  expect_closed A
  step "B still gets an answer" "B 仍能得到应答"
  send B "$ASK"
  until_true has_come B $((AT[B] + 3))
  if is_closed B; then
    until_true has_ended "$RUN" || true
    fail "the child's signal reached the server too" "发给子进程的信号，服务器也收到了"
  fi
  expect B "$(answer_to "$TEXT")"
  step "SIGTERM ends the server with status 0; nothing leaks" "SIGTERM 使服务器以退出码 0 结束，没有泄漏"
  stop_cleanly
}

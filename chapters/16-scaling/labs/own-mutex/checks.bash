# checks.bash -- two threads and their locks: nobody waits for ever, and nothing is lost.

lab mend 3 25
STILL_MS=$LIMIT_MS # the program has a thread that ticks
: "${COUNT:=50}" "${TICKS:=20}"

check 3 "Why a bufferevent stays in its thread" answers_all \
  "every line is answered, though the other thread ticks" \
  "另一个线程不停报时，每一行仍都得到应答"
answers_all() {
  local i
  step "A sends $COUNT lines, one after the other, and each is answered by its number" "A 依次发出 $COUNT 行，每行都得到它的序号"
  start
  connect A
  for ((i = 1; i <= COUNT; i++)); do
    send A "hello\n"
    gets A "line $i"
  done
}

check 2 "Why a bufferevent stays in its thread" ticks_all \
  "every client gets every tick, without a gap" \
  "每个客户端都收到每一次报时，没有缺口"
ticks_all() {
  local i
  step "A and B get $TICKS ticks, while A sends lines" "A 发送各行的同时，A 和 B 各收到 $TICKS 次报时"
  start
  connect A
  connect B
  for ((i = 1; i <= TICKS; i++)); do
    send A "hello\n"
    gets A "line $i"
  done
  for client in A B; do
    until_true has_ticks "$client" || has_ticks "$client" ||
      fail "the ticks do not go on" "报时没有继续"
  done
  step "the numbers of the ticks have no gap" "报时的序号没有缺口"
  for client in A B; do
    sed -n 's/^tick //p' "$WORK/$client.out" | head -n "$TICKS" >"$WORK/numbers"
    seq "$(head -n 1 "$WORK/numbers")" "$(tail -n 1 "$WORK/numbers")" >"$WORK/expected"
    cmp -s "$WORK/numbers" "$WORK/expected" ||
      fail "a tick is missing" "少了一次报时"
  done
}

check 2 "Why a bufferevent stays in its thread" counts_for_all \
  "the lines of two clients have different numbers" \
  "两个客户端的行，序号各不相同"
counts_for_all() {
  local i
  step "A and B send $COUNT lines each; the numbers go from 1 to $((2 * COUNT))" "A 和 B 各发送 $COUNT 行；序号从 1 到 $((2 * COUNT))"
  start
  connect A
  connect B
  for ((i = 1; i <= COUNT; i++)); do
    send A "hello\n"
    send B "hello\n"
  done
  until_true has_lines || has_lines || fail "a line is not answered" "有一行没有得到应答"
  sed -n 's/^line //p' "$WORK/A.out" "$WORK/B.out" | sort -n >"$WORK/numbers"
  seq $((2 * COUNT)) >"$WORK/expected"
  cmp -s "$WORK/numbers" "$WORK/expected" ||
    fail "a number is missing, or was given twice" "有序号缺失或重复"
}

check 2 "What goes wrong" forgets_clients \
  "clients may leave at any time, and hold no descriptor" \
  "客户端随时可能离开，不再占用描述符"
forgets_clients() {
  local i
  step "20 clients connect, send a line, and leave or reset their connections" "20 个客户端连接、发一行，然后离开或重置连接"
  start
  connect A
  send A "hello\n"
  gets A "line 1"
  note_resources
  for ((i = 0; i < 10; i++)); do
    connect B
    connect C linger=0
    send B "hello\n"
    gets B "line $((2 * i + 2))"
    send C "hello\n"
    gets C "line $((2 * i + 3))"
    close B
    reset C
  done
  step "A is still answered, and no descriptor stays open" "A 仍能得到应答，没有留下打开的描述符"
  send A "hello\n"
  gets A "line 22"
  expect_descriptors_back
}

check 1 "What goes wrong" ends_well \
  "the program ends at SIGTERM and frees all, with a client connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A is answered, then SIGTERM ends the program with status 0; nothing leaks" "A 得到应答；之后 SIGTERM 使程序以退出码 0 结束，没有泄漏"
  start
  connect A
  send A "hello\n"
  gets A "line 1"
  stop_cleanly
}

# A whole line comes to the client, among others.
gets() { # CLIENT LINE
  until_true grep -qx "$2" "$WORK/$1.out" || grep -qx "$2" "$WORK/$1.out" ||
    fail "a line is not answered, or by another number" "有一行没有得到应答，或者序号不对"
}

has_ticks() { # CLIENT
  (($(grep -c '^tick [0-9]*$' "$WORK/$1.out") > TICKS))
}

has_lines() {
  (($(cat "$WORK/A.out" "$WORK/B.out" | grep -c '^line [0-9]*$') >= 2 * COUNT))
}

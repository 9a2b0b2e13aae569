# checks.bash -- an answer arrives when it is made, not 40 ms later.

lab mend 2 30
: "${SMALL:=100}" "${MIDDLE:=3000}" "${LONG:=20000}" "${HUGE:=50000000}" "${CLIENTS:=20}"

ROUNDS=8 # questions in a row; with the defect they take ROUNDS times 40 ms

# The answer to a question, as the server should give it.
make_answer() { # SIZE
  echo "$1 letters"
  yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c "$1"
}

# Ask ROUNDS times for SIZE letters, and wait for them in the kernel: a poll
# would blur the times. (With a timeout, read would take byte by byte.)
ask_in_a_row() { # DESCRIPTOR SIZE
  local i head
  for ((i = 0; i < ROUNDS; i++)); do
    echo "$2" >&"$1"
    IFS= read -r -u "$1" head
    [[ $head == "$2 letters" ]] && IFS= read -r -N "$2" -u "$1" &&
      ((${#REPLY} == $2)) || return 1
  done
}

# Prints "quick" or "slow". The best of four tries has to be quick: other work on
# the machine may delay some of them, and the defect delays all. The first row is not
# timed: in it the kernel learns that client and server take turns.
take_times() { # SIZE
  local try began asker LC_ALL=C limit=$((6 * PATIENCE < 160 ? 6 * PATIENCE : 160))
  exec {asker}<>"/dev/tcp/127.0.0.1/$PORT"
  ask_in_a_row "$asker" "$1" || return 1
  for ((try = 0; try < 4; try++)); do
    now_ms
    began=$MS
    ask_in_a_row "$asker" "$1" || return 1
    now_ms
    if ((MS - began < limit)); then
      echo quick
      return
    fi
  done
  echo slow
}

# A new client asks for SIZE letters, again and again.
expect_quick() { # SIZE
  rm -f "$WORK/times"
  (take_times "$1" >"$WORK/times" || echo wrong >"$WORK/times") 2>/dev/null &
  # shellcheck disable=SC2034 # it ends with the check
  CLIENT[asker]=$!
  until_true test -s "$WORK/times" || until_true test -s "$WORK/times" ||
    until_true test -s "$WORK/times" || fail "the answers do not arrive" "应答没有到达"
  case $(<"$WORK/times") in
    wrong) fail "an answer has not $1 letters" "应答不是 $1 个字母" ;;
    slow) fail "$ROUNDS answers, one after the other, always take more than 0.06 s" "连续 $ROUNDS 个应答，测了几遍，总用时都超过 0.06 秒" ;;
  esac
}

check 2 "Move bytes" answers_in_full \
  "each answer has as many letters as the client asked for" \
  "客户端要多少字母，应答就有多少字母"
answers_in_full() {
  local size
  step "A asks for $SMALL letters" "A 要 $SMALL 个字母"
  start
  make_answer "$SMALL" >"$WORK/small"
  connect A
  send A "$SMALL\n"
  expect_file A "$WORK/small"
  step "B sends several questions at once, and half-closes: all answers arrive" "B 一次提出几个问题，然后半关闭：应答全部到达"
  printf '%s\n' "$SMALL" 0 "$LONG" many "$MIDDLE" >"$WORK/questions"
  for size in "$SMALL" 0 "$LONG" many "$MIDDLE"; do
    if [[ $size == many ]]; then
      echo "not a number from 0 to 100000000"
    else
      make_answer "$size"
    fi
  done >"$WORK/answers"
  ask_file B "$WORK/questions"
  expect_file B "$WORK/answers"
  expect_closed B
  step "C and D ask for $LONG letters at the same moment" "C、D 同时各要 $LONG 个字母"
  make_answer "$LONG" >"$WORK/long"
  connect C
  connect D
  hold
  send C "$LONG\n"
  send D "$LONG\n"
  signal CONT
  expect_file C "$WORK/long"
  expect_file D "$WORK/long"
}

check 3 "Two buffers above the kernel's two" small_answers_are_quick \
  "small answers arrive at once" \
  "短应答立即到达"
small_answers_are_quick() {
  step "the server listens" "服务器开始监听"
  start
  step "$ROUNDS answers of $SMALL letters, one after the other" "连续 $ROUNDS 个应答，每个 $SMALL 个字母"
  expect_quick "$SMALL"
  step "$ROUNDS answers of $MIDDLE letters, one after the other" "连续 $ROUNDS 个应答，每个 $MIDDLE 个字母"
  expect_quick "$MIDDLE"
}

check 2 "Two buffers above the kernel's two" long_answers_are_quick \
  "long answers arrive at once" \
  "长应答立即到达"
long_answers_are_quick() {
  step "the server listens" "服务器开始监听"
  start
  step "$ROUNDS answers of $LONG letters, one after the other" "连续 $ROUNDS 个应答，每个 $LONG 个字母"
  expect_quick "$LONG"
}

check 1 "Two buffers above the kernel's two" quick_for_everybody \
  "the answers are quick for each client" \
  "对每个客户端应答都快"
quick_for_everybody() {
  step "A connects and gets an answer" "A 连接并得到应答"
  start
  make_answer "$SMALL" >"$WORK/small"
  connect A
  send A "$SMALL\n"
  expect_file A "$WORK/small"
  step "B's answers are quick" "B 的应答很快"
  expect_quick "$SMALL"
  step "B leaves, and the answers of C are quick too" "B 离开，C 的应答同样快"
  expect_quick "$SMALL"
  step "$CLIENTS more clients connect, and each gets its own answer" "又有 $CLIENTS 个客户端连接，各自收到自己的应答"
  many "$CLIENTS" '0\n' '0 letters\n'
  all_get_their_own
  step "the answers of the next client are quick, too" "再来一个客户端，应答也快"
  expect_quick "$SMALL"
  step "no client asks: the server sleeps, and does not wake up" "没有客户端提问：服务器休眠，不会醒来"
  expect_no_wakeups
}

# Each client asks for a different number of letters.
all_get_their_own() {
  local i
  for i in "${!MANY[@]}"; do printf '%d\n' $((7 * i)) >&"${MANY[i]}"; done
  for i in "${!MANY[@]}"; do
    one_of_many $((i + 1)) "$((7 * i))\n" "$(make_answer $((7 * i)))$([[ $i != 0 ]] || printf '\\n')"
  done
}

check 1 "Watermarks" makes_no_more_than_is_read \
  "a large answer that the client does not read takes little memory" \
  "客户端不读大应答，占用的内存也不多"
makes_no_more_than_is_read() {
  watch_allocated
  step "A asks for $HUGE letters and reads none" "A 要 $HUGE 个字母，一个也不读"
  start
  note_allocated
  echo "$HUGE" >"$WORK/question"
  send_unread A "$WORK/question"
  settle
  step "B gets an answer meanwhile" "这期间 B 能得到应答"
  make_answer "$SMALL" >"$WORK/small"
  connect B
  send B "$SMALL\n"
  expect_file B "$WORK/small"
  step "memory stays bounded" "内存不会无限增长"
  expect_allocated_within 256
  step "A begins to read, and the answer arrives" "A 开始读，应答到达"
  make_answer "$HUGE" 2>/dev/null | head -c 5000000 >"$WORK/begin"
  read_late A
  expect_file A "$WORK/begin"
  step "A stops again, and memory does not grow" "A 又停下不读，内存仍然不增长"
  pause A
  expect_allocated_within 256
}

check 1 "Make one, connect one, free one" leaves_nothing \
  "clients that have left hold nothing, and SIGTERM frees all" \
  "离开的客户端什么也不占用，收到 SIGTERM 释放全部资源"
leaves_nothing() {
  local i
  find_all_leaks
  watch_allocated
  step "8 clients leave in the middle of their answers" "8 个客户端没收完应答就离开"
  start
  note_resources
  for i in {1..8}; do
    connect "c$i"
    send "c$i" "$HUGE\n"
    until_true has_come "c$i" 1000 || fail "the answer does not arrive" "应答没有到达"
    close "c$i"
  done
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
  step "8 reset their connections, and 8 more: no memory is held for them" "8 个以 RST（重置）断开，又有 8 个也是如此：没有为它们占用内存"
  reset_many 8 "$LONG\n5"
  expect_descriptors_back
  note_allocated
  reset_many 8 "$LONG\n5"
  expect_descriptors_back
  expect_allocated_back 8
  step "SIGTERM ends the program in the middle of an answer; nothing leaks" "应答没发完时，SIGTERM 使程序结束，没有泄漏"
  echo "$HUGE" >"$WORK/question"
  send_unread A "$WORK/question"
  connect B
  send B "0\n"
  expect B "0 letters\n"
  stop_cleanly
}

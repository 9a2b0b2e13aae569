# checks.bash -- each player has a number, a round and a time-out of their own.

lab make 3 75
STILL_MS=$LIMIT_MS # the program has timers
: "${SEED:=7}" "${PLAYERS:=20}" "${ROUNDS:=1}" "${TENTHS:=5}" "${WRONG:=0 101 -5 seven}"

NOT_COUNTED='that is no whole number from 1 to 100, and does not count'

secret() { # PLAYER ROUND
  echo $((1 + (SEED + 37 * $1 + 61 * $2) % 100))
}

# A player joins, and receives a number.
join_game() { # CLIENT NUMBER [SOCAT-OPTION]
  connect "$1" "${3-}"
  expect "$1" "player $2: guess a number from 1 to 100\n"
}

say_and_hear() { # CLIENT LINE ANSWER
  send "$1" "$2\n"
  expect "$1" "$3\n"
}

# The right answer to a guess that is not the secret.
direction() { # GUESS SECRET
  if (($1 < $2)); then echo higher; else echo lower; fi
}

# Guess the number of this round; it has to be try number TRIES.
hit() { # CLIENT NUMBER ROUND TRIES
  say_and_hear "$1" "$(secret "$2" "$3")" "right in $4 tries"
}

# Halve the range until the number is found.
play_round() { # CLIENT NUMBER ROUND
  local low=1 high=100 tries=0 guess wanted
  wanted=$(secret "$2" "$3")
  while :; do
    guess=$(((low + high) / 2)) tries=$((tries + 1))
    ((guess != wanted)) || break
    say_and_hear "$1" "$guess" "$(direction "$guess" "$wanted")"
    if ((guess < wanted)); then low=$((guess + 1)); else high=$((guess - 1)); fi
  done
  say_and_hear "$1" "$guess" "right in $tries tries"
}

check 1 "Move bytes" one_player_plays \
  "one player plays several rounds" \
  "一个玩家能玩好几轮"
one_player_plays() {
  local round found next other
  step "the server listens; A joins as player 1" "服务器开始监听；A 加入，成为 1 号玩家"
  start 0 "$SEED"
  join_game A 1
  for ((round = 1; round <= ROUNDS; round++)); do
    step "A halves the range until the number of round $round is found" "A 每次把范围减半，直到猜中第 $round 轮的数"
    play_round A 1 "$round"
  done
  step "a guess may come in two pieces" "一次猜测可以分两段到达"
  send A "0"
  expect_nothing A
  say_and_hear A "0$(secret 1 "$round")" "right in 1 tries"
  step "several guesses at once: the last one belongs to the next round" "几次猜测也可以一起到达：最后一次属于下一轮"
  found=$(secret 1 $((round + 1))) next=$(secret 1 $((round + 2)))
  other=$((found % 100 + 1)) # a wrong guess in this round
  say_and_hear A "$other\n$found\n1\r" \
    "$(direction "$other" "$found")\nright in 2 tries\n$(direction 1 "$next")"
}

check 2 "Which memory belongs to whom" players_do_not_mix \
  "each player has a number, a round and a count of their own" \
  "每个玩家有自己的数、轮次和次数"
players_do_not_mix() {
  local i
  step "A, B and C join" "A、B、C 加入"
  start 0 "$SEED"
  join_game A 1
  join_game B 2
  join_game C 3
  step "A guesses twice and is right, while B and C wait" "A 猜两次猜中，期间 B、C 不猜"
  say_and_hear A 1 "$(direction 1 "$(secret 1 1)")"
  hit A 1 1 2
  say_and_hear A 1 "$(direction 1 "$(secret 1 2)")"
  step "B guesses three times, C once, then both are right" "B 猜三次，C 猜一次，然后都猜中"
  for i in 1 99 2; do say_and_hear B $i "$(direction $i "$(secret 2 1)")"; done
  say_and_hear C 1 "$(direction 1 "$(secret 3 1)")"
  hit B 2 1 4
  hit C 3 1 2
  step "in round 2 each has a new number" "第 2 轮各自换了新的数"
  hit C 3 2 1
  hit A 1 2 2
  hit B 2 2 1
  step "A and B send the first digit of a guess, then the second" "A、B 各发猜测的第一位数字，再发第二位"
  send A 4
  send B 5
  settle
  say_and_hear A 2 "$(direction 42 "$(secret 1 3)")"
  say_and_hear B 2 "$(direction 52 "$(secret 2 3)")"
}

check 1 "Which memory belongs to whom" many_play \
  "many players play at once" \
  "许多玩家同时玩"
many_play() {
  local i
  step "$PLAYERS players join; their first line is not a guess" "$PLAYERS 个玩家加入，各自的第一行都不是猜测"
  start 0 "$SEED"
  many "$PLAYERS" '0\n' "player %d: guess a number from 1 to 100\n$NOT_COUNTED\n"
  step "each finds its own number, in one try" "各自一次猜中自己的数"
  for ((i = 1; i <= PLAYERS; i++)); do
    printf '%s\n' "$(secret "$i" 1)" >&"${MANY[i - 1]}"
  done
  for ((i = 1; i <= PLAYERS; i++)); do
    one_of_many "$i" "$(secret "$i" 1)\n" "right in 1 tries\n"
  done
  step "no player sends: the server sleeps, and does not wake up" "没有玩家发送：服务器休眠，不会醒来"
  expect_no_wakeups
}

check 1 "What goes wrong" wrong_input \
  "a line that is not a guess is not counted; a line that is too long ends the game" \
  "不是猜测的输入不计次数；过长的行使游戏结束"
wrong_input() {
  local word
  step "A sends lines that are not guesses: $WRONG" "A 发来的行不是猜测：$WRONG"
  start 0 "$SEED"
  join_game A 1
  for word in $WRONG ''; do say_and_hear A "$word" "$NOT_COUNTED"; done
  step "then A is right, in one try" "然后 A 一次猜中"
  say_and_hear A "$(secret 1 1)\0" "$NOT_COUNTED"
  hit A 1 1 1
  step "a line of 80 bytes is still read" "80 字节的行仍会读取"
  say_and_hear A "$(printf '%080d' "$(secret 1 2)")" "right in 1 tries"
  step "B sends 90 bytes without a line's end: a goodbye, then the connection ends" "B 发来 90 字节却没有换行：收到告别，连接结束"
  join_game B 2
  send B "$(printf '%090d' 1)"
  expect B "goodbye, your line is too long\n"
  expect_closed B
  step "the same for C, whose long line has an end and a guess behind it" "C 的长行有换行，后面还跟着一次猜测：结果相同"
  join_game C 3
  send C "$(printf '%081d' 1)\n$(secret 3 1)\n"
  expect C "goodbye, your line is too long\n"
  expect_closed C
  step "A plays on" "A 继续玩"
  hit A 1 3 1
}

check 1 "Timeouts" silent_player \
  "a player who is silent for too long gets a goodbye and is dropped" \
  "沉默太久的玩家会收到告别，然后断开"
silent_player() {
  local began ms=$((TENTHS * 10 * PATIENCE)) number
  step "A and B join; each may be silent for a while" "A、B 加入；各自只能沉默一段时间"
  start 0 "$SEED" "$ms"
  for number in 2 4 6; do
    now_ms
    began=$MS
    join_game A $((number - 1))
    join_game B "$number"
    ((number > 2)) || step "B goes on guessing; A sends nothing, and gets the goodbye" "B 不停地猜；A 什么也不发，收到告别"
    ! guess_on "$number" "$ms" || break
    close A
    close B
  done
  expect A "goodbye, you were silent for too long\n"
  expect_closed A
  now_ms
  ((MS - began >= ms * 9 / 10)) || fail "the goodbye came too early" "告别来得太早"
  step "B plays on" "B 继续玩"
  expect_answer B "right in [0-9]+ tries"
}

# B guesses until A has received a message, then guesses right. A busy machine may
# delay the check itself, so that B was silent for too long as well. The program is
# not to blame for that: the function fails, and is tried again twice with new players.
guess_on() { # NUMBER-OF-B MS
  local i last=$MS guess=0
  for ((i = 0; i < 100 && !guess; i++)); do
    (($(size_of A) == AT[A])) || guess=$(secret "$1" 1)
    send B "$guess\n"
    until_true has_whole_line B || true
    now_ms
    ((MS - last < $2 / 2 || $1 == 6)) || return 1
    last=$MS
    ((guess)) || expect B "$NOT_COUNTED\n"
    nap 0.05
  done
}

check 1 "What goes wrong" quitting_harms_nobody \
  "a player who quits does not affect the others" \
  "玩家退出不影响其他玩家"
quitting_harms_nobody() {
  step "A, B, C and D join" "A、B、C、D 加入"
  start 0 "$SEED"
  join_game A 1
  join_game B 2
  join_game C 3 linger=0
  join_game D 4
  say_and_hear A 1 "$(direction 1 "$(secret 1 1)")"
  step "B leaves in the middle of a line, C by a reset" "B 一行没发完就离开，C 以 RST（重置）断开"
  send B "5"
  close B
  expect_line '^player 2 has left$'
  reset C
  expect_line '^player 3 has left$'
  step "E joins as player 5, with a number of its own" "E 加入，成为 5 号玩家，有自己的数"
  join_game E 5
  hit E 5 1 1
  step "D guesses, half-closes, and still gets the answer" "D 猜中后半关闭，仍能收到应答"
  send D "$(secret 4 1)\n"
  half_close D
  expect D "right in 1 tries\n"
  expect_closed D
  step "F half-closes with an unfinished line: it is not a guess" "F 发出没有换行的一行就半关闭：这一行不算猜测"
  join_game F 6
  send F "$(secret 6 1)"
  half_close F
  expect_closed F
  step "A goes on with its own count" "A 接着玩，次数不变"
  hit A 1 1 2
}

check 1 "Watermarks" unread_answers \
  "a player who reads no answers costs little memory, and is dropped" \
  "不读应答的玩家占用的内存不多，会被断开"
unread_answers() {
  step "A joins and gets an answer" "A 加入并得到应答"
  start 0 "$SEED" $((80 * PATIENCE))
  join_game A 1
  say_and_hear A 0 "$NOT_COUNTED"
  note_resources
  step "B sends 300000 empty lines and reads none of the answers" "B 发出 300000 个空行，一个应答也不读"
  head -c 300000 /dev/zero | tr '\0' '\n' >"$WORK/lines"
  send_unread B "$WORK/lines"
  settle
  step "memory stays bounded" "内存不会无限增长"
  expect_memory_within 14336
  step "B is dropped: the server could send nothing to it for too long" "服务器太久无法向 B 发送，断开 B"
  for _ in 1 2; do # the answers have to fill the kernel first
    ! until_true has_line_or_end '^player 2 has left$' || break
  done
  expect_line '^player 2 has left$'
  expect_descriptors_back
  step "C joins and gets an answer" "C 加入并得到应答"
  join_game C 3
  say_and_hear C 0 "$NOT_COUNTED"
}

check 1 "Watermarks" late_reader \
  "a player who reads late gets all answers, and costs little memory meanwhile" \
  "晚读的玩家能收到全部应答，此前占用的内存不多"
late_reader() {
  watch_allocated
  step "A sends 100000 empty lines, half-closes, and reads none of the answers" "A 发出 100000 个空行，半关闭，一个应答也不读"
  start 0 "$SEED"
  note_allocated
  head -c 100000 /dev/zero | tr '\0' '\n' >"$WORK/lines"
  send_unread A "$WORK/lines"
  until_true has_ended "${CLIENT[A]}" || fail "the program does not read the client's data" "程序没有读取客户端发来的数据"
  settle
  expect_allocated_within 2048
  step "A reads some answers, then stops: little memory is held" "A 读一些应答又停下：占用的内存仍然不多"
  {
    echo "player 1: guess a number from 1 to 100"
    yes "$NOT_COUNTED" 2>/dev/null | head -n 100000
  } >"$WORK/answers"
  read_late A
  until_more A 2000000
  pause A
  expect_allocated_within 2048
  step "A reads on: all answers arrive, then the server closes" "A 接着读：收到全部应答，然后服务器关闭连接"
  resume A
  until_more A "$(stat -c %s "$WORK/answers")"
  cmp -s "$WORK/answers" "$WORK/A.out" ||
    fail "the answers did not all arrive once and in order" "应答有缺失、重复或乱序"
  AT[A]=$(stat -c %s "$WORK/answers")
  expect_closed A
  step "with a kernel that accepts little at a time, C sends 3000 empty lines, half-closes, and reads late: all answers arrive, then the end" \
    "内核每次只收下一点数据时，C 发出 3000 个空行，半关闭，过后才读：收到全部应答，然后连接结束"
  short_writes
  start 0 "$SEED"
  head -n 3000 "$WORK/lines" >"$WORK/few"
  head -n 3001 "$WORK/answers" >"$WORK/few_answers"
  send_unread C "$WORK/few"
  settle
  read_late C
  until_more C "$(stat -c %s "$WORK/few_answers")"
  cmp -s "$WORK/few_answers" "$WORK/C.out" ||
    fail "the answers did not all arrive once and in order" "应答有缺失、重复或乱序"
  AT[C]=$(stat -c %s "$WORK/few_answers")
  expect_closed C
}

check 1 "Make one, connect one, free one" leaves_nothing \
  "players who have left hold nothing, and SIGTERM frees all" \
  "离开的玩家什么也不占用，收到 SIGTERM 释放全部资源"
leaves_nothing() {
  find_all_leaks
  watch_allocated
  step "$PLAYERS players join, and leave" "$PLAYERS 个玩家加入，然后离开"
  start 0 "$SEED"
  note_resources
  many "$PLAYERS" 5 "player %d: guess a number from 1 to 100\n"
  many_leave
  step "10 more join, and reset their connections" "又有 10 个玩家加入，然后以 RST（重置）断开"
  reset_many 10 "0\n5"
  expect_line 'has left$' $((PLAYERS + 10))
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
  step "10 more do the same: no memory is held for them" "又有 10 个这样离开：没有为它们占用内存"
  note_allocated
  reset_many 10 "0\n5"
  expect_line 'has left$' $((PLAYERS + 20))
  expect_allocated_back 10
  step "SIGTERM ends the program while others play; nothing leaks" "还有玩家在玩时，SIGTERM 使程序结束，没有泄漏"
  join_game A $((PLAYERS + 21))
  send A "5"
  stop_cleanly
}

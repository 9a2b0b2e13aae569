# checks.bash -- a chat room; each check is a milestone of the project.
# shellcheck disable=SC2034 # variables of the engine

lab make 5 150
STILL_MS=$LIMIT_MS # the program has timers
: "${ANN:=ann}" "${BOB:=bob}" "${CID:=cid}" "${SECRET:=hello everybody}"
: "${LONGEST:=abcdefghijklmnop}" "${PEOPLE:=50}" "${SEED:=1}" "${FLOOD_MB:=10}"

# A client enters the room; OTHERS are in it already, the newest first.
enter() { # CLIENT NAME [OTHERS]
  connect "$1"
  expect "$1" 'name?\n'
  send "$1" "$2\n"
  expect "$1" "* here: $2${3:+ $3}\n"
}

# A letter, COUNT times.
letters() { # COUNT LETTER
  printf "%$1s" '' | tr ' ' "$2"
}

# A client that reads nothing before wake, and for which the kernel buffers few bytes:
# small segments, a small buffer. It sends line by line.
doze() { # CLIENT
  local to
  # shellcheck disable=SC2016 # for the shell that gets the socket as 0 and 1
  echo 'while IFS= read -r line <&3; do
      case $line in
        end-input) socat -u FILE:/dev/null FD:1,shut-down ;;
        wake) exec cat >&4 ;;
        *) printf "%b" "$line" || exit ;;
      esac
    done' >"$WORK/dozer"
  mkfifo "$WORK/$1.in"
  exec {to}<>"$WORK/$1.in"
  : >"$WORK/$1.out"
  (
    close_ours
    exec 3<"$WORK/$1.in" 4>"$WORK/$1.out"
    # shellcheck disable=SC2153 # PORT is the engine's
    exec socat "TCP:127.0.0.1:$PORT,mss=88,rcvbuf=2048" "EXEC:bash $WORK/dozer,nofork" 2>"$WORK/$1.log"
  ) &
  CLIENT[$1]=$! TO[$1]=$to AT[$1]=0 SENT[$1]=
}

# One line for the dozer may be several lines for the server: \\n is a newline.
tell_dozer() { # CLIENT LINE
  printf '%s\n' "$2" >&"${TO[$1]}"
}

# Like fail, but wait first for a program that is about to end: the report must not
# depend on chance.
fail_in_the_end() { # EN ZH
  until_true has_ended "$RUN" || true
  fail "$@"
}

# BYTES bytes of talk, as BOB sends it and as the others get it.
make_talk() { # BYTES
  make_text /dev/stdout $(($1 * 2)) | tr -d '\n' | fold -w 399 | sed '$d' | head -c "$1" | sed '$d' >"$WORK/said"
  sed "s/^/<$BOB> /" "$WORK/said" >"$WORK/heard"
}

# BOB talks until a lot of it waits for the dozer in the server, where up to 64 KiB
# may wait. proc_net_tcp(5) tells how much the kernel holds.
talk_until_it_waits() {
  local made waiting count
  make_talk 4000
  printf 'name?\n* here: %s %s\n' "$ANN" "$BOB" >"$WORK/all"
  while :; do
    made=$(stat -c %s "$WORK/all")
    find_held
    waiting=$((made - HELD))
    ((waiting < 40000)) || break
    for ((count = (56000 - waiting) / 4100; count > 0; count--)); do
      cat "$WORK/said" >&"${TO[B]}"
      cat "$WORK/heard" >>"$WORK/all"
    done
    send B '/who\n'
    expect B "* here: $ANN $BOB\n"
  done
}

# Sets HELD to the largest number of bytes that a connection to PORT has in the
# kernel: one side's output and the other side's input.
find_held() {
  local port line lines from to queues sent=0 unread=0
  printf -v port ':%04X' "$PORT"
  mapfile -t lines </proc/net/tcp
  for line in "${lines[@]}"; do
    read -r _ from to _ queues _ <<<"$line"
    if [[ $from == *"$port" ]]; then
      ((16#${queues%:*} <= sent)) || sent=$((16#${queues%:*}))
    elif [[ $to == *"$port" ]]; then
      ((16#${queues#*:} <= unread)) || unread=$((16#${queues#*:}))
    fi
  done
  HELD=$((sent + unread))
}

check 1 "What happens" the_door \
  "1: a new client is asked for a name, and enters the room" \
  "1：新客户端被询问名字，然后进入房间"
the_door() {
  step "A connects and gets \"name?\"" "A 连接后收到 name?"
  start
  connect A
  expect A 'name?\n'
  step "A sends a name, and gets the list of names" "A 报上名字，收到在场的名单"
  send A "$ANN\n"
  expect A "* here: $ANN\n"
  step "B enters too; the newest is listed first" "B 也进来；名单里最新的在最前"
  enter B "$BOB" "$ANN"
}

check 2 "What happens" names \
  "2: bad names and taken names are refused" \
  "2：不合格的和已被占用的名字会被拒绝"
names() {
  local bad
  step "names that are empty, too long, or not of letters and digits: \"bad name\", then \"name?\" again" "空的、太长的、含有字母和数字以外字符的名字：应答 bad name，并再次询问"
  start
  connect A
  expect A 'name?\n'
  for bad in '' "${LONGEST}q" "$ANN $BOB" "$ANN!" '/who' ' ' 'zo\xc3\xab' "$ANN\\0"; do
    send A "$bad\n"
    expect A 'bad name\nname?\n'
  done
  step "a name of 16 letters, the longest, is accepted" "最长的名字，16 个字母，可以用"
  send A "$LONGEST\n"
  expect A "* here: $LONGEST\n"
  step "B sends the same name: \"name taken\", then \"name?\" again" "B 报同一个名字：应答 name taken，并再次询问"
  connect B
  expect B 'name?\n'
  send B "$LONGEST\n"
  expect B 'name taken\nname?\n'
  step "B sends it in capital letters, which is another name" "B 换成大写，就是另一个名字"
  send B "${LONGEST^^}\n"
  expect B "* here: ${LONGEST^^} $LONGEST\n"
  expect A "* ${LONGEST^^} is here\n"
}

check 2 "Finish a connection" comings_and_goings \
  "3: the room gets a line when a client comes or leaves" \
  "3：有人进出，房间里的人都收到通知"
comings_and_goings() {
  local i
  find_all_leaks
  watch_allocated
  step "$ANN is here; N has sent no name" "$ANN 在房间里；N 还没有报名字"
  start
  enter A "$ANN"
  note_resources
  connect N
  expect N 'name?\n'
  step "$BOB comes and leaves, $CID comes and is reset: $ANN is told" "$BOB 进来又离开，$CID 进来又因 RST（重置）断开：$ANN 都收到通知"
  enter B "$BOB" "$ANN"
  expect A "* $BOB is here\n"
  half_close B
  expect_closed B
  expect A "* $BOB has left\n"
  connect C linger=0
  send C "$CID\n"
  expect C "name?\n* here: $CID $ANN\n"
  expect A "* $CID is here\n"
  reset C
  expect A "* $CID has left\n"
  step "a name is free again when its owner has left" "使用者离开后，名字可以再用"
  enter D "$BOB" "$ANN"
  expect A "* $BOB is here\n"
  close D
  expect A "* $BOB has left\n"
  step "five more come and are reset, and no memory is held for them" "又有五个进来又因 RST 断开，没有为它们占用内存"
  note_allocated
  for ((i = 1; i <= 5; i++)); do
    connect C linger=0
    send C "$CID\n"
    expect C "name?\n* here: $CID $ANN\n"
    reset C
    expect A "* $CID is here\n* $CID has left\n"
  done
  expect_allocated_back 5
  step "N gets none of this, and no client is told when N leaves" "N 什么都没收到；N 离开时，也不通知任何人"
  expect_nothing_left N
  close N
  expect_descriptors_back
  expect_nothing_left A
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

check 2 "Finish a connection" talk \
  "4: a line goes to all others, whole and once" \
  "4：一行完整地发给其他每个人，只发一次"
talk() {
  fast_clock 60
  step "$ANN, $BOB and $CID are here; N has sent no name" "$ANN、$BOB、$CID 在房间里；N 还没有报名字"
  start
  enter A "$ANN"
  enter B "$BOB" "$ANN"
  enter C "$CID" "$BOB $ANN"
  expect A "* $BOB is here\n* $CID is here\n"
  expect B "* $CID is here\n"
  connect N
  expect N 'name?\n'
  step "$ANN says something: the others get it, N does not" "$ANN 说了一句：其他人收到，N 收不到"
  send A "$SECRET\n"
  expect B "<$ANN> $SECRET\n"
  expect C "<$ANN> $SECRET\n"
  step "a line in two pieces is one line, two lines in one piece are two" "分两段到达的一行算一行，一段里的两行算两行"
  send B "${SECRET:0:3}"
  expect_nothing A
  send B "${SECRET:3}\nand mo"
  expect A "<$BOB> $SECRET\n"
  send B 're\n'
  expect A "<$BOB> and more\n"
  expect C "<$BOB> $SECRET\n<$BOB> and more\n"
  step "the \\r before \\n is not part of a line; empty lines are not passed on" "\\n 前的 \\r 不属于这一行；空行不转发"
  send C '\n\r\n \r\nyes\r\n'
  expect A "<$CID>  \n<$CID> yes\n"
  expect B "<$CID>  \n<$CID> yes\n"
  step "no client has received its own line, N nothing at all" "自己说的话自己都收不到，N 什么都没收到"
  expect_nothing_left A
  expect_nothing_left C
  expect_nothing_left N
  step "a minute later all are still connected (the clock runs fast)" "一分钟之后，所有人都还连着（时钟调快）"
  expect_no_wakeups
  send A "$SECRET\n"
  expect B "<$ANN> $SECRET\n"
  expect C "<$ANN> $SECRET\n"
  send N "$LONGEST\n"
  expect N "* here: $LONGEST $CID $BOB $ANN\n"
}

check 2 "Finish a connection" commands \
  "5: /who, /me and /quit work as described, other commands are refused" \
  "5：/who、/me、/quit 都正确，其他命令被拒绝"
commands() {
  local word
  step "$ANN and $BOB are here" "$ANN 和 $BOB 在房间里"
  start
  enter B "$BOB"
  note_resources
  enter A "$ANN" "$BOB"
  expect B "* $ANN is here\n"
  step "/who lists the names in the room, the newest first" "/who 列出在场的人，最新的在最前"
  send B '/who\n'
  expect B "* here: $ANN $BOB\n"
  step "/me tells the others what one does" "/me 告诉其他人说话的人在做什么"
  send A "/me $SECRET\n"
  expect B "* $ANN $SECRET\n"
  step "any other command gets \"unknown command\"" "三者以外的都应答 unknown command"
  for word in /dance /whoever '/who me' /me '/me ' /quitter /; do
    send A "$word\n"
    expect A 'unknown command\n'
  done
  step "/quit: \"* bye\", then the end; the lines after it are ignored" "/quit：收到 * bye，连接结束；其后的行不再处理"
  send A "/quit\n$SECRET\n"
  expect A '* bye\n'
  expect_closed A
  expect B "* $ANN has left\n"
  send B '/who\n'
  expect B "* here: $BOB\n"
  step "when $ANN has closed too, the server has closed its descriptor" "$ANN 也关闭后，服务器关闭了描述符"
  half_close A
  expect_descriptors_back
  step "a client that does not close is cut off after five seconds (the clock runs fast)" "客户端不关闭连接，五秒之后切断（时钟调快）"
  fast_clock $((200 / PATIENCE + 1))
  start
  note_resources
  enter A "$ANN"
  send A '/quit\n'
  expect A '* bye\n'
  expect_closed A
  expect_descriptors_back
}

check 2 "What goes wrong" long_lines \
  "6: a line that is too long is discarded, however long" \
  "6：超长的行被丢弃，不管有多长"
long_lines() {
  local full
  full=$(letters 500 "${ANN:0:1}")
  step "$ANN and $BOB are here" "$ANN 和 $BOB 在房间里"
  start
  enter B "$BOB"
  enter A "$ANN" "$BOB"
  expect B "* $ANN is here\n"
  step "a line of 500 bytes is passed on" "500 字节的一行能转发"
  send A "$full\n"
  expect B "<$ANN> $full\n"
  send A "$full\r\n"
  expect B "<$ANN> $full\n"
  step "a line of 501 bytes is not: \"line too long\"; the next line is passed on" "501 字节的不转发：应答 line too long；下一行能转发"
  send A "${full}b\n$SECRET\n"
  expect A 'line too long\n'
  expect B "<$ANN> $SECRET\n"
  step "$FLOOD_MB MB without a newline are not kept, and not answered yet" "$FLOOD_MB MB 没有换行，一点也不保留，暂时也不应答"
  head -c "${FLOOD_MB}M" /dev/zero | tr '\0' z >"$WORK/flood"
  note_resources
  send_all A "$WORK/flood"
  settle
  expect_memory_within 8192
  expect_nothing_left A
  step "the newline brings \"line too long\", once; the next line is passed on" "换行符到达后应答一次 line too long；下一行能转发"
  send A "z\n$SECRET\n"
  expect A 'line too long\n'
  expect B "<$ANN> $SECRET\n"
  expect_nothing_left A
  step "the same in place of a name, and \"name?\" is asked again" "报名字时发来超长的行也一样，并再次询问"
  connect C
  send C "$full$full\n"
  expect C 'name?\nline too long\nname?\n'
  step "while one client's long line goes on, another client's line is passed on" "一个客户端的超长行还没结束时，另一个客户端的行照样转发"
  send A "$full$full"
  settle
  send B "$SECRET\n"
  expect A "<$BOB> $SECRET\n"
  send A 'z\n'
  expect A 'line too long\n'
  send A "$SECRET\n"
  expect B "<$ANN> $SECRET\n"
}

check 2 "What goes wrong" strange_bytes \
  "7: no control character and no broken UTF-8 reaches the others" \
  "7：控制字符和损坏的 UTF-8 到不了其他人那里"
strange_bytes() {
  step "$ANN and $BOB are here" "$ANN 和 $BOB 在房间里"
  start
  enter B "$BOB"
  enter A "$ANN" "$BOB"
  expect B "* $ANN is here\n"
  step "each control character becomes a question mark" "每个控制字符变成一个问号"
  send A "a\\tb\\x1b[2Jc\\x7fd\\x00e\\rf\n"
  expect B "<$ANN> a?b?[2Jc?d?e?f\n"
  step "correct UTF-8 stays as it is" "正确的 UTF-8 原样保留"
  send A 'h\xc3\xa9, \xe4\xbd\xa0\xe5\xa5\xbd, \xf0\x9f\x98\x80, \xc2\xa0, \xed\x9f\xbf, \xef\xbf\xbd, \xf4\x8f\xbf\xbf\n'
  expect B "<$ANN> h\\xc3\\xa9, \\xe4\\xbd\\xa0\\xe5\\xa5\\xbd, \\xf0\\x9f\\x98\\x80, \\xc2\\xa0, \\xed\\x9f\\xbf, \\xef\\xbf\\xbd, \\xf4\\x8f\\xbf\\xbf\n"
  step "bytes that are not UTF-8 become question marks, each one" "不构成 UTF-8 的字节，每个变成一个问号"
  send A '\xff, \x80, x\xc3\n'
  expect B "<$ANN> ?, ?, x?\n"
  send A '\xe4\xbdy, \xf0\x9f\x98, \xc3\xc3\xa9\n'
  expect B "<$ANN> ??y, ???, ?\\xc3\\xa9\n"
  step "so do forbidden forms: too long, surrogates, beyond U+10FFFF, and U+0080 to U+009F" "被禁止的形式也一样：过长编码、代理项、超过 U+10FFFF 的，以及 U+0080 到 U+009F"
  send A '\xc0\xaf, \xe0\x80\xaf, \xf0\x80\x80\xaf\n'
  expect B "<$ANN> ??, ???, ????\n"
  send A '\xed\xa0\x80, \xf4\x90\x80\x80, \xf5\x80\x80\x80, \xc2\x9b\n'
  expect B "<$ANN> ???, ????, ????, ??\n"
  step "after /me too" "/me 后面的也一样"
  send A '/me \x07rings\n'
  expect B "* $ANN ?rings\n"
}

check 2 "Finish a connection" half_closed \
  "8: a client that has half-closed still gets the data that is under way" \
  "8：半关闭的客户端仍能收到还没发完的内容"
half_closed() {
  local size
  step "C sends all its lines at once, ends its input, and gets its answers" "C 一次发完所有的行，结束输入，收到应答"
  start
  enter B "$BOB"
  connect C
  send C "$CID\n$SECRET\n/who\nunfinished"
  half_close C
  expect C "name?\n* here: $CID $BOB\n* here: $CID $BOB\n"
  expect_closed C
  expect B "* $CID is here\n<$CID> $SECRET\n* $CID has left\n"
  step "$ANN does not read for a moment, $BOB talks; $ANN ends its input" "$ANN 暂时不读，$BOB 在说话；$ANN 结束输入"
  doze A
  tell_dozer A "$ANN\\n"
  expect B "* $ANN is here\n"
  talk_until_it_waits
  tell_dozer A end-input
  expect B "* $ANN has left\n"
  step "when $ANN reads again, it gets all that was said before, then the end" "$ANN 重新开始读时，收到此前说的所有话，然后连接结束"
  size=$(stat -c %s "$WORK/all")
  tell_dozer A wake
  until_more A "$size"
  # The place where the output ends depends on chance, so the report does not say it.
  (($(size_of A) >= size)) || fail_in_the_end "only a part of the lines arrived" "只收到一部分"
  expect_file A "$WORK/all"
  until_true has_ended "${CLIENT[A]}" || fail "the program does not close the connection" "程序没有关闭连接"
}

check 2 "What goes wrong" sleeping_reader \
  "9: a client that does not read is dropped, and the others miss nothing" \
  "9：断开不读数据的客户端，其他人一行都不丢"
sleeping_reader() {
  local i size left="* $ANN has left"
  step "$ANN comes and reads nothing; $BOB and $CID are here" "$ANN 来了却不读；$BOB、$CID 也在"
  start
  enter B "$BOB"
  enter C "$CID" "$BOB"
  expect B "* $CID is here\n"
  doze A
  tell_dozer A "$ANN\\n"
  expect C "* $ANN is here\n"
  expect B "* $ANN is here\n"
  note_resources
  step "$BOB keeps talking, and $CID gets every line, until $ANN is dropped" "$BOB 不停地说话，$CID 都收到，直到断开 $ANN"
  # It sends less at a time than may be queued, so CID is always in time.
  make_talk 50000
  size=$(stat -c %s "$WORK/heard")
  for ((i = 1; i <= 120; i++)); do
    cat "$WORK/said" >&"${TO[B]}"
    cat "$WORK/heard" >>"$WORK/all"
    until_more C $((AT[C] + i * size))
    (($(size_of C) >= AT[C] + i * size)) || fail_in_the_end "not all that was said reaches the others" "其他人没有收到全部的话"
    ! grep -qxF "$left" "$WORK/C.out" || break
  done
  ((i <= 120)) || fail "a client that does not read is not dropped" "没有断开不读数据的客户端"
  expect B "$left\n"
  step "$CID has received every line, in order" "$CID 按顺序收到了每一行"
  until_more C $((AT[C] + i * size + ${#left} + 1))
  tail -c +$((AT[C] + 1)) "$WORK/C.out" | grep -vxF "$left" >"$WORK/came" || true
  same_bytes "$WORK/all" "$WORK/came" || fail
  step "the server's memory is as small as before" "服务器占用的内存和以前一样少"
  DESCRIPTORS=$((DESCRIPTORS - 1)) # ANN's
  expect_descriptors_back
  expect_memory_within 8192
}

check 1 "What goes wrong" own_flood \
  "10: a client that keeps asking and does not read is dropped too" \
  "10：不停提问却不读应答的客户端，也要断开"
own_flood() {
  # The kernel buffers megabytes of short answers before the server has to.
  local LIMIT_MS=$((4 * LIMIT_MS)) STILL_MS=$((4 * STILL_MS))
  step "$BOB is here" "$BOB 在房间里"
  start
  enter B "$BOB"
  note_resources
  step "$ANN asks /who thousands of times and reads no answer" "$ANN 问了几千次 /who，一个应答也不读"
  doze A
  tell_dozer A "$ANN\\n"
  expect B "* $ANN is here\n"
  pester A '/who'
  step "$ANN is dropped" "$ANN 被断开"
  expect B "* $ANN has left\n"
  expect_descriptors_back
  step "so is a client that does the same before it has a name" "还没有名字就这样做的，也一样"
  doze N
  pester N '!'
  # The kernel buffers megabytes before the server has to.
  LIMIT_MS=8000 STILL_MS=8000 until_true has_ended "${CLIENT[N]}" ||
    fail "a client that does not read is not dropped" "没有断开不读数据的客户端"
  expect_descriptors_back
  expect_memory_within 8192
  step "a new client still gets the lines of $BOB" "新来的客户端仍能收到 $BOB 的话"
  enter C "$CID" "$BOB"
  send B "$SECRET\n"
  expect C "<$BOB> $SECRET\n"
}

# Send it again and again, until the dozer is dropped. In the background, because a
# server that does not read would hold it up.
pester() { # CLIENT WORD
  local words
  words=$(printf "$2\\\\n%.0s" {1..1000})
  for _ in {1..400}; do
    is_running "${CLIENT[$1]}" || break
    tell_dozer "$1" "$words"
  done 2>/dev/null &
}

# The next line that arrives on a descriptor.
hear() { # DESCRIPTOR LINE
  local line=
  IFS= read -r -t $((LIMIT_MS * PATIENCE / 10000)) -u "$1" line || true
  [[ $line == "$2" ]] || {
    detail expected "$2\n"
    detail came "$line"
    fail
  }
}

check 1 "What happens" full_house \
  "11: $PEOPLE clients at once" \
  "11：同时有 $PEOPLE 个客户端"
full_house() {
  local i j fd fds=() list=
  step "$PEOPLE clients enter, one after the other, and get the list of names" "$PEOPLE 个客户端陆续进来，收到在场的名单"
  start
  note_resources
  for ((i = 1; i <= PEOPLE; i++)); do
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
    fds[i]=$fd list=" guest$i$list"
    hear "$fd" 'name?'
    printf 'guest%d\n' "$i" >&"$fd"
    hear "$fd" "* here:$list"
  done
  step "each is told of all that came later" "每个都收到后来者进来的通知"
  for ((i = 1; i <= PEOPLE; i++)); do
    for ((j = i + 1; j <= PEOPLE; j++)); do hear "${fds[i]}" "* guest$j is here"; done
  done
  step "all others get the lines of the first, the last, and one in the middle" "第一个、最后一个和中间一个说的话，其他人都收到"
  for i in 1 "$PEOPLE" $((PEOPLE / 2)); do
    printf '%s\n' "$SECRET" >&"${fds[i]}"
    for ((j = 1; j <= PEOPLE; j++)); do
      ((j == i)) || hear "${fds[j]}" "<guest$i> $SECRET"
    done
  done
  step "all leave at once: no descriptor stays open, and the server is idle" "所有人同时离开：没有留下打开的描述符，服务器处于空闲"
  for fd in "${fds[@]}"; do exec {fd}>&-; done
  expect_descriptors_back
  expect_idle
  expect_no_wakeups 400
}

check 1 "Stop" the_room_closes \
  "12: at SIGTERM all are told that the room closes" \
  "12：收到 SIGTERM 时，通知所有人房间关闭"
the_room_closes() {
  find_all_leaks
  step "without clients SIGINT ends the program at once, with status 0" "没有客户端时，SIGINT 使程序立即以退出码 0 结束"
  start
  stop_cleanly INT
  step "$ANN reads nothing, and much output waits for it; $BOB is here, N has no name" "$ANN 什么都不读，积压了很多；$BOB 在场，N 没有名字"
  start
  enter B "$BOB"
  connect N
  expect N 'name?\n'
  doze A
  tell_dozer A "$ANN\\n"
  expect B "* $ANN is here\n"
  talk_until_it_waits
  step "SIGTERM: $BOB and N get \"* the room closes\", then the end" "收到 SIGTERM：$BOB 和 N 收到 * the room closes，然后连接结束"
  signal TERM
  expect B '* the room closes\n'
  expect_closed B
  expect N '* the room closes\n'
  expect_closed N
  step "the program does not wait for $ANN longer than a second: status 0, nothing leaks" "程序等 $ANN 不超过一秒：退出码 0，没有泄漏"
  expect_exit 0
}

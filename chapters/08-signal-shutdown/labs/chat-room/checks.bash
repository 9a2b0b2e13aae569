# checks.bash -- a chat room; each check is a milestone of the project.
# shellcheck disable=SC2034 # variables of the engine

lab make 5 150
STILL_MS=$LIMIT_MS # it has timers
: "${ANN:=ann}" "${BOB:=bob}" "${CID:=cid}" "${SECRET:=hello everybody}"
: "${LONGEST:=abcdefghijklmnop}" "${PEOPLE:=50}" "${SEED:=1}" "${FLOOD_MB:=10}"

# A client comes in; the others are those who are there, the newest first.
enter() { # CLIENT NAME [OTHERS]
  connect "$1"
  expect "$1" 'name?\n'
  send "$1" "$2\n"
  expect "$1" "* here: $2${3:+ $3}\n"
}

# A letter so many times.
letters() { # COUNT LETTER
  printf "%$1s" '' | tr ' ' "$2"
}

# A client that reads nothing before wake, and for which the kernel keeps hardly
# anything: small segments, a small buffer. What it sends goes by lines.
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

# What is one line for the dozer may be several for the server: \\n is a newline.
tell_dozer() { # CLIENT LINE
  printf '%s\n' "$2" >&"${TO[$1]}"
}

# Like fail, but a program that is about to end may do so first: the report is
# not to depend on chance.
fail_in_the_end() { # EN ZH
  until_true has_ended "$RUN" || true
  fail "$@"
}

# So many bytes of talk, as BOB says it and as it is heard.
make_talk() { # BYTES
  make_text /dev/stdout $(($1 * 2)) | tr -d '\n' | fold -w 399 | sed '$d' | head -c "$1" | sed '$d' >"$WORK/said"
  sed "s/^/<$BOB> /" "$WORK/said" >"$WORK/heard"
}

# BOB talks until much of it waits for the dozer in the server itself, in which
# 64 KiB may wait. What the kernel has taken in is told by proc_net_tcp(5).
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

# Into HELD, of all connections to PORT the largest queues: of one side's output
# and of the other's input.
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
  "1: who knocks is asked for a name, and let in" \
  "1：敲门的人被询问姓名，然后进门"
the_door() {
  step "A connects and is asked: \"name?\"" "A 连接后收到 name?"
  start
  connect A
  expect A 'name?\n'
  step "A says who it is, and is told who is here" "A 报上名字，得知谁在这里"
  send A "$ANN\n"
  expect A "* here: $ANN\n"
  step "B comes too; the newest is named first" "B 也来了；名单里最新的在最前"
  enter B "$BOB" "$ANN"
}

check 2 "What happens" names \
  "2: bad names and taken ones are refused" \
  "2：不合格的和已被占用的名字会被拒绝"
names() {
  local bad
  step "names that are empty, too long, or not of letters and digits: \"bad name\", and asked again" "空的、太长的、含有字母和数字以外字符的名字：应答 bad name，并再次询问"
  start
  connect A
  expect A 'name?\n'
  for bad in '' "${LONGEST}q" "$ANN $BOB" "$ANN!" '/who' ' ' 'zo\xc3\xab' "$ANN\\0"; do
    send A "$bad\n"
    expect A 'bad name\nname?\n'
  done
  step "the longest name, of 16 letters, is good" "16 个字母是最长的合格名字"
  send A "$LONGEST\n"
  expect A "* here: $LONGEST\n"
  step "B wants the same one: \"name taken\", and asked again" "B 想用同一个名字：应答 name taken，并再次询问"
  connect B
  expect B 'name?\n'
  send B "$LONGEST\n"
  expect B 'name taken\nname?\n'
  step "B takes one with capital letters, which are other letters" "B 换成大写，就是另一个名字"
  send B "${LONGEST^^}\n"
  expect B "* here: ${LONGEST^^} $LONGEST\n"
  expect A "* ${LONGEST^^} is here\n"
}

check 2 "Finish a connection" comings_and_goings \
  "3: who comes and who goes is told to those in the room" \
  "3：谁来谁走，都告诉房间里的人"
comings_and_goings() {
  local i
  find_all_leaks
  watch_allocated
  step "$ANN is here; N has not said its name" "$ANN 在房间里；N 还没有报名字"
  start
  enter A "$ANN"
  note_resources
  connect N
  expect N 'name?\n'
  step "$BOB comes and goes, $CID comes and is broken off: $ANN hears it" "$BOB 来了又走，$CID 来了又断线：$ANN 都知道"
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
  step "so do five more who are broken off, and no memory is held for them" "又有五个断线，没有为他们留着任何内存"
  note_allocated
  for ((i = 1; i <= 5; i++)); do
    connect C linger=0
    send C "$CID\n"
    expect C "name?\n* here: $CID $ANN\n"
    reset C
    expect A "* $CID is here\n* $CID has left\n"
  done
  expect_allocated_back 5
  step "N hears nothing, and nobody is told when it goes" "N 什么都没听到；它离开时也不通知任何人"
  expect_nothing_left N
  close N
  expect_descriptors_back
  expect_nothing_left A
  step "SIGTERM ends it with status 0; nothing leaks" "SIGTERM 使其以退出码 0 结束，没有泄漏"
  stop_cleanly
}

check 2 "Finish a connection" talk \
  "4: a line goes to all others, whole and once" \
  "4：一行话完整地送到其他每个人，只送一次"
talk() {
  fast_clock 60
  step "$ANN, $BOB and $CID are here; N has not said its name" "$ANN、$BOB、$CID 在房间里；N 还没有报名字"
  start
  enter A "$ANN"
  enter B "$BOB" "$ANN"
  enter C "$CID" "$BOB $ANN"
  expect A "* $BOB is here\n* $CID is here\n"
  expect B "* $CID is here\n"
  connect N
  expect N 'name?\n'
  step "$ANN says something: the others hear it, N does not" "$ANN 说了一句：其他人听到，N 听不到"
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
  step "the \\r before \\n is no part of a line; empty lines are not sent on" "\\n 前的 \\r 不属于这一行；空行不转发"
  send C '\n\r\n \r\nyes\r\n'
  expect A "<$CID>  \n<$CID> yes\n"
  expect B "<$CID>  \n<$CID> yes\n"
  step "nobody has heard their own words, N nothing at all" "没有人听到自己的话，N 什么都没听到"
  expect_nothing_left A
  expect_nothing_left C
  expect_nothing_left N
  step "a minute later, as it seems, all are still there" "在它看来过了一分钟，大家都还在"
  expect_no_wakeups
  send A "$SECRET\n"
  expect B "<$ANN> $SECRET\n"
  expect C "<$ANN> $SECRET\n"
  send N "$LONGEST\n"
  expect N "* here: $LONGEST $CID $BOB $ANN\n"
}

check 2 "Finish a connection" commands \
  "5: /who, /me and /quit do what they should, others are refused" \
  "5：/who、/me、/quit 各司其职，其他命令被拒绝"
commands() {
  local word
  step "$ANN and $BOB are here" "$ANN 和 $BOB 在房间里"
  start
  enter B "$BOB"
  note_resources
  enter A "$ANN" "$BOB"
  expect B "* $ANN is here\n"
  step "/who names those who are here, the newest first" "/who 列出在场的人，最新的在最前"
  send B '/who\n'
  expect B "* here: $ANN $BOB\n"
  step "/me tells the others what one does" "/me 告诉其他人自己在做什么"
  send A "/me $SECRET\n"
  expect B "* $ANN $SECRET\n"
  step "what is none of the three is an \"unknown command\"" "三者以外的都应答 unknown command"
  for word in /dance /whoever '/who me' /me '/me ' /quitter /; do
    send A "$word\n"
    expect A 'unknown command\n'
  done
  step "/quit: \"* bye\", and the end; what was behind it is not heard" "/quit：收到 * bye，连接结束；其后的内容不再理会"
  send A "/quit\n$SECRET\n"
  expect A '* bye\n'
  expect_closed A
  expect B "* $ANN has left\n"
  send B '/who\n'
  expect B "* here: $BOB\n"
  step "when $ANN has closed too, nothing of the connection is left" "$ANN 也关闭后，这个连接不留下任何东西"
  half_close A
  expect_descriptors_back
  step "one that does not close is cut off after five seconds (time goes fast)" "不关闭连接的，五秒之后被切断（时间走得很快）"
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
  "6: a line that is too long is thrown away, however long" \
  "6：超长的行被丢弃，不管有多长"
long_lines() {
  local full
  full=$(letters 500 "${ANN:0:1}")
  step "$ANN and $BOB are here" "$ANN 和 $BOB 在房间里"
  start
  enter B "$BOB"
  enter A "$ANN" "$BOB"
  expect B "* $ANN is here\n"
  step "a line of 500 bytes is heard" "500 字节的一行能听到"
  send A "$full\n"
  expect B "<$ANN> $full\n"
  send A "$full\r\n"
  expect B "<$ANN> $full\n"
  step "one of 501 bytes is not: \"line too long\"; the next line is heard" "501 字节的听不到：应答 line too long；下一行能听到"
  send A "${full}b\n$SECRET\n"
  expect A 'line too long\n'
  expect B "<$ANN> $SECRET\n"
  step "of $FLOOD_MB MB without a newline nothing is kept, and nothing is said yet" "$FLOOD_MB MB 没有换行符的内容一点也不保留，暂时也不应答"
  head -c "${FLOOD_MB}M" /dev/zero | tr '\0' z >"$WORK/flood"
  note_resources
  send_all A "$WORK/flood"
  settle
  expect_memory_within 8192
  expect_nothing_left A
  step "with the newline comes \"line too long\", once; the next line is heard" "换行符到达后应答一次 line too long；下一行能听到"
  send A "z\n$SECRET\n"
  expect A 'line too long\n'
  expect B "<$ANN> $SECRET\n"
  expect_nothing_left A
  step "in place of a name too, and the question is asked again" "报名字时发来超长的行也一样，并再次询问"
  connect C
  send C "$full$full\n"
  expect C 'name?\nline too long\nname?\n'
  step "while one line is still too long, what another says is heard" "一个人的超长行还没结束时，另一个人的话照样能听到"
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
  step "good UTF-8 stays as it is" "正确的 UTF-8 原样保留"
  send A 'h\xc3\xa9, \xe4\xbd\xa0\xe5\xa5\xbd, \xf0\x9f\x98\x80, \xc2\xa0, \xed\x9f\xbf, \xef\xbf\xbd, \xf4\x8f\xbf\xbf\n'
  expect B "<$ANN> h\\xc3\\xa9, \\xe4\\xbd\\xa0\\xe5\\xa5\\xbd, \\xf0\\x9f\\x98\\x80, \\xc2\\xa0, \\xed\\x9f\\xbf, \\xef\\xbf\\xbd, \\xf4\\x8f\\xbf\\xbf\n"
  step "bytes that are no UTF-8 become question marks, each one" "不构成 UTF-8 的字节，每个变成一个问号"
  send A '\xff, \x80, x\xc3\n'
  expect B "<$ANN> ?, ?, x?\n"
  send A '\xe4\xbdy, \xf0\x9f\x98, \xc3\xc3\xa9\n'
  expect B "<$ANN> ??y, ???, ?\\xc3\\xa9\n"
  step "so do forms that are forbidden: too long, surrogates, beyond U+10FFFF, and U+0080 to U+009F" "被禁止的形式也一样：过长编码、代理项、超过 U+10FFFF 的，以及 U+0080 到 U+009F"
  send A '\xc0\xaf, \xe0\x80\xaf, \xf0\x80\x80\xaf\n'
  expect B "<$ANN> ??, ???, ????\n"
  send A '\xed\xa0\x80, \xf4\x90\x80\x80, \xf5\x80\x80\x80, \xc2\x9b\n'
  expect B "<$ANN> ???, ????, ????, ??\n"
  step "after /me too" "/me 后面的也一样"
  send A '/me \x07rings\n'
  expect B "* $ANN ?rings\n"
}

check 2 "Finish a connection" half_closed \
  "8: who has half-closed still gets what is under way" \
  "8：半关闭的人仍能收到还在路上的内容"
half_closed() {
  local size
  step "C sends all it has to say at once, ends its input, and gets its answers" "C 一次发完所有的话，结束输入，收到应答"
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
  step "when $ANN reads again, all that was said before is there, and then the end" "$ANN 重新开始读时，此前说的话全都在，然后连接结束"
  size=$(stat -c %s "$WORK/all")
  tell_dozer A wake
  until_more A "$size"
  # Where it breaks off is chance, and not told.
  (($(size_of A) >= size)) || fail_in_the_end "only a part of it came" "只收到一部分"
  expect_file A "$WORK/all"
  until_true has_ended "${CLIENT[A]}" || fail "the program does not close the connection" "程序没有关闭连接"
}

check 2 "What goes wrong" sleeping_reader \
  "9: who does not read is dropped, and the others miss nothing" \
  "9：不读的人被移出，其他人什么都没错过"
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
  step "$BOB talks on and on, and $CID hears it, until $ANN is dropped" "$BOB 说个不停，$CID 都听到，直到 $ANN 被移出"
  # By less than may be queued at a time: so CID is never too late.
  make_talk 50000
  size=$(stat -c %s "$WORK/heard")
  for ((i = 1; i <= 120; i++)); do
    cat "$WORK/said" >&"${TO[B]}"
    cat "$WORK/heard" >>"$WORK/all"
    until_more C $((AT[C] + i * size))
    (($(size_of C) >= AT[C] + i * size)) || fail_in_the_end "not all that was said reaches the others" "其他人没有收到全部的话"
    ! grep -qxF "$left" "$WORK/C.out" || break
  done
  ((i <= 120)) || fail "a client that does not read is not dropped" "不读的客户端没有被移出"
  expect B "$left\n"
  step "$CID has heard every word, in order" "$CID 一字不漏、按顺序都听到了"
  until_more C $((AT[C] + i * size + ${#left} + 1))
  tail -c +$((AT[C] + 1)) "$WORK/C.out" | grep -vxF "$left" >"$WORK/came" || true
  same_bytes "$WORK/all" "$WORK/came" || fail
  step "and the server is as small as before" "服务器占用的内存和以前一样少"
  DESCRIPTORS=$((DESCRIPTORS - 1)) # ANN's
  expect_descriptors_back
  expect_memory_within 8192
}

check 1 "What goes wrong" own_flood \
  "10: who asks and asks, and does not read, is dropped too" \
  "10：不停提问却不读应答的人，也被移出"
own_flood() {
  # The kernel holds megabytes of short answers before the server has to.
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
  step "it is dropped" "它被移出"
  expect B "* $ANN has left\n"
  expect_descriptors_back
  step "so is one who does so before it has a name" "还没有名字就这样做的，也一样"
  doze N
  pester N '!'
  # The kernel takes megabytes before the server has to keep anything.
  LIMIT_MS=8000 STILL_MS=8000 until_true has_ended "${CLIENT[N]}" ||
    fail "a client that does not read is not dropped" "不读的客户端没有被移出"
  expect_descriptors_back
  expect_memory_within 8192
  step "$BOB is still heard by who comes" "$BOB 的话，新来的人仍能听到"
  enter C "$CID" "$BOB"
  send B "$SECRET\n"
  expect C "<$BOB> $SECRET\n"
}

# Say it again and again, until the dozer is gone. In the background, for a
# server that does not read would hold it up.
pester() { # CLIENT WORD
  local words
  words=$(printf "$2\\\\n%.0s" {1..1000})
  for _ in {1..400}; do
    is_running "${CLIENT[$1]}" || break
    tell_dozer "$1" "$words"
  done 2>/dev/null &
}

# The next line that comes on a descriptor.
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
  "11: $PEOPLE people at once" \
  "11：$PEOPLE 个人同时在场"
full_house() {
  local i j fd fds=() list=
  step "$PEOPLE come, one after the other, and are told who is here" "$PEOPLE 个人陆续进来，得知谁在这里"
  start
  note_resources
  for ((i = 1; i <= PEOPLE; i++)); do
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
    fds[i]=$fd list=" guest$i$list"
    hear "$fd" 'name?'
    printf 'guest%d\n' "$i" >&"$fd"
    hear "$fd" "* here:$list"
  done
  step "each hears of all who came later" "每个人都得知后来者的到来"
  for ((i = 1; i <= PEOPLE; i++)); do
    for ((j = i + 1; j <= PEOPLE; j++)); do hear "${fds[i]}" "* guest$j is here"; done
  done
  step "what the first, the last and one in the middle say is heard by all others" "第一个、最后一个和中间一个人说的话，其他人都听到"
  for i in 1 "$PEOPLE" $((PEOPLE / 2)); do
    printf '%s\n' "$SECRET" >&"${fds[i]}"
    for ((j = 1; j <= PEOPLE; j++)); do
      ((j == i)) || hear "${fds[j]}" "<guest$i> $SECRET"
    done
  done
  step "all leave at once: no descriptor stays open, and the server is at rest" "所有人同时离开：没有留下打开的描述符，服务器处于空闲"
  for fd in "${fds[@]}"; do exec {fd}>&-; done
  expect_descriptors_back
  expect_idle
  expect_no_wakeups 400
}

check 1 "Stop" the_room_closes \
  "12: at SIGTERM all are told that the room closes" \
  "12：收到 SIGTERM 时，告诉所有人房间要关了"
the_room_closes() {
  find_all_leaks
  step "with nobody there SIGINT ends it at once, with status 0" "没有人时，SIGINT 使其立即以退出码 0 结束"
  start
  stop_cleanly INT
  step "$ANN reads nothing and has much to read; $BOB is here, N has no name" "$ANN 什么都不读，积压了很多；$BOB 在场，N 没有名字"
  start
  enter B "$BOB"
  connect N
  expect N 'name?\n'
  doze A
  tell_dozer A "$ANN\\n"
  expect B "* $ANN is here\n"
  talk_until_it_waits
  step "SIGTERM: $BOB and N are told \"* the room closes\", and then the end" "收到 SIGTERM：$BOB 和 N 收到 * the room closes，然后连接结束"
  signal TERM
  expect B '* the room closes\n'
  expect_closed B
  expect N '* the room closes\n'
  expect_closed N
  step "it does not wait for $ANN longer than a second: status 0, nothing leaks" "它等 $ANN 不超过一秒：退出码 0，没有泄漏"
  expect_exit 0
}

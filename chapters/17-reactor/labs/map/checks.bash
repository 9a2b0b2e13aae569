# checks.bash -- several events on one descriptor, and numbers that are used again.

lab mend 4 40
: "${WORD:=hello}" "${SIZE:=300000}" "${COUNT:=8}" "${CLIENTS:=60}" "${SEED:=1}"

check 2 "How it works" hears_and_sees_the_end \
  "a client is answered, and its end is noticed" \
  "客户端得到应答，它关闭时服务器也知道"
hears_and_sees_the_end() {
  step "A is told its number, and gets back what it sends" "A 收到自己的编号，发出的内容原样收回"
  start
  connect A
  expect A 'you are 1\n'
  send A "$WORD\n"
  expect A "$WORD\n"
  step "A closes its end: the server prints it, and closes the connection" "A 关闭自己的一端：服务器打印一行，并关闭连接"
  half_close A
  expect_line '^client 1 has closed its end$'
  expect_closed A
  step "B sends while the server is stopped, and closes its end; it gets all back" "服务器暂停时，B 发出内容并关闭自己的一端；它收回全部内容"
  connect B
  expect B 'you are 2\n'
  hold
  send B "$WORD again\n"
  half_close B
  signal CONT
  expect B "$WORD again\n"
  expect_line '^client 2 has closed its end$'
  expect_closed B
}

check 2 "How it works" reads_and_writes \
  "a client that waits for room to write is heard as well, and afterwards" \
  "还有数据等着写出时，仍能收到客户端的数据，写完之后也一样"
reads_and_writes() {
  short_writes
  make_lines "$WORK/file" "$SIZE"
  step "the kernel takes little at a time; A sends $SIZE bytes and gets them back" "内核每次只接受一点；A 发出 $SIZE 字节，全部收回"
  start
  connect A
  expect A 'you are 1\n'
  send_all A "$WORK/file"
  expect_file A "$WORK/file"
  step "A is still heard, and then the server rests" "服务器仍能收到 A 的数据，之后空闲下来"
  send A "$WORD\n"
  expect A "$WORD\n"
  expect_rest
  step "B sends, and closes its end before it reads: it gets all back" "B 发完就关闭自己的一端，然后才接收：它收回全部内容"
  make_lines "$WORK/late" 150000
  send_unread B "$WORK/late"
  expect_line '^client 2 has closed its end$'
  read_late B
  expect B 'you are 2\n'
  expect_file B "$WORK/late"
  expect_closed B
}

check 1 "What goes wrong" same_number_again \
  "a new client gets the descriptor of one that has left, and is served" \
  "新客户端用的是已离开的客户端的描述符，照样得到服务"
same_number_again() {
  local i
  step "$COUNT clients come and leave, one after the other" "$COUNT 个客户端先后到来、离开"
  start
  note_resources
  for ((i = 1; i <= COUNT; i++)); do
    connect A
    expect A "you are $i\n"
    send A "$WORD\n"
    expect A "$WORD\n"
    close A
    expect_line "^client $i has closed its end\$"
  done
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
}

check 1 "What goes wrong" many_descriptors \
  "the map grows with the number of clients" \
  "客户端多了，描述符表跟着变大"
many_descriptors() {
  step "$CLIENTS clients are served at the same time" "同时服务 $CLIENTS 个客户端"
  start
  many "$CLIENTS" '%d\n' 'you are %d\n%d\n'
  many_again '%d and %d\n' '%d and %d\n'
  step "they leave, and as many new ones are served" "他们离开，又来同样多，照样服务"
  many_leave
  until_true is_empty || is_empty || fail "the server still counts clients that have left" "服务器仍把离开的客户端算在内"
  many_more
}

check 1 "What goes wrong" deleted_in_a_callback \
  "a callback may free a connection, its own or another one" \
  "回调可以释放连接，自己的或者别人的"
deleted_in_a_callback() {
  step "A is there; B sends and resets its connection while the server is stopped" "A 在线；服务器暂停时，B 发出内容并重置连接"
  start
  connect A
  expect A 'you are 1\n'
  connect B linger=0
  expect B 'you are 2\n'
  hold
  send B "$WORD\n"
  reset B
  signal CONT
  step "A is served, and B is not there any more" "A 得到服务，B 已经不在"
  send A "$WORD\n"
  expect A "$WORD\n"
  type_in 'kick 2\n'
  expect_line '^no client 2$'
  step "E sends much, reads nothing, and resets its connection while the server has bytes for it; A is served" \
    "E 只发不收，服务器还有数据要写给它，它就重置连接；A 照样得到服务"
  make_lines "$WORK/much" 9000000
  send_unread E "$WORK/much"
  expect_rest
  close E
  send A "$WORD\n"
  expect A "$WORD\n"
  step "while the server is stopped, a command kicks C, and C sends, and D too" "服务器暂停时，一条命令踢掉 C，C 又发来内容，D 也是"
  connect C
  expect C 'you are 4\n'
  connect D
  expect D 'you are 5\n'
  hold
  type_in 'kick 4\n'
  send C "$WORD\n"
  send D "$WORD\n"
  signal CONT
  expect_line '^kicked 4$'
  step "A and D are served, and C is gone" "A 和 D 得到服务，C 已经断开"
  expect D "$WORD\n"
  send A "$WORD\n"
  expect A "$WORD\n"
  until_true is_closed C || fail "the program does not close the connection" "程序没有关闭连接"
}

check 1 "What goes wrong" news_of_the_old \
  "what epoll reports about an old client does not reach the new one with its descriptor" \
  "epoll 报告的是旧客户端的事，不会算到用同一描述符的新客户端头上"
news_of_the_old() {
  step "while the server is stopped, a command kicks B, C connects, and B closes" "服务器暂停时，先有一条命令要踢掉 B，再来了 C，然后 B 关闭"
  start
  connect A
  expect A 'you are 1\n'
  connect B
  expect B 'you are 2\n'
  settle
  hold
  type_in 'kick 2\n'
  connect C
  close B
  signal CONT
  expect C 'you are 3\n'
  expect_line '^kicked 2$'
  step "C, who has B's descriptor, is served, and has not closed its end" "C 用着 B 的描述符，得到服务，并没有关闭自己的一端"
  send C "$WORD\n"
  expect C "$WORD\n"
  type_in 'count\n'
  expect_line '^clients: 2$'
  ! has_line '^client 3' || fail "the server takes the end of the old client for that of the new one" "服务器把旧客户端的关闭当成了新客户端的"
  step "when C closes its end, the server prints it" "C 关闭自己的一端时，服务器打印一行"
  half_close C
  expect_line '^client 3 has closed its end$'
}

check 1 "What goes wrong" end_of_commands \
  "a descriptor that has only hung up reaches its event" \
  "描述符只报告挂断，事件也会收到"
end_of_commands() {
  step "a command is answered" "命令得到应答"
  start
  connect A
  expect A 'you are 1\n'
  type_in 'count\n'
  expect_line '^clients: 1$'
  step "standard input ends: the server prints it, and rests" "标准输入结束：服务器打印一行，然后空闲"
  end_input
  expect_line '^no more commands$'
  expect_rest
  step "A is served as before" "A 照常得到服务"
  send A "$WORD\n"
  expect A "$WORD\n"
}

check 1 "Exercises" ends_well \
  "clients that have left hold nothing, and SIGTERM ends the program" \
  "离开的客户端不占用任何资源；收到 SIGTERM 时程序结束"
ends_well() {
  find_all_leaks
  watch_allocated
  step "$COUNT clients send, and reset their connections" "$COUNT 个客户端发出内容，再重置连接"
  start
  connect A
  expect A 'you are 1\n'
  note_resources
  reset_many "$COUNT" "$WORD\n"
  expect_descriptors_back
  note_allocated
  step "$COUNT more do the same: neither descriptors nor memory are held" "又有 $COUNT 个这样做：没有留下描述符和内存"
  reset_many "$COUNT" "$WORD\n"
  expect_descriptors_back
  expect_allocated_back "$COUNT"
  step "A is served; SIGTERM ends the program with status 0; nothing leaks" "A 得到服务；SIGTERM 使程序以退出码 0 结束，没有泄漏"
  send A "$WORD\n"
  expect A "$WORD\n"
  stop_cleanly
}

# As many again; the server goes on counting.
many_more() {
  local i fd
  for ((i = 1; i <= CLIENTS; i++)); do
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
    MANY+=("$fd")
    printf '%d\n' "$i" >&"$fd"
  done
  for ((i = 1; i <= CLIENTS; i++)); do
    one_of_many "$i" "$i\n" "you are $((CLIENTS + i))\n$i\n"
  done
}

# Nobody is connected.
is_empty() {
  type_in 'count\n'
  nap 0.02
  [[ $(tail -n 1 "$WORK/stdout") == 'clients: 0' ]]
}

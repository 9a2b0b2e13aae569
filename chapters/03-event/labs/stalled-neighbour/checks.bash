# checks.bash -- one client does not read; the others must not notice.

lab mend 3 45
: "${COUNT:=20}" "${MESSAGE:=hello}" "${AGAIN:=still here}" "${UNREAD_MB:=32}" "${LATE_MB:=12}" "${SEED:=1}"

check 1 "Read, write, and what does not fit into the socket" echoes \
  "a client gets its lines back" \
  "客户端能收回自己发出的各行"
echoes() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends two lines and gets them back" "A 发出两行并原样收回"
  connect A
  send A "$MESSAGE\n"
  expect A "$MESSAGE\n"
  send A "$AGAIN\n"
  expect A "$AGAIN\n"
}

check 2 "What goes wrong" neighbours_go_on \
  "clients get answers while another client does not read" \
  "有客户端不读时，其余客户端照常得到应答"
neighbours_go_on() {
  step "B connects and gets its line back" "B 连接并收回自己的一行"
  start
  connect B
  send B "$MESSAGE\n"
  expect B "$MESSAGE\n"
  step "A sends $UNREAD_MB MB and reads nothing, until no more can be sent" \
    "A 发送 $UNREAD_MB MB，什么也不读，直到再也发不出去"
  fill A "$UNREAD_MB"
  step "B sends more lines and gets each one back" "B 再发几行，每一行都原样收回"
  expect_talks B
  step "C connects, sends lines and gets each one back" "C 连接并发出几行，每一行都原样收回"
  connect C
  expect_talks C
}

check 1 "One context for each client" many_do_not_mix \
  "many clients are served, and hold nothing after they have left" \
  "许多客户端都能得到应答，离开后不再占用任何资源"
many_do_not_mix() {
  watch_allocated
  step "$COUNT clients send at the same time, and each gets its own lines back" "$COUNT 个客户端同时发送，各自收回自己的行"
  start
  note_resources
  many "$COUNT" "$MESSAGE %d\n" "$MESSAGE %d\n"
  many_again "%d $AGAIN\n" "%d $AGAIN\n"
  step "no client sends: the server sleeps, and does not wake up" "没有客户端发送：服务器休眠，不会醒来"
  expect_no_wakeups
  step "these clients leave, 10 more by a reset: no descriptor stays open" "这些客户端离开，另有 10 个以 RST（重置）断开：没有留下打开的描述符"
  many_leave
  reset_many 10 "$MESSAGE %d\n"
  expect_descriptors_back
  step "10 more do the same: no memory is held for them" "又有 10 个这样离开：没有为它们占用内存"
  note_allocated
  reset_many 10 "$MESSAGE %d\n"
  expect_descriptors_back
  expect_allocated_back 10
}

check 2 "Read, write, and what does not fit into the socket" late_readers_get_all \
  "clients that read late get all that they sent" \
  "晚读的客户端也能收回自己发出的全部数据"
late_readers_get_all() {
  fast_clock 60
  step "A and C send $LATE_MB MB each and read nothing yet; B gets an answer" \
    "A、C 各发送 $LATE_MB MB，暂时不读；B 得到应答"
  start
  make_bytes "$WORK/A.sent" $((LATE_MB << 20))
  SEED=$((SEED + 1)) make_bytes "$WORK/C.sent" $((LATE_MB << 20))
  fill A
  fill C
  connect B
  expect_talks B
  step "A reads some of its data, stops, and reads on: all of it comes back, in order" "A 读一部分，停下，再接着读：收回全部数据，顺序不变"
  read_late A
  until_more A 3000000
  pause A
  expect_talks B
  nap 1.2 # more than a minute for the server
  resume A
  expect_all A
  step "C reads: all of its data comes back, in order" "C 开始读：收回全部数据，顺序不变"
  read_late C
  expect_all C
}

check 2 "Read, write, and what does not fit into the socket" costs_little \
  "a client that does not read costs little memory and no processor time" \
  "不读的客户端只占很少的内存，不占处理器时间"
costs_little() {
  step "B connects and gets its line back" "B 连接并收回自己的一行"
  start
  connect B
  send B "$MESSAGE\n"
  expect B "$MESSAGE\n"
  note_resources
  step "A sends $UNREAD_MB MB and reads nothing; B gets an answer" \
    "A 发送 $UNREAD_MB MB，什么也不读；B 得到应答"
  fill A "$UNREAD_MB"
  expect_talks B
  step "the server's memory has grown by less than 8 MB" "服务器的内存增长不到 8 MB"
  expect_peak_within 8192
  step "no client sends or reads: the server sleeps, and does not wake up" "没有客户端发送，也没有客户端读取：服务器休眠，不会醒来"
  expect_no_wakeups
}

check 1 "Free in the right order" lost_with_bytes_unsent \
  "a client that leaves with bytes unsent holds nothing" \
  "数据未发完就离开的客户端，什么也不占用"
lost_with_bytes_unsent() {
  local i
  watch_allocated
  step "A sends $UNREAD_MB MB, reads nothing, and leaves" \
    "A 发送 $UNREAD_MB MB，什么也不读，然后离开"
  start
  note_resources
  fill A "$UNREAD_MB"
  close A
  step "A's descriptor is closed" "A 的描述符已关闭"
  expect_descriptors_back
  step "two more do the same: no memory is held for them" "又有两个客户端也是如此：没有为它们占用内存"
  note_allocated
  for i in 1 2; do
    fill A "$UNREAD_MB"
    close A
    expect_descriptors_back
  done
  expect_allocated_back 2
  step "B connects and gets an answer" "B 连接并得到应答"
  connect B
  expect_talks B
  step "the server sleeps" "服务器处于休眠"
  expect_no_wakeups
}

check 1 "Free in the right order" ends_well \
  "the program ends at SIGTERM and frees all, with bytes unsent" \
  "还有数据未发完时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "B gets its line back; A sends $UNREAD_MB MB and reads nothing" \
    "B 收回自己的一行；A 发送 $UNREAD_MB MB，什么也不读"
  start
  connect B
  send B "$MESSAGE\n"
  expect B "$MESSAGE\n"
  fill A "$UNREAD_MB"
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# A client sends and reads nothing, until the kernel takes no more from it: its
# buffers and the server's are full, or the server has read all.
fill() { # CLIENT [MB]; without MB: the file CLIENT.sent
  local quiet=0 before=0
  [[ ! ${2-} ]] || truncate -s "$2M" "$WORK/$1.sent"
  send_unread "$1" "$WORK/$1.sent"
  until_true is_full "$1" || true
}

# No byte moves in 10 samples in which both processes sleep, or in 50 if the program
# is busy or waits for the processor. The kernel accepts about a megabyte even if the
# program never reads, so less than that proves nothing.
is_full() { # CLIENT
  local taken
  has_ended "${CLIENT[$1]}" && return
  taken=$(awk '/^wchar/ { n = $2 } END { print n + 0 }' "/proc/${CLIENT[$1]}/io" 2>/dev/null)
  if ((taken != before || taken < 1 << 20)) || ! is_asleep "${CLIENT[$1]}"; then
    quiet=0
  elif is_asleep "$PID"; then
    quiet=$((quiet + 5))
  else
    quiet=$((quiet + 1))
  fi
  before=$taken
  nap "$(printf '0.%03d' $((PATIENCE < 40 ? PATIENCE : 40)))"
  ((quiet >= 50))
}

# Ask more than once: when the kernel resizes its buffers, a server that blocks in a
# write may get through for a moment.
expect_talks() { # CLIENT
  local i
  for ((i = 0; i < 5; i++)); do
    send "$1" "$AGAIN\n"
    expect "$1" "$AGAIN\n"
  done
}

# The place of the first wrong byte depends on the kernel's buffers, so the report
# does not say it.
expect_all() { # CLIENT
  local size
  size=$(stat -c %s "$WORK/$1.sent")
  until_more "$1" "$size"
  cmp -s "$WORK/$1.sent" "$WORK/$1.out" && return
  (($(size_of "$1") >= size)) ||
    fail "fewer bytes came back than were sent" "收回的字节比发出的少"
  fail "other bytes came back than were sent" "收回的字节与发出的不同"
}

# The peak counts, also if the memory was freed since: VmHWM of proc(5).
expect_peak_within() { # KB
  local grew=$(($(awk '/^VmHWM/ { print $2 }' "/proc/$PID/status") - MEMORY))
  ((grew <= $1)) || fail "the program's memory grew by more than $1 kB" "程序的内存增长超过 $1 kB"
}

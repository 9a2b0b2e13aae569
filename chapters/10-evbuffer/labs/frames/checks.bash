# checks.bash -- frames in any pieces, of any bytes and lengths, and not too long.

lab make 3 45
: "${WORD:=hello}" "${COUNT:=8}" "${FRAMES:=500}" "${SEED:=1}"

# A frame whose content is TEXT, with printf's escapes, of fewer than 256 bytes.
frame() { # TEXT
  local length
  length=$(printf '%b' "$1" | wc -c)
  printf '\\0\\0\\0\\x%02x%s' "$length" "$1"
}

# Into $WORK/frames COUNT frames, of MOST bytes at most, and into $WORK/answers what
# they are answered with.
make_frames() { # COUNT MOST
  perl -e '
    my ($count, $most, $seed, $folder) = @ARGV;
    srand $seed;
    open my $frames, ">", "$folder/frames" or die;
    open my $answers, ">", "$folder/answers" or die;
    for my $i (1 .. $count) {
      my $length = $i == 1 ? $most : int rand $most;
      my $content = pack "C*", map { int rand 256 } 1 .. $length;
      print $frames pack("N/a*", $content);
      print $answers pack("N/a*", scalar reverse $content);
    }' "$1" "$2" "$SEED" "$WORK"
}

check 2 "A chain of pieces" answers_a_frame \
  "a frame comes back with its bytes reversed" \
  "一帧倒序返回"
answers_a_frame() {
  step "the server listens" "服务器开始监听"
  start
  step "A sends a frame and gets it back reversed" "A 发出一帧，收回倒序的一帧"
  connect A
  send A "$(frame "$WORD")"
  expect A "$(frame "$(rev <<<"$WORD")")"
  step "an empty frame comes back empty" "空帧返回空帧"
  send A "$(frame "")"
  expect A "$(frame "")"
  step "a frame with NUL bytes and line ends" "含有 NUL 和换行的一帧"
  send A "\0\0\0\x05\0\n\0\0a"
  expect A "\0\0\0\x05a\0\0\n\0"
  step "nothing else comes back" "没有多余的内容"
  expect_nothing A
}

check 2 "Lines" takes_any_pieces \
  "a frame may come in pieces, and many frames at once" \
  "一帧可以分几次到达，多帧也可以一起到达"
takes_any_pieces() {
  local i answer
  step "A sends a frame byte by byte, B one in between" "A 一个字节一个字节地发一帧，B 中间发一帧"
  start
  connect A
  connect B
  for i in '\0' '\0' '\0'; do
    send A "$i"
    settle
  done
  expect_nothing A
  send B "$(frame "$WORD")"
  expect B "$(frame "$(rev <<<"$WORD")")"
  for i in '\x03' x y; do
    send A "$i"
    settle
  done
  expect_nothing A
  send A z
  expect A "\0\0\0\x03zyx"
  step "three frames and a half at once, then the other half" "三帧半一起到达，然后是另外半帧"
  send A "$(frame a1)$(frame '')$(frame b2)\0\0"
  expect A "$(frame 1a)$(frame '')$(frame 2b)"
  send A "\0\x02c3"
  expect A "$(frame 3c)"
}

check 1 "A chain of pieces" takes_any_length \
  "frames of all lengths come back, byte for byte" \
  "任何长度的帧都逐字节返回"
takes_any_length() {
  local LIMIT_MS=8000 STILL_MS=8000
  step "A sends $FRAMES short frames at once" "A 一次发出 $FRAMES 个短帧"
  start
  make_frames "$FRAMES" 200
  ask_file A "$WORK/frames"
  expect_file A "$WORK/answers"
  expect_closed A
  step "B sends 20 frames of up to 65536 bytes" "B 发出 20 帧，每帧最长 65536 字节"
  make_frames 20 65536
  ask_file B "$WORK/frames"
  expect_file B "$WORK/answers"
  step "then B's connection is closed" "然后 B 的连接被关闭"
  expect_closed B
}

check 2 "What goes wrong" refuses_the_too_long \
  "a frame that is announced too long ends the connection, after the answers before it" \
  "宣称过长的帧会结束连接，但先送出此前的应答"
refuses_the_too_long() {
  step "A sends two frames, and announces 65537 bytes: two answers, then the end" "A 发出两帧，再宣称 65537 字节：两个应答，然后连接结束"
  start
  note_resources
  connect A
  send A "$(frame "$WORD")$(frame ab)\0\x01\0\x01"
  expect A "$(frame "$(rev <<<"$WORD")")$(frame ba)"
  expect_closed A
  step "B announces 4294967295 bytes: the connection ends" "B 宣称 4294967295 字节：连接结束"
  connect B
  send B "\xff\xff\xff\xff"
  expect_closed B
  step "C announces 2147483648 bytes: the connection ends" "C 宣称 2147483648 字节：连接结束"
  connect C
  send C "\x80\0\0\0"
  expect_closed C
  step "no descriptor stays open, and D is served" "没有留下打开的描述符，D 得到服务"
  expect_descriptors_back
  connect D
  send D "$(frame "$WORD")"
  expect D "$(frame "$(rev <<<"$WORD")")"
}

check 1 "What goes wrong" ignores_half_a_frame \
  "a client that half-closes in the middle of a frame gets the answers to the whole ones" \
  "在一帧中间半关闭的客户端，能收到此前各帧的应答"
ignores_half_a_frame() {
  step "A sends a frame and a half, and half-closes: one answer, then the end" "A 发出一帧半，然后半关闭：一个应答，然后连接结束"
  start
  connect A
  send A "$(frame "$WORD")\0\0\0\x05hal"
  expect A "$(frame "$(rev <<<"$WORD")")"
  half_close A
  expect_closed A
}

check 1 "Lines" waits_for_the_slow \
  "a client that sends and does not read costs little memory" \
  "只发送、不读取的客户端占用的内存不多"
waits_for_the_slow() {
  local fd LIMIT_MS=8000 STILL_MS=8000
  step "A sends 24 MB of frames and reads nothing: memory hardly grows" "A 发出 24 MB 的帧而不读取：内存几乎不增长"
  start
  note_resources
  make_frames 1 8000
  for _ in {1..3000}; do cat "$WORK/frames"; done >"$WORK/many"
  for _ in {1..3000}; do cat "$WORK/answers"; done >"$WORK/all"
  { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
  cat "$WORK/many" >&"$fd" &
  CLIENT[A]=$!
  settle
  expect_memory_within 12000
  step "B gets an answer meanwhile" "这期间 B 能得到应答"
  connect B
  send B "$(frame "$WORD")"
  expect B "$(frame "$(rev <<<"$WORD")")"
  step "A reads, and gets all of its answers" "A 开始读取，收到全部应答"
  TO[A]=$fd AT[A]=0
  read_late A
  until_more A "$(stat -c %s "$WORK/all")"
  cmp -s "$WORK/all" "$WORK/A.out" ||
    fail "the answers did not all arrive once and in order" "应答有缺失、重复或乱序"
}

check 1 "How it works" leaves_nothing \
  "clients that have left hold nothing, and SIGTERM frees all" \
  "离开的客户端什么也不占用，收到 SIGTERM 释放全部资源"
leaves_nothing() {
  find_all_leaks
  watch_allocated
  step "$COUNT clients get answers at the same time; then nothing wakes the server" "$COUNT 个客户端同时得到应答；之后没有任何东西唤醒服务器"
  start
  note_resources
  many "$COUNT" "$(frame abc)" "$(frame cba)"
  expect_no_wakeups
  step "these clients leave, others reset their connections: no descriptor stays open" "这些客户端离开，另一些以 RST（重置）断开：没有留下打开的描述符"
  many_again "\0\0" ''
  many_leave
  reset_many 3 "$(frame "$WORD")\0\0"
  expect_descriptors_back
  step "five more do the same, and no memory is held for them" "又有五个这样断开，没有为它们占用内存"
  note_allocated
  reset_many 5 "$(frame "$WORD")\0\0"
  expect_descriptors_back
  expect_allocated_back 5
  step "SIGTERM ends the program while A is connected; nothing leaks" "A 仍连接时，SIGTERM 使程序结束，没有泄漏"
  connect A
  send A "$(frame "$WORD")\0\0"
  expect A "$(frame "$(rev <<<"$WORD")")"
  stop_cleanly
}

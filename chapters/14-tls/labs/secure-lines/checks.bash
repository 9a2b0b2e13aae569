# checks.bash -- a server that speaks TLS: from the handshake to close_notify.

lab make 3 45
STILL_MS=$LIMIT_MS # the program has timers
: "${WORDS:=hello}" "${CLIENTS:=10}" "${BIG:=700000}" "${FIRST:=4500}" "${SEED:=1}"

FAST=10 # ten seconds take one

# The program can read what a server needs, and the settings of an OpenSSL that would
# speak old versions. The authority's certificate is for the clients.
make_files() {
  CERTIFICATES=$ROOM/certificates
  [[ ! -f $FOLDER/server.key ]] || return 0
  "$HERE/../certificates" "$CERTIFICATES" >/dev/null
  printf '%s\n' "openssl_conf = all" "[all]" "ssl_conf = ssl" "[ssl]" "system_default = default" \
    "[default]" "MinProtocol = TLSv1" "CipherString = DEFAULT:@SECLEVEL=0" >"$FOLDER/openssl.cnf"
  install -m 644 "$CERTIFICATES/server.pem" "$FOLDER"
  install -m 644 "$CERTIFICATES/server.key" "$FOLDER"
}

serve() {
  make_files
  start server.pem server.key 0
}

# Connect a client that speaks TLS, to another port if one is given.
greet() { # CLIENT [PORT]
  peer "$1" "OPENSSL:127.0.0.1:${2:-$PORT},cafile=$CERTIFICATES/ca.pem"
  until_true log_says "$1" 'SSL connection using| E ' || true
  log_says "$1" 'SSL connection using' || fail "there is no handshake" "握手没有完成"
}

# Listen on a port, and pass its bytes on to the program. Sets RELAY, the port; all that
# the program sends is in the file relay. The relay has small buffers, so that bytes which
# a client does not read wait in the program.
relay() {
  : >"$WORK/relay.log"
  rm -f "$WORK/relay"
  (
    # shellcheck disable=SC2119
    close_ours
    exec socat -d -d -R "$WORK/relay" TCP-LISTEN:0,bind=127.0.0.1,sndbuf=8192 \
      "TCP:127.0.0.1:$PORT,rcvbuf=8192" 2>"$WORK/relay.log"
  ) &
  CLIENT[relay]=$!
  until_true log_says relay 'listening on| E ' || true
  RELAY=$(sed -nE 's/.*listening on .*:([0-9]+)$/\1/p' "$WORK/relay.log")
  [[ $RELAY ]] || fail "the check cannot start its relay" "检查程序无法启动中转"
}

# The last record that the program has sent is close_notify. In TLS 1.3 it is encrypted
# like the others, but no other record is as short.
expect_close_notify() {
  until_true has_ended "${CLIENT[relay]}" || fail "the program does not close the connection" "程序没有关闭连接"
  [[ $(last_record) == "23 19" ]] || fail "the program closes without close_notify" "程序没有发送 close_notify 就关闭了连接"
  unset 'CLIENT[relay]'
}

# Type and length of the last record.
last_record() {
  perl -0777 -ne '
    for ($at = 0; $at + 5 <= length; $at += 5 + $size) {
      ($type, undef, $size) = unpack "x${at}Cnn", $_;
    }
    print "$type $size";' "$WORK/relay"
}

# Connect a client that sends the whole file, says close_notify, and reads nothing
# before read_tls.
send_unread_tls() { # CLIENT FILE PORT
  local fifo=$WORK/$1.fifo
  make_fifo "$fifo"
  exec {HELD}<>"$fifo"
  note_file "$1" "$2"
  : >"$WORK/$1.out"
  (
    # shellcheck disable=SC2119
    close_ours
    exec socat -b 4096 -t 600 -d -d - "OPENSSL:127.0.0.1:$3,cafile=$CERTIFICATES/ca.pem,rcvbuf=8192" \
      <"$2" >"$fifo" 2>"$WORK/$1.log"
  ) &
  CLIENT[$1]=$! AT[$1]=0
}

read_tls() { # CLIENT
  cat "$WORK/$1.fifo" >"$WORK/$1.out" &
  CLIENT[reader]=$!
  exec {HELD}>&-
}

# OpenSSL's own client, limited to one version.
try_version() { # tls1_1|tls1_2|tls1_3
  OPENSSL_CONF=$FOLDER/openssl.cnf timeout $((PATIENCE / 2)) openssl s_client -connect "127.0.0.1:$PORT" \
    "-$1" </dev/null >"$WORK/s_client" 2>&1 || true
}

check 2 "A bufferevent that speaks TLS" talks \
  "clients get their lines in capitals, over TLS" \
  "客户端通过 TLS 收回大写的行"
talks() {
  local i
  step "the server listens; A makes a handshake, and the server says so" "服务器开始监听；A 完成握手，服务器打印出来"
  serve
  greet A
  expect_line '^client connected: TLSv1.3$'
  step "A sends a line and a half, and gets the line in capitals" "A 发出一行半，收回大写的一行"
  send A "$WORDS\n$WORDS"
  expect A "${WORDS^^}\n"
  step "A says close_notify, and gets the rest; then its connection ends" "A 发出 close_notify，收回剩下的半行；然后连接结束"
  half_close A
  expect A "${WORDS^^}"
  expect_closed A
  expect_line '^client closed$'
  step "$CLIENTS clients at the same time get the lines that belong to them" "$CLIENTS 个客户端同时连接，各自收回自己的行"
  for ((i = 1; i <= CLIENTS; i++)); do greet "c$i"; done
  for ((i = 1; i <= CLIENTS; i++)); do send "c$i" "$WORDS $i\n"; done
  for ((i = 1; i <= CLIENTS; i++)); do expect "c$i" "${WORDS^^} $i\n"; done
}

check 1 "What all connections share" refuses_old_versions \
  "TLS 1.2 and 1.3 are spoken, and TLS 1.1 is not" \
  "支持 TLS 1.2 和 1.3，不支持 TLS 1.1"
refuses_old_versions() {
  make_files
  environment OPENSSL_CONF=openssl.cnf
  step "clients of TLS 1.2 and TLS 1.3 connect" "TLS 1.2 和 TLS 1.3 的客户端能连接"
  serve
  try_version tls1_2
  expect_line '^client connected: TLSv1.2$'
  try_version tls1_3
  expect_line '^client connected: TLSv1.3$'
  step "a client of TLS 1.1 is refused, although the system's settings allow it" "系统设置允许 TLS 1.1，但这样的客户端被拒绝"
  try_version tls1_1
  ! grep -q 'Cipher is [A-Z]' "$WORK/s_client" || fail "a client of TLS 1.1 has a handshake" "TLS 1.1 的客户端完成了握手"
}

check 2 "The events" says_why \
  "the server says why a client has no handshake, or how its connection ended, and goes on" \
  "服务器说明握手为什么失败、连接怎样结束，并继续工作"
says_why() {
  step "A does not speak TLS: wrong version number" "A 不用 TLS：wrong version number"
  serve
  connect A
  send A 'hello\n'
  expect_error 'no handshake with a client: wrong version number'
  step "B is cut off in the middle of a line: unexpected eof" "B 的连接断在一行中间：unexpected eof"
  greet B
  send B "$WORDS\n$WORDS"
  expect B "${WORDS^^}\n"
  close B
  expect_error 'lost a client: unexpected eof'
  step "C is served as before, and its end is no failure" "C 照常得到服务，它的结束不算失败"
  greet C
  send C "$WORDS\n"
  expect C "${WORDS^^}\n"
  half_close C
  expect_closed C
  expect_line '^client closed$'
  (($(grep -c '^secure-lines: ' "$WORK/stderr") == 2)) || fail "there are other lines on standard error" "标准错误里还有别的行"
}

check 2 "Time limits" limits_the_handshake \
  "a handshake has ten seconds, and a connection behind it has no limit" \
  "握手限时十秒，握手之后不限时"
limits_the_handshake() {
  local dropped='^secure-lines: dropped a client: its handshake took too long$'
  fast_clock "$FAST"
  step "A makes a handshake, B says nothing, C sends its first message byte by byte; B and C are dropped" \
    "A 完成握手，B 一言不发，C 一个字节一个字节地发第一条消息；B 和 C 都被断开"
  serve
  greet A
  connect B
  connect C
  send C '\x16\x03\x01\x02\x00\x01'
  dribble C &
  CLIENT[dribble]=$!
  until_true has_errors "$dropped" 2 || fail "a client without a handshake is not dropped" "没有完成握手的客户端没有被断开"
  kill "${CLIENT[dribble]}" 2>/dev/null || true
  expect_closed B
  step "A is served on" "A 继续得到服务"
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
}

# The client never completes its message.
dribble() { # CLIENT
  local i
  trap - EXIT TERM
  for ((i = 0; i < 1000; i++)); do
    printf '\x01' >&"${TO[$1]}"
    nap 0.02
  done
}

has_errors() { # REGEX COUNT
  (($(grep -cE -- "$1" "$WORK/stderr") >= $2))
}

check 2 "The end" ends_with_close_notify \
  "a client that says close_notify gets all of its answer, and close_notify behind it" \
  "客户端发出 close_notify 之后，收到完整的应答，后面跟着 close_notify"
ends_with_close_notify() {
  step "A sends a line and close_notify: the answer comes, and close_notify" "A 发出一行和 close_notify：收到应答和 close_notify"
  serve
  relay
  greet A "$RELAY"
  send A "$WORDS\n"
  half_close A
  expect A "${WORDS^^}\n"
  expect_close_notify
  step "B sends $BIG bytes and close_notify, and reads later: all of the answer comes, and close_notify" \
    "B 发出 $BIG 字节和 close_notify，之后才读：收到完整的应答和 close_notify"
  make_lines "$WORK/message" "$BIG"
  tr '[:lower:]' '[:upper:]' <"$WORK/message" >"$WORK/answer"
  relay
  send_unread_tls B "$WORK/message" "$RELAY"
  until_true log_says B 'socket 1 .* is at EOF' || fail "the program does not read the client's data" "程序没有读取客户端发来的数据"
  settle
  read_tls B
  expect_file B "$WORK/answer"
  expect_close_notify
  step "the last bytes of C's line come together with its close_notify, and are answered too" \
    "C 那一行的最后几个字节和 close_notify 一起到达，也得到应答"
  greet C
  printf -v LINE "%0${FIRST}d" 0
  send C "$LINE"
  settle
  hold
  send C "$WORDS"
  half_close C
  until_true log_says C 'socket 1 .* is at EOF' || true
  until_true stays_asleep "${CLIENT[C]}" || true # it has sent close_notify too
  signal CONT
  expect C "$LINE${WORDS^^}"
  expect_closed C
}

check 1 "A bufferevent that speaks TLS" frees_all \
  "nothing is held for clients that have left, and the program ends well" \
  "客户端离开后不再占用资源，程序干净地结束"
frees_all() {
  watch_allocated
  step "clients leave: with close_notify, without, and without a handshake; their descriptors are closed" \
    "客户端离开：有的发了 close_notify，有的没发，有的没有握手；它们的描述符都已关闭"
  serve
  leave
  settle
  note_resources
  note_allocated
  leave
  expect_descriptors_back
  step "no memory is held for them" "不再为它们占用内存"
  expect_allocated_back 3
  step "SIGTERM ends the program with status 0, whatever its clients do; nothing leaks" \
    "收到 SIGTERM，不论客户端在做什么，程序都以退出码 0 结束，没有泄漏"
  greet D
  send D "$WORDS\n"
  expect D "${WORDS^^}\n"
  connect E
  stop_cleanly
}

leave() {
  greet A
  send A "$WORDS\n"
  expect A "${WORDS^^}\n"
  half_close A
  expect_closed A
  greet B
  send B "$WORDS\n"
  expect B "${WORDS^^}\n"
  close B
  connect C
  send C 'hello\n'
  until_true is_closed C || fail "the program does not close the connection" "程序没有关闭连接"
  settle
}

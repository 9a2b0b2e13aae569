# checks.bash -- a TLS client that verifies its server, and knows where an answer ends.

lab mend 3 30
: "${REQUEST:=the price of a ticket}" "${ANSWER:=the price is 1000}" "${HALF:=the price is 10}"
: "${HOST:=localhost}" "${SIZE:=300000}" "${SEED:=1}"

# The certificates of the chapter, and one more: its common name is localhost, but its
# alternative names belong to other hosts. The program can read only the authority's.
make_certificates() {
  CERTIFICATES=$ROOM/certificates
  [[ ! -f $CERTIFICATES/common-name.pem ]] || return 0
  "$HERE/../certificates" "$CERTIFICATES" >/dev/null
  cp "$CERTIFICATES/ca.pem" "$FOLDER/ca.pem"
  openssl req -new -key "$CERTIFICATES/server.key" -subj /CN=localhost |
    openssl x509 -req -CA "$CERTIFICATES/ca.pem" -CAkey "$CERTIFICATES/ca.key" -CAcreateserial \
      -extfile <(echo "subjectAltName = DNS:localhost.elsewhere.example, DNS:elsewhere.example") \
      -out "$CERTIFICATES/common-name.pem" 2>/dev/null
  cp "$CERTIFICATES/server.key" "$CERTIFICATES/common-name.key"
}

# Be a TLS server with one of the certificates, for one connection. Sets PORT.
serve() { # CLIENT CERTIFICATE
  make_certificates
  peer "$1" "OPENSSL-LISTEN:0,bind=127.0.0.1,reuseaddr,verify=0,cert=$CERTIFICATES/$2.pem,key=$CERTIFICATES/$2.key"
  until_true log_says "$1" 'listening on| E ' || true
  find_server "$1"
}

# Be two TLS servers on one port: one for clients that name localhost, one for others.
# Both send the request back, reversed.
serve_two() { # CLIENT
  make_certificates
  (
    # shellcheck disable=SC2119
    close_ours
    exec openssl s_server -accept 127.0.0.1:0 -rev -servername localhost \
      -cert "$CERTIFICATES/wrong-host.pem" -key "$CERTIFICATES/wrong-host.key" \
      -cert2 "$CERTIFICATES/server.pem" -key2 "$CERTIFICATES/server.key" </dev/null >"$WORK/$1.log" 2>&1
  ) &
  CLIENT[$1]=$!
  until_true log_says "$1" 'ACCEPT ' || true
  find_server "$1"
}

find_server() { # CLIENT
  PORT=$(sed -nE 's/^(.*listening on|ACCEPT) .*:([0-9]+)$/\2/p' "$WORK/$1.log")
  [[ $PORT ]] || fail "the check cannot start a TLS server" "检查程序无法启动 TLS 服务器"
}

# Run the program: HOST has PORT.
asks() { # HOST
  launch ca.pem "$1" "$PORT" "$REQUEST"
  end_input
}

# The server has the whole request, and knows that it is whole.
expect_request() { # CLIENT
  expect "$1" "$REQUEST\n"
  until_true log_says "$1" 'socket 2 .* is at EOF' || fail "the server does not learn where the request ends" "服务器不知道请求到哪里结束"
}

# The server has sent all of its answer: the program ends well, and prints it.
expect_answer_from() { # CLIENT FILE
  half_close "$1"
  expect_exit 0
  same_bytes "$2" "$WORK/stdout" || fail
}

# The server with this certificate gets no byte of the request, and the program fails.
refuses() { # CERTIFICATE HOST
  serve A "$1"
  asks "$2"
  until_true gets_or_ends A || fail "the program does not end" "程序没有结束"
  until_true is_closed A || true
  count_bytes A
  ((ARRIVED == 0)) || fail "the request was sent to a server that has not proved who it is" "服务器没有证明自己的身份，请求却发出去了"
  expect_exit 1
  expect_output ''
  unset 'CLIENT[A]'
}

gets_or_ends() { # CLIENT
  has_come "$1" 1 || has_ended "$RUN"
}

fails_with() { # REGEX
  expect_exit 1
  expect_error "$1"
  expect_output ''
}

check 2 "Try it first" answers \
  "the answer of the right server is printed whole" \
  "正确的服务器的应答完整打印出来"
answers() {
  step "the request arrives at the server, and behind it close_notify" "请求送到服务器，后面跟着 close_notify"
  serve A server
  asks "$HOST"
  expect_request A
  step "the answer and the server's close_notify come: the program prints the answer" "应答和服务器的 close_notify 都到了：程序打印应答"
  send A "$ANSWER\n"
  printf '%s\n' "$ANSWER" >"$WORK/answer"
  expect_answer_from A "$WORK/answer"
  step "an answer of $SIZE bytes is printed whole" "长 $SIZE 字节的应答完整打印"
  make_lines "$WORK/answer" "$SIZE"
  serve B server
  asks 127.0.0.1
  expect_request B
  send_all B "$WORK/answer"
  expect_answer_from B "$WORK/answer"
  step "a server of several hosts learns which one is wanted" "一台服务器上有几个主机，它知道要的是哪一个"
  serve_two C
  asks localhost
  rev <<<"$REQUEST" >"$WORK/answer"
  expect_exit 0
  same_bytes "$WORK/answer" "$WORK/stdout" || fail
}

check 2 "Whom a client trusts" refuses_strangers \
  "without a valid certificate of a trusted authority a server gets nothing" \
  "没有可信机构签发的有效证书，服务器什么也收不到"
refuses_strangers() {
  step "a certificate whose time is over: no byte is sent, and the exit status is 1" "证书过期：一个字节也不发，退出码为 1"
  refuses expired "$HOST"
  step "a certificate signed by itself: the same" "自签名的证书：同上"
  refuses self-signed "$HOST"
  step "a certificate of an unknown authority: the same" "未知机构签发的证书：同上"
  refuses unknown-ca "$HOST"
}

check 2 "Whom a client trusts" refuses_others \
  "with the certificate of another host a server gets nothing" \
  "出示别的主机的证书，服务器什么也收不到"
refuses_others() {
  step "the certificate of another host: no byte is sent, and the exit status is 1" "别的主机的证书：一个字节也不发，退出码为 1"
  refuses wrong-host localhost
  step "the same if the program is given an address" "给程序的是地址时，也一样"
  refuses wrong-host 127.0.0.1
  step "localhost is only the common name, and the alternative names are other ones" "localhost 只是通用名（CN），而备用名称是别的名字"
  refuses common-name localhost
}

check 2 "The events" tells_why \
  "the program says why there is no answer" \
  "程序说明为什么没有应答"
tells_why() {
  step "a server without TLS: wrong version number" "不用 TLS 的服务器：wrong version number"
  listen A
  asks "$HOST"
  accepted A
  send A '220 welcome\r\n'
  fails_with 'wrong version number'
  step "no server at all: Connection refused" "根本没有服务器：Connection refused"
  asks "$HOST"
  fails_with 'Connection refused'
  step "the connection is cut: unexpected eof" "连接中断：unexpected eof"
  serve B server
  asks "$HOST"
  expect_request B
  close B
  fails_with 'unexpected eof'
  step "the certificate: certificate has expired" "证书：certificate has expired"
  refuses expired "$HOST"
  expect_error 'certificate has expired'
  step "the name: hostname mismatch" "名字：hostname mismatch"
  refuses wrong-host localhost
  expect_error 'hostname mismatch'
}

check 2 "What goes wrong" notices_a_cut \
  "an answer that was cut off is not taken for a whole one" \
  "中途断开的应答，不当作完整的应答"
notices_a_cut() {
  step "half of the answer comes, then the connection is cut: nothing is printed, and the exit status is 1" \
    "应答收到一半，连接中断：什么也不打印，退出码为 1"
  serve A server
  asks "$HOST"
  expect_request A
  send A "$HALF"
  settle
  close A
  expect_exit 1
  expect_output ''
  step "the same if the connection is cut before the first byte of an answer" "应答的第一个字节还没到就中断，也一样"
  serve B server
  asks "$HOST"
  expect_request B
  close B
  expect_exit 1
  expect_output ''
}

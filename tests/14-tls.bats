setup() {
  load lib/course
  load lib/servers
  load lib/tls
  [[ ! ${UNDER-} ]] || under_valgrind
  make_certificates
}

teardown() {
  course_teardown
}

# On a busy machine a handshake takes more than the 10 s that it may then. So a test of
# each program runs, with more time, and the others with the sanitizers alone.
under_valgrind() {
  local name
  [[ $BATS_TEST_DESCRIPTION =~ \((W16|X1|S7)\) ]] || skip "OpenSSL takes seconds for each handshake under valgrind"
  for name in tls-echo-server tls-client https-server; do
    build_own "$name" 's/(HANDSHAKE = )\{10, 0\}/\1{200, 0}/'
  done
}

@test "tls-echo-server sends each byte back, whatever the size, to a client that half-closes" {
  start_tls tls-echo-server
  for size in 0 1 16384 16385 3000000; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    ask_tls <"$BATS_TEST_TMPDIR/message" >"$BATS_TEST_TMPDIR/answer"
    cmp "$BATS_TEST_TMPDIR/answer" "$BATS_TEST_TMPDIR/message"
  done
  wait_for_line "^client closed$" 5
  assert_equal "$(count_lines "^tls-echo-server: ")" 0
}

@test "tls-echo-server speaks TLS 1.2 and 1.3, and says which" {
  start_tls tls-echo-server
  for version in 2 3; do
    run -0 s_client -tls1_$version </dev/null
    assert_line --partial "Verify return code: 0 (ok)"
    wait_for_line "^client connected: TLSv1.$version, [A-Z0-9_-]+$"
  done
}

@test "tls-echo-server refuses TLS 1.1, and says why, whatever the system's settings allow (W1)" {
  allow_old_versions
  start_tls tls-echo-server
  run -1 s_client -tls1_1 </dev/null
  assert_line --partial "alert protocol version"
  wait_for_line "^tls-echo-server: no handshake with a client: unsupported protocol$"
  assert_equal "$(ask_tls <<<hello)" hello
}

@test "tls-echo-server says why a client without TLS has no handshake, and lives on (W8 W10)" {
  start_tls tls-echo-server
  run curl --silent --max-time "$LIMIT" "http://127.0.0.1:$PORT/"
  wait_for_line "^tls-echo-server: no handshake with a client: http request$"
  echo hello | timeout "$LIMIT" nc -N 127.0.0.1 "$PORT" >/dev/null
  wait_for_line "^tls-echo-server: no handshake with a client: wrong version number$"
  timeout "$LIMIT" nc -N 127.0.0.1 "$PORT" </dev/null
  wait_for_line "^tls-echo-server: no handshake with a client: unexpected eof while reading$"
  assert_equal "$(ask_tls <<<hello)" hello
}

@test "tls-echo-server says why a client has refused its certificate" {
  for name in expired self-signed unknown-ca; do
    start_tls tls-echo-server "$name"
    run -1 s_client </dev/null
    wait_for_line "^tls-echo-server: no handshake with a client: .*(certificate expired|unknown ca|certificate unknown)"
  done
}

@test "tls-echo-server takes close_notify in the handshake for no end of a connection" {
  local hello=$BATS_TEST_TMPDIR/hello
  start_command_server TCP-LISTEN:0,bind=127.0.0.1 "cat >'$hello'"
  openssl s_client -connect "127.0.0.1:$TLS_PORT" </dev/null >/dev/null 2>&1 3>&- &
  OTHERS+=($!)
  wait_for test -s "$hello"
  settle "$SERVER"
  start_tls tls-echo-server
  { cat "$hello" && printf '\x15\x03\x03\x00\x02\x01\x00'; } | timeout "$LIMIT" nc -N 127.0.0.1 "$PORT" >/dev/null
  wait_for_line "^tls-echo-server: no handshake with a client: it has left$"
  assert_equal "$(count_lines "^client closed$")" 0
}

# A client that has its handshake done in time, though the machine may be busy.
talks_on_5() {
  local reply
  open_client 5
  echo hello >&5
  read -r -t 2 -u 5 reply && [[ $reply == hello ]]
}

# Neither the one that says nothing more nor the one that sends a byte again and again
# comes to the end of its first message.
@test "tls-echo-server drops a client whose handshake takes too long, not others (W2)" {
  build_own tls-echo-server 's/(HANDSHAKE = )\{10, 0\}/\1{0, 300000}/'
  start tls-echo-server
  wait_for talks_on_5
  dropped=$(count_lines "dropped")
  exec 6<>"/dev/tcp/127.0.0.1/$TLS_PORT" 7<>"/dev/tcp/127.0.0.1/$TLS_PORT"
  printf '\x16\x03\x01\x02\x00\x01' >&6
  printf '\x16\x03\x01\x02\x00\x01' >&7
  while printf '\x01'; do sleep 0.05; done >&7 2>/dev/null 3>&- &
  OTHERS+=($!)
  wait_for_line "^tls-echo-server: dropped a client: its handshake took too long$" $((dropped + 2))
  run -0 timeout "$LIMIT" cat <&6
  assert_output ""
  assert_talks 5
}

@test "tls-echo-server tells a connection that was cut from one that was closed (W3)" {
  start_tls tls-echo-server
  assert_equal "$(ask_tls <<<hello)" hello
  wait_for_line "^client closed$"
  hold_s_client
  wait_for_line "^client connected" 2
  kill_quietly "$HELD"
  wait_for_line "^tls-echo-server: lost a client: unexpected eof while reading$"
  assert_equal "$(count_lines "^client closed$")" 1
  assert_equal "$(count_lines "^tls-echo-server: ")" 1
}

@test "tls-echo-server says close_notify when it has answered everything (W4)" {
  start_tls tls-echo-server
  start_peer 300000 0
  wait_for peer_says "^received 300000 bytes, close_notify$"
}

# The last write of a connection is close_notify. If it finds the socket full, it has to
# be tried again.
@test "tls-echo-server says close_notify also if the socket is full at first (W5)" {
  start_tls tls-echo-server
  trace -e trace=write
  start_peer 10
  wait_for peer_says "^received 10 bytes, close_notify$"
  wait_for grep -q '"client closed' "$BATS_TEST_TMPDIR/trace"
  last=$(grep -n '"client closed' "$BATS_TEST_TMPDIR/trace" | sed 's/:.*//')
  stop "$PID"
  start_tls tls-echo-server
  trace -e trace=write -e inject=write:error=EAGAIN:when=$((last - 1))
  start_peer 10
  wait_for peer_says "^received 10 bytes, "
  peer_says "close_notify" || fail "it was not tried again: $(<"$BATS_TEST_TMPDIR/trace")"
  grep -q EAGAIN "$BATS_TEST_TMPDIR/trace"
}

@test "tls-echo-server sends all to a half-closed client that reads late (W6 W7)" {
  build_with_small_buffers tls-echo-server
  start_tls tls-echo-server
  start_peer 200000 1
  wait_for peer_says "^received 200000 bytes, close_notify$"
  wait_for_line "^client closed$"
}

@test "tls-echo-server keeps its memory when a client never reads, and answers others (W9)" {
  start tls-echo-server
  before=$(memory_of "$PID")
  start_peer 200000000
  wait_for peer_says "^sent "
  assert_grew_at_most 2048 "$before" "$PID"
  ! peer_says "^sent 200000000 " || fail "all 200 MB were taken"
  open_client 5
  assert_talks 5
}

# The slow one sends nothing more either, until it has read everything.
@test "tls-echo-server drops a client that is idle, not one that reads slowly (W11 W12)" {
  local bytes=$((400000 * FACTOR)) # where time is longer, the slow one takes longer too
  build_own tls-echo-server "s/(IDLE = )\{60, 0\}/\1{$FACTOR, 0}/"
  start_tls tls-echo-server
  start_peer "$bytes" 15 late
  hold_s_client
  wait_for_line "^tls-echo-server: dropped a client that was idle$"
  wait_for peer_says "^received $bytes bytes, close_notify$"
  assert_equal "$(count_lines "dropped")" 1
}

@test "tls-echo-server resumes sessions, in TLS 1.2 and 1.3 (W14)" {
  start_tls tls-echo-server
  for version in 2 3; do
    session=$BATS_TEST_TMPDIR/session$version
    hold_s_client -tls1_$version -sess_out "$session"
    held_says hello '^hello$' # in TLS 1.3 the session comes after the handshake
    kill_quietly "$HELD"
    run -0 s_client -tls1_$version -sess_in "$session" </dev/null
    assert_line --regexp "^Reused, TLSv1.$version"
    wait_for_line "^client connected: TLSv1.$version, .*, resumed$"
  done
  assert_equal "$(count_lines "resumed$")" 2
}

@test "tls-echo-server refuses renegotiation (W13)" {
  start_tls tls-echo-server
  hold_s_client -tls1_2
  held_says R 'no renegotiation'
}

@test "tls-echo-server rests when descriptors run out, and recovers (W15)" {
  build_own tls-echo-server 's/(REST = )\{1, 0\}/\1{1000, 0}/'
  FDS=20 start tls-echo-server
  for i in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$TLS_PORT"
    waiting[i]=$fd
  done
  wait_for_line "cannot accept"
  open_client 5
  for fd in "${waiting[@]}"; do
    close_client "$fd"
  done
  assert_talks 5
}

@test "tls-echo-server frees everything at SIGINT and SIGTERM, with clients connected (W16)" {
  find_leaks_in tls-echo-server
  for signal in INT TERM; do
    start tls-echo-server
    open_client 5
    assert_talks 5
    close_client 5
    wait_for_line "^client closed$"
    open_client 5
    assert_talks 5
    exec 6<>"/dev/tcp/127.0.0.1/$TLS_PORT"
    printf '\x16' >&6
    timeout "$LIMIT" nc -N 127.0.0.1 "$TLS_PORT" <<<plain >/dev/null
    wait_for_line "no handshake"
    kill "-$signal" "$PID"
    assert_exit 0
  done
}

# Bytes that are no handshake, to all connections of waiting[].
say_to_all() { # BYTES
  local fd
  for fd in "${waiting[@]}"; do printf '%s' "$1" >&"$fd"; done
}

# libevent puts off 32 callbacks in a round at most, and what comes after them to the
# next one. The first round with so many makes it ask epoll for more events at a time.
@test "tls-echo-server frees connections whose callbacks are put off to the next round (W17)" {
  find_leaks_in tls-echo-server
  start_tls tls-echo-server
  for i in {1..60}; do exec {fd}<>"/dev/tcp/127.0.0.1/$TLS_PORT" && waiting[i]=$fd; done
  for bytes in $'\x16' "no handshake"; do
    settle "$PID"
    kill -STOP "$PID"
    say_to_all "$bytes"
    [[ $bytes == ? ]] || kill -TERM "$PID"
    kill -CONT "$PID"
  done
  assert_exit 0
}

@test "tls-echo-server says which file it cannot use, and why" {
  run -1 course tls-echo-server -c /nowhere.pem -k "$CERTIFICATES/server.key" 127.0.0.1 0
  assert_output "tls-echo-server: cannot use the certificate /nowhere.pem: No such file or directory"
  run -1 course tls-echo-server -c "$CERTIFICATES/server.key" -k "$CERTIFICATES/server.key" 127.0.0.1 0
  assert_output "tls-echo-server: cannot use the certificate $CERTIFICATES/server.key: no start line"
  run -1 course tls-echo-server -c "$CERTIFICATES/server.pem" -k "$CERTIFICATES/client.key" 127.0.0.1 0
  assert_output "tls-echo-server: cannot use the key $CERTIFICATES/client.key: key values mismatch"
}

# What the client prints first: it is connected, and how.
connected() {
  printf '%s\n' "the client has connected to server" "TLSv1.3, TLS_AES_256_GCM_SHA384$1"
}

@test "tls-client sends its input to a server that has the right certificate, and prints the replies (X1)" {
  find_leaks_in tls-client
  start_tls tls-echo-server
  for host in localhost 127.0.0.1; do
    run -0 ask_client "$host" < <(printf 'hello\nlast')
    assert_output "$(connected)
recv hello from server
recv last from server
connection closed
finished"
  done
  wait_for_line "^client closed$" 2
  assert_equal "$(count_lines "^tls-echo-server: ")" 0
}

# What is printed when the client refuses the certificate: it has sent nothing then.
assert_refused() { # CERTIFICATE HOST REASON
  start_tls tls-echo-server "$1"
  run -1 ask_client "$2" <<<secret
  assert_output "tls-client: cannot connect to $2 port $TLS_PORT: $3"
  wait_for_line "^tls-echo-server: no handshake with a client: "
  assert_equal "$(count_lines "^client connected")" 0
}

@test "tls-client refuses a certificate that is expired, or of another host, and says so (X2 X3 X13)" {
  find_leaks_in tls-client
  assert_refused expired localhost "certificate has expired"
  assert_refused wrong-host localhost "hostname mismatch"
  assert_refused wrong-host 127.0.0.1 "IP address mismatch"
}

@test "tls-client refuses a certificate that nobody it trusts has signed, and says so (X2 X13)" {
  assert_refused self-signed localhost "self-signed certificate"
  assert_refused unknown-ca localhost "unable to get local issuer certificate"
}

@test "tls-client trusts the system's authorities, not ours, if it is given none" {
  start_tls tls-echo-server
  run -1 course tls-client localhost "$TLS_PORT" <<<secret
  assert_output --partial ": unable to get local issuer certificate"
  SSL_CERT_FILE=$CERTIFICATES/ca.pem run -0 course tls-client localhost "$TLS_PORT" <<<hello
  assert_line "recv hello from server"
}

@test "tls-client refuses TLS 1.1, and says why, whatever the system's settings allow (X4)" {
  allow_old_versions
  start_s_server -tls1_1
  run -1 ask_client localhost <<<secret
  assert_output --regexp "^tls-client: cannot connect to localhost port $TLS_PORT: (unsupported protocol|.*alert protocol version)$"
}

@test "tls-client names the server that it wants, and shows the protocol that both speak (X5)" {
  start_s_server -alpn first,second -servername localhost -cert "$CERTIFICATES/wrong-host.pem" \
    -key "$CERTIFICATES/wrong-host.key" -cert2 "$CERTIFICATES/server.pem" -key2 "$CERTIFICATES/server.key"
  run -0 ask_client localhost <<<hello
  assert_output --partial "$(connected)
recv olleh from server"
  start_s_server -alpn first,second
  run -0 ask_client localhost --alpn second <<<hello
  assert_output --partial "$(connected ", ALPN second")
recv olleh from server"
}

@test "tls-client gives up a server that does not speak TLS, or says nothing (X6)" {
  start_command_server TCP-LISTEN:0,bind=127.0.0.1 "echo 220 welcome; cat"
  run -1 ask_client localhost <<<secret
  assert_output "tls-client: cannot connect to localhost port $TLS_PORT: wrong version number"
  start_command_server TCP-LISTEN:0,bind=127.0.0.1 "printf '\\x15\\x03\\x03\\x00\\x02\\x01\\x00'; cat" # close_notify
  run -1 ask_client localhost <<<secret
  assert_output "tls-client: cannot connect to localhost port $TLS_PORT: the server has ended the handshake"
  build_own tls-client 's/(HANDSHAKE = )\{10, 0\}/\1{0, 300000}/'
  start_silent_server
  run -1 course tls-client 127.0.0.1 "$PORT" <<<secret
  assert_output "tls-client: cannot connect to 127.0.0.1 port $PORT: the handshake took too long"
}

@test "tls-client sends no byte before the handshake is done" {
  start_command_server TCP-LISTEN:0,bind=127.0.0.1 "cat >'$BATS_TEST_TMPDIR/bytes'"
  spawn_client
  echo secret >&"$INPUT"
  wait_for test -s "$BATS_TEST_TMPDIR/bytes"
  settle "$PID"
  ! grep -qa secret "$BATS_TEST_TMPDIR/bytes" || fail "it was sent"
  kill_quietly "$PID"
  unset "STARTED[$PID]"
}

@test "tls-client tells a connection that was cut from one that was closed (X7)" {
  start_command_server "$(over_tls)" "echo hello; printf half; cat"
  spawn_client
  wait_for_line "^recv hello from server$"
  kill_quietly "$SERVER"
  assert_exit 1
  assert_equal "$(<"$LOG")" "$(connected)
recv hello from server
recv half from server
tls-client: lost the connection to localhost port $TLS_PORT: unexpected eof while reading"
}

@test "tls-client prints the last bytes, though close_notify comes with them (X8)" {
  go=$BATS_TEST_TMPDIR/go
  mkfifo "$go"
  start_command_server "$(over_tls)" "printf %04500d 0; cat '$go'"
  spawn_client
  wait_for_line "^the client has connected"
  settle "$PID"
  kill -STOP "$PID"
  printf 'the last bytes' >"$go"
  wait_for grep -q "socket 2 .* is at EOF" "$BATS_TEST_TMPDIR/socat.log"
  settle "$SERVER"
  kill -CONT "$PID"
  wait_for_line "^connection closed$"
  has_lines 1 "^recv 0{4500}the last bytes from server$"
  kill_quietly "$PID"
  unset "STARTED[$PID]"
}

# The server rests until the client's queue is full, says "enough", and reads on.
@test "tls-client sends the rest when the server has ended its side alone (X9)" {
  mkfifo "$BATS_TEST_TMPDIR/say" "$BATS_TEST_TMPDIR/read"
  # shellcheck disable=SC2016 # perl's own $
  start_command_server "$(over_tls),rcvbuf=8192" "exec perl -e '
    \$SIG{TERM} = \"IGNORE\"; # which socat sends at its end
    open my \$out, \">\", \"$BATS_TEST_TMPDIR/came\";
    open my \$say, \"<\", \"$BATS_TEST_TMPDIR/say\";
    syswrite STDOUT, \"enough\\n\";
    shutdown STDOUT, 1;
    open my \$read, \"<\", \"$BATS_TEST_TMPDIR/read\";
    print \$out \$_ while <STDIN>'"
  make_bytes "$BATS_TEST_TMPDIR/message" 10000000
  spawn_client
  cat "$BATS_TEST_TMPDIR/message" >&"$INPUT" 3>&- &
  OTHERS+=($!)
  exec {INPUT}>&-
  wait_for_line "^the client has connected"
  settle "$PID"
  : >"$BATS_TEST_TMPDIR/say"
  wait_for_line "^connection closed$"
  : >"$BATS_TEST_TMPDIR/read"
  assert_exit 0
  assert_equal "$(<"$LOG")" "$(connected)
recv enough from server
connection closed
finished"
  wait_for cmp -s "$BATS_TEST_TMPDIR/came" "$BATS_TEST_TMPDIR/message"
}

@test "tls-client sends a long input whole, and prints all replies after its end (X10)" {
  start_tls tls-echo-server
  seq -f "line %020.0f" 100000 >"$BATS_TEST_TMPDIR/lines"
  ask_client localhost <"$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/output"
  cmp <(sed -n 's/^recv \(.*\) from server$/\1/p' "$BATS_TEST_TMPDIR/output") "$BATS_TEST_TMPDIR/lines"
  wait_for_line "^client closed$"
}

@test "tls-client keeps its memory when the server does not read (X11)" {
  start_tls tls-echo-server
  server=$PID
  spawn_client
  wait_for_line "^TLSv1.3"
  before=$(memory_of "$PID")
  kill -STOP "$server"
  head -c 200M /dev/zero >&"$INPUT" 2>/dev/null 3>&- &
  OTHERS+=($!)
  settle "$PID"
  assert_grew_at_most 2048 "$before" "$PID"
  kill -CONT "$server"
  kill_quietly "$PID"
  unset "STARTED[$PID]"
}

# The last write to the socket is close_notify, a record of 19 bytes.
@test "tls-client says close_notify also if the socket is full at first (X12)" {
  need_strace
  start_tls tls-echo-server
  trace=$BATS_TEST_TMPDIR/trace
  client=("$(program tls-client)" --cafile "$CERTIFICATES/ca.pem" localhost "$TLS_PORT")
  strace -o "$trace" -xx -e trace=write "${client[@]}" </dev/null
  number=$(grep -nE '"\\x17\\x03\\x03\\x00\\x13' "$trace" | sed 's/:.*//')
  run -0 strace -o "$trace" -e trace=write -e inject=write:error=EAGAIN:when="$number" "${client[@]}" </dev/null
  assert_line finished
  grep -q 'EAGAIN.*INJECTED' "$trace"
  wait_for_line "^client closed$" 2
}

@test "tls-client says why it cannot connect, or which file it cannot use" {
  start_silent_server
  kill_quietly "$PID"
  run -1 course tls-client 127.0.0.1 "$PORT"
  assert_output "tls-client: cannot connect to 127.0.0.1 port $PORT: Connection refused"
  run -1 course tls-client --cafile /nowhere.pem localhost 1
  assert_output "tls-client: cannot read the authorities in /nowhere.pem: No such file or directory"
  for arguments in "localhost 0" "localhost 80x" "localhost" "--alpn= localhost 1"; do
    # shellcheck disable=SC2086 # they are words
    run -2 course tls-client $arguments
    assert_output "usage: tls-client [--cafile FILE] [--alpn NAME] HOST PORT"
  done
}

# https-server with a folder that has the file "page.html" of SIZE bytes.
start_https() { # SIZE
  FOLDER=$BATS_TEST_TMPDIR/folder
  mkdir -p "$FOLDER"
  make_bytes "$FOLDER/page.html" "$1"
  start_tls https-server server "$FOLDER"
}

@test "https-server sends files byte for byte, several over one connection, to clients that trust it (S9)" {
  start_https 1000000
  : >"$FOLDER/empty"
  get /page.html --verbose 2>"$BATS_TEST_TMPDIR/words" | cmp - "$FOLDER/page.html"
  grep -q "server accepted http/1.1" "$BATS_TEST_TMPDIR/words"
  run -0 get /page.html --head
  assert_line --partial "Content-Length: 1000000"
  run -0 get /empty --output /dev/null --output /dev/null --write-out '%{http_code} %{size_download} %{num_connects}\n' \
    "https://localhost:$TLS_PORT/no"
  assert_output $'404 13 1\n200 0 0'
  run -60 curl --silent "https://localhost:$TLS_PORT/page.html"
  assert_output ""
}

@test "https-server says close_notify behind the last answer of a connection (S2)" {
  start_https 10
  for head in 'GET /page.html HTTP/1.0\r\n' 'GET /page.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'; do
    hold_s_client -msg
    # shellcheck disable=SC2059 # the format is the head
    printf "$head\r\n" >&"$HELD_INPUT"
    wait_for grep -qa "^<<<.* close_notify" "$HELD_PIPE.log"
    grep -qa "^HTTP/1.. 200 OK" "$HELD_PIPE.log"
  done
}

@test "https-server refuses what evhttp would let pass, and says close_notify (S3 S6)" {
  start_https 10
  hold_s_client -msg
  printf 'GET /page.html HTTP/1.1\nHost: x\n\n' >&"$HELD_INPUT"
  wait_for grep -qa "^<<<.* close_notify" "$HELD_PIPE.log"
  grep -qa "^HTTP/1.1 400 " "$HELD_PIPE.log" || fail "$(<"$HELD_PIPE.log")"
  run -0 get / --data "$(printf %070000d 0)" --output /dev/null --write-out '%{http_code}'
  assert_output 413
  wait_for_line ' GET /refused (400|413) ' 2
}

# A connection fails by chance: of a hundred, twenty did.
@test "https-server lets a client that is still sending read why it is refused (S12)" {
  start_https 10
  make_bytes "$BATS_TEST_TMPDIR/message" 8000000
  run -0 get "/[1-100]" -H Expect: --data-binary "@$BATS_TEST_TMPDIR/message" --output /dev/null --write-out '%{http_code}\n'
  assert_equal "$(sort -u <<<"$output")" 413
}

@test "https-server refuses TLS 1.1, whatever the system's settings allow (S4)" {
  allow_old_versions
  start_https 10
  run -1 s_client -tls1_1 </dev/null
  assert_line --partial "alert protocol version"
}

# evhttp_set_bevcb: NULL means a plain connection, for which nothing is encrypted.
@test "https-server sends no page in plain text, also if it cannot make a TLS connection (S1)" {
  start_https 10
  run curl --silent --max-time "$LIMIT" "http://127.0.0.1:$TLS_PORT/page.html"
  assert_output ""
  stop "$PID"
  build_own https-server 's/SSL_new\(server->context\)/NULL/'
  start_https 10
  run -0 curl --silent --include --max-time "$LIMIT" "http://127.0.0.1:$TLS_PORT/page.html"
  assert_line --partial "503 Service Unavailable"
  assert_line refused
  wait_for_line "^https-server: cannot serve a client: "
}

# The plain one may have the descriptor and the address of a connection that is gone.
@test "https-server sends no page in plain text behind a TLS connection that is gone" {
  build_own https-server 's/SSL \*ssl = (SSL_new\(server->context\))/static int made;\n    SSL *ssl = made++ % 2 ? NULL : \1/'
  start_https 10
  for i in {1..12}; do
    run -0 get /page.html -o /dev/null
    run -0 curl --silent --max-time "$LIMIT" "http://127.0.0.1:$TLS_PORT/page.html"
    assert_output refused
  done
}

# A mapped file that becomes shorter would end the server by SIGBUS.
@test "https-server closes the connection when a file shrinks while it is sent, and serves on (S8)" {
  start_https 10
  truncate -s 200M "$FOLDER/page.html"
  curl --silent --limit-rate 20M --max-time "$LIMIT" --cacert "$CERTIFICATES/ca.pem" \
    -o "$BATS_TEST_TMPDIR/page" "https://localhost:$TLS_PORT/page.html" 3>&- &
  curl=$!
  OTHERS+=("$curl")
  wait_for test -s "$BATS_TEST_TMPDIR/page"
  truncate -s 1000 "$FOLDER/page.html"
  status=0
  wait "$curl" || status=$?
  ((status > 0 && status != 28)) || fail "the connection was not closed: curl ended with $status"
  get /page.html | cmp - "$FOLDER/page.html"
}

@test "https-server drops a client whose handshake takes too long, not others (S5 S10)" {
  build_own https-server 's/(HANDSHAKE = )\{10, 0\}/\1{1, 0}/'
  start_https 10
  hold_s_client
  exec 6<>"/dev/tcp/127.0.0.1/$TLS_PORT"
  printf '\x16\x03\x01\x02\x00\x01' >&6
  while printf '\x01'; do sleep 0.05; done >&6 2>/dev/null 3>&- &
  OTHERS+=($!)
  wait_for_line "^https-server: dropped a client: its handshake took too long$"
  assert_equal "$(timeout "$LIMIT" cat <&6)" ""
  printf 'GET /page.html HTTP/1.1\r\nHost: x\r\n\r\n' >&"$HELD_INPUT"
  wait_for grep -qa "^HTTP/1.1 200 OK" "$HELD_PIPE.log"
}

# The server finds the request and the client's close_notify together. If it left that
# unread, the kernel would reset the connection, and the end of the file be lost.
@test "https-server sends a whole file to a client that has said close_notify (S11)" {
  start_https 3000000
  for version in 1.0 1.1; do
    pipe=$BATS_TEST_TMPDIR/pipe$version
    mkfifo "$pipe"
    socat -dd -t "$LIMIT" - "OPENSSL:127.0.0.1:$TLS_PORT,cafile=$CERTIFICATES/ca.pem" <"$pipe" >"$pipe.answer" 2>"$pipe.log" 3>&- &
    asking=$!
    OTHERS+=("$asking")
    exec 6>"$pipe"
    wait_for grep -q "SSL connection using" "$pipe.log"
    settle "$PID"
    kill -STOP "$PID"
    printf 'GET /page.html HTTP/%s\r\nHost: x\r\n\r\n' "$version" >&6
    exec 6>&-
    wait_for grep -q "is at EOF" "$pipe.log"
    settle "$asking"
    kill -CONT "$PID"
    wait_for has_ended "$asking"
    tail -c 3000000 "$pipe.answer" | cmp - "$FOLDER/page.html"
  done
}

@test "https-server keeps its memory when a client reads nothing of a large file" {
  start_https 10
  truncate -s 200M "$FOLDER/large"
  before=$(memory_of "$PID")
  mkfifo "$BATS_TEST_TMPDIR/"{questions,answers}
  exec 6<>"$BATS_TEST_TMPDIR/questions" 7<>"$BATS_TEST_TMPDIR/answers" # nobody reads them
  openssl s_client -connect "127.0.0.1:$TLS_PORT" -quiet <&6 >&7 2>/dev/null 3>&- &
  OTHERS+=($!)
  printf 'GET /large HTTP/1.0\r\n\r\n' >&6
  wait_for_line "GET /large 200 209715200"
  settle "$PID"
  assert_grew_at_most 4096 "$before" "$PID"
  run -0 get /page.html --output /dev/null
}

@test "https-server frees everything at SIGINT and SIGTERM, with clients connected (S7)" {
  find_leaks_in https-server
  for signal in INT TERM; do
    start_https 10
    run -0 get /page.html --output /dev/null
    hold_s_client
    exec 6<>"/dev/tcp/127.0.0.1/$TLS_PORT"
    printf '\x16' >&6
    run curl --silent --max-time "$LIMIT" "http://127.0.0.1:$TLS_PORT/"
    kill "-$signal" "$PID"
    assert_exit 0
  done
}

setup() {
  load lib/course
  load lib/servers
  # shellcheck disable=SC2317 # called by lib/servers
  # A line is the name that the server is to greet, on a connection that is kept.
  assert_talks() { # FD
    local line
    printf 'GET /hello?name=%s HTTP/1.1\r\nHost: x\r\n\r\n' "$1" >&"$1"
    while read -r -t "$LIMIT" -u "$1" line; do
      [[ $line != "{\"hello\": \"$1\"}" && $line != "no such file" ]] || return 0
    done
    fail "client $1 is not answered"
  }
}

teardown() {
  course_teardown
}

# The folder WWW, and beside it a secret.
make_site() {
  WWW=$BATS_TEST_TMPDIR/www
  mkdir -p "$WWW/sub" "$WWW/.git"
  echo secret >"$BATS_TEST_TMPDIR/secret"
  echo secret >"$WWW/.git/config"
  echo hello >"$WWW/a.txt"
  echo '<p>root' >"$WWW/index.html"
  echo '<p>sub' >"$WWW/sub/index.html"
  ln -s ../secret "$WWW/link"
  ln -s .. "$WWW/up"
  ln -s a.txt "$WWW/inside"
  mkfifo "$WWW/pipe"
  : >"$WWW/empty.css"
  echo odd >"$WWW/a b%41.txt"
}

start_site() {
  make_site
  start_with http-server 127.0.0.1 0 "$WWW"
}

# What curl says of a path, sent as it is: status, content type, and bytes.
get() { # PATH [CURL-OPTION...]
  curl -s --path-as-is -m "$LIMIT" -o "$BATS_TEST_TMPDIR/body" \
    -w '%{http_code} %{content_type} %{size_download}\n' "${@:2}" "http://127.0.0.1:$PORT$1"
}

# Each of these paths, sent as it is on a kept connection, has this status.
assert_status() { # STATUS PATH...
  local path arguments=() expected=()
  for path in "${@:2}"; do
    arguments+=(-o "$BATS_TEST_TMPDIR/body" "http://127.0.0.1:$PORT$path")
    expected+=("$path $1")
  done
  run -0 curl -s --path-as-is -m "$LIMIT" -w '%{url} %{http_code}\n' "${arguments[@]}"
  assert_equal "${output//http:\/\/127.0.0.1:$PORT/}" "$(printf '%s\n' "${expected[@]}")"
}

# Send these bytes, as printf reads them, and half-close; all that comes back.
raw() { # FORMAT
  # shellcheck disable=SC2059 # the format is the request
  printf "$1" | ask
}

# What the server says to these bytes: the statuses of its answers.
statuses() { # FORMAT
  raw "$1" | sed -n 's,^HTTP/1\.[01] \([0-9]*\) .*,\1,p' | tr '\n' ' '
}

# Each line: the statuses that are expected, and a request, in words of printf.
assert_statuses() {
  local expected request
  while read -r expected request; do
    run -0 statuses "$request"
    assert_equal "$request: $output" "$request: ${expected//,/ } "
  done
}

@test "http-server serves files byte for byte, with type and length, and the index of a folder (H1)" {
  start_site
  make_bytes "$WWW/big.png" 3000000
  run -0 get /big.png
  assert_output "200 image/png 3000000"
  cmp "$BATS_TEST_TMPDIR/body" "$WWW/big.png"
  while read -r path expected; do
    run -0 get "$path"
    assert_output "$expected"
  done <<'END'
/a.txt 200 text/plain; charset=utf-8 6
/empty.css 200 text/css; charset=utf-8 0
/none.txt 404 text/plain; charset=utf-8 13
/ 200 text/html; charset=utf-8 8
/a%20b%2541.txt?x=%00 200 text/plain; charset=utf-8 4
/%61.txt 200 text/plain; charset=utf-8 6
END
  run -0 get /sub -w '%{http_code} %{redirect_url}\n'
  assert_output "301 http://127.0.0.1:$PORT/sub/"
  run -0 get /sub -L
  assert_output "200 text/html; charset=utf-8 7"
  cmp "$BATS_TEST_TMPDIR/body" "$WWW/sub/index.html"
  wait_for_line "^127\.0\.0\.1 GET /big\.png 200 3000000$"
  wait_for_line "^127\.0\.0\.1 GET /none\.txt 404 13$"
}

@test "http-server serves nothing that is not below its folder, however the path is written (H2 H3 H4)" {
  start_site
  assert_status 404 /../secret /sub/../../secret /%2e%2e/secret /..%2fsecret /%252e%252e/secret \
    /sub/%2e%2e/%2e%2e/secret /.%2e/secret /./a.txt /.git/config /%2561.txt \
    /link /up/secret /inside /up/www/a.txt /pipe /a.txt/ /a.txt/x
  assert_status 400 /a.txt%00 /a.txt%00.html /%00 /secret%00/../a.txt "/$(printf 'x%.0s' {1..1100})"
}

@test "http-server takes an empty path for its folder, and no folder for an index (H25)" {
  start_site
  mkdir "$WWW/odd" "$WWW/odd/index.html"
  assert_status 404 /odd/ /odd%2f
  assert_statuses <<'END'
200 GET http://x HTTP/1.1\r\nHost: x\r\n\r\n
200 GET http://x?a=/ HTTP/1.1\r\nHost: x\r\n\r\n
END
  rm "$WWW/index.html"
  mkdir "$WWW/index.html"
  assert_statuses <<'END'
404 GET http://x HTTP/1.1\r\nHost: x\r\n\r\n
404 GET / HTTP/1.1\r\nHost: x\r\n\r\n
301 GET http://x/odd HTTP/1.1\r\nHost: x\r\n\r\n
END
}

# Without memory, every second connection has no gate; it may have the descriptor and the
# address of one that had.
@test "http-server refuses what comes without a gate, also behind a connection that is gone (H26)" {
  build_own http-server/request-gate 's/^    struct bufferevent \*bev = (bufferevent_socket_new\(base, -1, 0\))/    static int made;\n    struct bufferevent *bev = made++ % 2 ? NULL : \1/'
  start_site
  for i in {1..12}; do
    assert_status 200 /a.txt
    assert_status 503 /a.txt
  done
}

@test "http-server answers HEAD with the head alone, and does not send again what has not changed (H5 H6)" {
  start_site
  run -0 raw 'HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /sub/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  assert_equal "$(grep -c '^HTTP/1.1 200 OK' <<<"$output")" 2
  assert_equal "$(grep -ci '^content-length: 6' <<<"$output")" 1
  refute_line hello
  assert_line '<p>sub'
  touch -d "2026-01-02 03:04:05Z" "$WWW/a.txt"
  run -0 curl -sI "http://127.0.0.1:$PORT/a.txt"
  assert_line --partial "Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT"
  run -0 get /a.txt -H "If-Modified-Since: Fri, 02 Jan 2026 03:04:05 GMT"
  assert_output --partial "304 "
  run -0 get /a.txt -H "If-Modified-Since: Thu, 01 Jan 2026 03:04:05 GMT"
  assert_output "200 text/plain; charset=utf-8 6"
}

@test "http-server has GET and HEAD alone, whole files, kept connections, and the gate" {
  start_site
  run -0 get /a.txt -X PUT
  assert_output --partial "501 "
  run -0 curl -si "http://127.0.0.1:$PORT/a.txt" -d x
  assert_line --partial "405 "
  assert_line --partial "Allow: GET, HEAD"
  run -0 get /a.txt -r 2-3 # a server need not know ranges: it sends all
  assert_output --partial "200 text/plain; charset=utf-8 6"
  run -0 curl -sv -m "$LIMIT" "http://127.0.0.1:$PORT/a.txt" "http://127.0.0.1:$PORT/sub/"
  assert_line --partial "Re-using existing connection"
  run -0 raw 'GET /a.txt HTTP/1.0\r\n\r\n'
  assert_line hello
  run -0 raw 'GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  assert_line --partial "Connection: close"
  assert_statuses <<'END'
400 GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n
413 POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n
END
}

# Ask for 32 MiB, half-close, and do not read.
start_large_answer() {
  make_bytes "$WWW/big.bin" $((32 << 20))
  printf 'GET /big.bin HTTP/1.0\r\n\r\n' >"$BATS_TEST_TMPDIR/request"
  start_late_reader "$BATS_TEST_TMPDIR/request"
}

@test "http-server sends all to a client that half-closes and reads late, also after SIGTERM (H7 H8)" {
  start_site
  before=$(memory_of "$PID")
  start_large_answer
  assert_grew_at_most 2048 "$before" "$PID"
  kill -TERM "$PID"
  wait_for_line "^Caught an interrupt signal; exiting cleanly in two seconds\.$"
  run -1 nc -z 127.0.0.1 "$PORT"
  sed -u '/^\r$/q' <&5 >/dev/null
  cmp - "$WWW/big.bin" <&5
  assert_exit 0
}

@test "http-server closes the connection when a file shrinks while it is sent" {
  start_site
  start_large_answer
  truncate -s 1000 "$WWW/big.bin"
  wc -c <&5 >"$BATS_TEST_TMPDIR/count"
  (($(<"$BATS_TEST_TMPDIR/count") < 32 << 20)) || fail "all bytes came"
  assert_status 200 /a.txt
}

@test "http-server leaves nothing behind of clients that are idle, leave, or wait at its end" {
  local leaks=()
  [[ ${UNDER-} ]] || leaks=(-fsanitize=address)
  build_own http-server 's/(IDLE = )\{60, 0\}/\1{'"$FACTOR"', 0}/; s/(GRACE = )\{2, 0\}/\1{0, 300000}/' \
    "${leaks[@]}"
  start_site
  open_client 5
  run -0 timeout "$LIMIT" cat <&5
  assert_output ""
  make_bytes "$WWW/half.bin" $((8 << 20))
  for _ in {1..5}; do
    open_client 5
    printf 'GET /half.bin HTTP/1.1\r\nHost: x\r\n\r\n' >&5
    read -r -t "$LIMIT" -u 5 _
    close_client 5
  done
  assert_status 200 /a.txt
  start_large_answer
  kill -INT "$PID"
  assert_exit 0
}

@test "http-server does not start in a folder that is not there, or on a wrong port" {
  run -1 course http-server 127.0.0.1 0 "$BATS_TEST_TMPDIR/none"
  assert_output "http-server: cannot open the folder $BATS_TEST_TMPDIR/none: No such file or directory"
  for port in 65536 -1 80x ''; do
    run -2 course http-server 127.0.0.1 "$port"
    assert_output --partial "usage: http-server"
  done
}

@test "http-api greets in JSON, whatever the name holds (H9)" {
  start http-api
  run -0 get /hello
  assert_output "200 application/json 19"
  run -0 curl -s "http://127.0.0.1:$PORT/hello?name=%22%5C%3C%3E%26%0a%7f+%e4%b8%ad%f0%9f%98%80"
  assert_output '{"hello": "\u0022\u005c\u003c\u003e\u0026\u000a\u007f 中😀"}'
  assert_equal "$(jq -r .hello <<<"$output")" $'"\\<>&\n\x7f 中😀'
  # Too short, too long for its value, a surrogate, beyond the last, a lone byte.
  assert_status 400 /hello?name=a{%e4%b8,%c0%af,%ed%a0%80,%f4%90%80%80,%80,%ff}
  assert_status 400 "/hello?name=%00" "/hello?name=a%00b" "/hello?name" "/hello?=x"
  run -0 raw 'HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  assert_line --partial "Content-Length: 19"
  refute_line --partial world
}

@test "http-api names the methods of a path that it does not have, and has no other path" {
  start http-api
  run -0 curl -si "http://127.0.0.1:$PORT/echo"
  assert_line --partial "405 "
  assert_line --partial "Allow: POST"
  run -0 get /hello -d x
  assert_output --partial "405 "
  assert_status 404 /none /hello/ /
}

@test "http-api sends back what it was sent, byte for byte, and requests that come together in turn (H10 H13)" {
  start http-api
  for size in 0 4096 1048576; do
    make_bytes "$BATS_TEST_TMPDIR/message" "$size"
    run -0 get /echo --data-binary "@$BATS_TEST_TMPDIR/message"
    assert_output "200 application/octet-stream $size"
    cmp "$BATS_TEST_TMPDIR/body" "$BATS_TEST_TMPDIR/message"
  done
  run -0 raw 'GET /hello?name=1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\na\0b\nGET /hello?name=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  assert_equal "$(grep -a -c '^HTTP/1.1 200 OK' <<<"$output")" 3
  assert_line '{"hello": "1"}'
  assert_line --partial '{"hello": "2"}'
  assert_statuses <<'END'
200,400 GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n
200,200 GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.0\r\n\r\n
END
}

# Where two programs see different requests in the same bytes, one of them can be made
# to do what the other would not let pass.
@test "http-api refuses what evhttp takes, before it acts on it (H12 H23)" {
  start http-api
  assert_statuses <<'END'
400 GET / HTTP/1.1\nHost: x\n\n
400 GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n
400 GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n
400 GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n
400 GET / HTTP/1.1\r\n\r\n
400 GET / HTTP/1.1\r\nHost : x\r\n\r\n
400 GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n
400 GET / HTTP/1.1\r\nHost: x\r\n A: b\r\n\r\n
400 GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n
400 GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n
400 \r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n
400 GET /\001 HTTP/1.1\r\nHost: x\r\n\r\n
400 GET  / HTTP/1.1\r\nHost: x\r\n\r\n
400 GET x HTTP/1.1\r\nHost: x\r\n\r\n
400 GET /\r\n\r\n
505 GET / HTTP/1.2\r\nHost: x\r\n\r\n
505 GET / HTTP/1.1 \r\nHost: x\r\n\r\n
501 GOT / HTTP/1.1\r\nHost: x\r\n\r\n
400 POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab
400 POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na
400 POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1,1\r\n\r\na
400 POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\na
411 POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n
411 POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\na
417 POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: much\r\n\r\na
400 HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\nGET /in HTTP/1.1\r\nHost: x\r\n\r\n
END
  settle "$PID"
  run -1 grep -vE "^listening|^127\.0\.0\.1 GET /refused [45]" "$LOG"
}

@test "http-api answers a request that comes one byte at a time" {
  start http-api
  # shellcheck disable=SC2016 # perl's own $
  run -0 perl -MSocket=:all -e '
    my ($port, $text) = @ARGV;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    for (split //, $text) { syswrite $s, $_; select undef, undef, undef, 0.002 }
    print while sysread $s, $_, 4096' "$PORT" \
    $'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'
  assert_line --index 0 --partial "200 OK"
  assert_line hello
}

@test "http-api limits heads and bodies, and a client reads that before it has sent all (H14 H15 H22)" {
  start http-api
  make_bytes "$BATS_TEST_TMPDIR/message" 8000000
  for expect in "Expect:" "Expect: 100-continue"; do
    run -0 get /echo -H "$expect" --data-binary "@$BATS_TEST_TMPDIR/message"
    assert_output --partial "413 "
  done
  # No reset, which would keep it from sending all, and could destroy the answer.
  open_client 5
  printf 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n' >&5
  cat "$BATS_TEST_TMPDIR/message" >&5
  read -r -t "$LIMIT" -u 5 line
  assert_regex "$line" "^HTTP/1.1 413 "
  run -0 get /echo --data-binary "@$BATS_TEST_TMPDIR/message" -H "Content-Length: 5"
  assert_output --partial "200 "
  run -0 get /hello -H "X: $(printf 'x%.0s' {1..7000})"
  assert_output --partial "200 "
  assert_statuses <<END
413 POST /echo HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 99999999999999999999\\r\\n\\r\\n
431 GET /hello HTTP/1.1\\r\\nX: $(printf 'x%.0s' {1..9000})\\r\\n\\r\\n
431 GET /hello?name=$(printf 'x%.0s' {1..9000}) HTTP/1.1\\r\\n\\r\\n
431 GET /hello HTTP/1.1\\r\\n$(printf 'A: b\\r\\n%.0s' {1..2000})\\r\\n
END
}

# A client that sends a byte each 0.02 s, until the server closes; how long it took, in ms.
send_slowly() { # FORMAT
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -MTime::HiRes=time -e '
    my ($port, $text) = @ARGV;
    $SIG{PIPE} = "IGNORE";
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    my $began = time;
    syswrite $s, $text;
    for (1 .. 200) {
      my $ready = "";
      vec($ready, fileno $s, 1) = 1;
      if (select $ready, undef, undef, 0.02) {
        my $size = sysread $s, my $got, 4096;
        print $got =~ s/\r\n.*//sr, "\n" if $size;
        last unless $size;
      }
      syswrite $s, "x";
    }
    print time - $began < 3.9 ? "closed\n" : "open\n"' "$PORT" "$1"
}

# /clock on descriptor 5, up to the end of the head.
open_clock() {
  open_client 5
  printf 'GET /clock HTTP/1.1\r\nHost: x\r\n\r\n' >&5
  sed -u '/^\r$/q' <&5 >"$BATS_TEST_TMPDIR/head"
}

# A whole request has 0.3 s here, and a client may be idle for 0.4 s.
@test "http-api has a deadline for a request, however slowly its bytes come, and none for /clock (H16 H24)" {
  build_own http-api 's/(\.time = )30 \* 1000/\1300/; s/(TICK = )\{1, 0\}/\1{0, 50000}/; s/(IDLE = )\{60, 0\}/\1{0, 400000}/'
  start http-api
  run -0 send_slowly $'GET /hello HTTP/1.1\r\nX: '
  assert_output --regexp $'^HTTP/1.1 408 .*\nclosed$'
  run -0 send_slowly $'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n'
  assert_output closed
  open_client 6
  for _ in 1 2 3; do # each request has its own time
    assert_talks 6
    sleep 0.15
  done
  open_clock
  grep -q '^Transfer-Encoding: chunked' "$BATS_TEST_TMPDIR/head"
  for _ in {1..10}; do
    read -r -t "$LIMIT" -u 5 size
    assert_equal "$size" $'1e\r'
    read -r -t "$LIMIT" -u 5 line
    assert_regex "$line" "^[A-Z][a-z][a-z], [0-9]{2} [A-Z][a-z][a-z] [0-9]{4} .* GMT$"
    read -r -t "$LIMIT" -u 5 line
  done
}

@test "http-api holds the time back from a client that does not read it (H18)" {
  build_own http-api 's/(TICK = )\{1, 0\}/\1{0, 1000}/; s/add_printf\(line, "%s.n", now\)/add_printf(line, "%0200000d", now[0])/' -O2
  start http-api
  before=$(memory_of "$PID")
  open_clock
  wait_for has_unsent
  sleep 0.5 # hundreds of lines of 200 kB
  assert_grew_at_most 8192 "$before" "$PID"
  open_client 6
  assert_talks 6
}

@test "http-api keeps its memory when a client of /clock sends on and on (H17)" {
  start http-api
  before=$(memory_of "$PID")
  open_clock
  head -c 64M /dev/zero >&5 3>&- 2>/dev/null &
  OTHERS+=($!)
  wait_for has_unread
  settle "$PID"
  assert_grew_at_most 4096 "$before" "$PID"
}

# Whether the kernel holds bytes that the server has not read.
has_unread() {
  # shellcheck disable=SC2016 # awk's own $
  has_socket "$PORT" '$2 ~ port && $4 == "01" && $5 !~ /:0+$/'
}

@test "http-api frees what clients of /clock leave, and ends their answers properly at SIGTERM (H19 H20)" {
  find_leaks_in http-api
  start http-api
  before=$(find "/proc/$PID/fd" -mindepth 1 | wc -l)
  for _ in {1..3}; do
    open_clock
    close_client 5
  done
  wait_for has_descriptors "$before"
  curl -sN -m "$LIMIT" "http://127.0.0.1:$PORT/clock" >"$BATS_TEST_TMPDIR/clock" 3>&- &
  client=$!
  OTHERS+=("$client")
  wait_for test -s "$BATS_TEST_TMPDIR/clock"
  kill -TERM "$PID"
  assert_exit 0
  wait "$client"
}

has_descriptors() { # COUNT
  [[ $(find "/proc/$PID/fd" -mindepth 1 | wc -l) == "$1" ]]
}

@test "http-api rests when descriptors run out, serves as soon as one is free, and ends while it rests (H11 H21)" {
  serves_as_soon_as_a_descriptor_is_free http-api
  has_lines 1 "^http-api: cannot accept, trying again in a second: Too many open files$"
  local fd
  open_client 5
  for _ in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  done
  assert_talks 5
  wait_for test -e "/proc/$PID/fd/19" # the last one that it may have
  assert_idle "$PID"
  kill -TERM "$PID"
  assert_exit 0
}

@test "http-api serves 200 clients at once, and has the kernel ask whether they still exist" {
  start http-api
  assert_talks_to_many 200
  wait_for asks_silent_peers
}

@test "http-api goes on when no process reads its output" {
  serves_with_a_full_pipe http-api
}

@test "http-api keeps the numbers of missing standard descriptors free" {
  serves_without_standard_descriptors http-api
}

@test "http-api lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped http-api
}

@test "http-server and http-api can be ended while they look up a name" {
  ends_while_it_looks_up_a_name http-server
  ends_while_it_looks_up_a_name http-api
}

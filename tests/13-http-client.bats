setup() {
  load lib/course
}

teardown() {
  course_teardown
}

# The web server that misbehaves: tests/lib/web-server. WEB is its address.
start_web_server() {
  REQUESTS=$BATS_TEST_TMPDIR/requests.${#OTHERS[@]}
  "$ROOT/tests/lib/web-server" "$REQUESTS" 3>&- &
  OTHERS+=($!)
  wait_for grep -qs "^listening" "$REQUESTS"
  WEB=http://127.0.0.1:$(sed -n 's/^listening.* port //p' "$REQUESTS")
}

# The requests that it had, without the numbers of their connections.
requests() {
  sed -n 's/^[0-9]* \([A-Z].*\)/\1/p' "$REQUESTS"
}

connections() {
  sed -n 's/^\([0-9]*\) [A-Z].*/\1/p' "$REQUESTS" | sort -u | wc -l
}

get() { # ARGUMENT...
  course http-client "$@"
}

# Each line: a path of the web server, and what the client says about it.
assert_fails() {
  local path words
  while read -r path words; do
    run -1 get "$WEB$path"
    assert_equal "${lines[-1]}" "http-client: $WEB$path: $words"
  done
}

@test "http-client prints what a server answers, as curl does" {
  start http-api
  for url in "http://127.0.0.1:$PORT/hello" "http://127.0.0.1:$PORT/hello?name=you%22#part"; do
    run -0 --separate-stderr get "$url"
    assert_output "$(curl -s "$url")"
    assert_equal "$stderr" ""
  done
}

@test "http-client posts data, byte for byte" {
  start http-api
  for data in "a=b&c=%20 d" "" "$(printf '%0100000d' 7)"; do
    run -0 get -d "$data" "http://127.0.0.1:$PORT/echo"
    assert_output "$data"
  done
  start_web_server
  run -0 get -d "a=b" "$WEB/ok"
  assert_equal "$(requests)" "POST /ok HTTP/1.1 a=b"
}

@test "http-client writes answers to files, several at once" {
  find_leaks_in http-client
  mkdir "$BATS_TEST_TMPDIR/www"
  for size in 0 1 3000000; do
    make_bytes "$BATS_TEST_TMPDIR/www/$size" "$size"
  done
  start_with http-server 127.0.0.1 0 "$BATS_TEST_TMPDIR/www"
  cd "$BATS_TEST_TMPDIR"
  run -0 get -o a "http://127.0.0.1:$PORT/0" -o b "http://127.0.0.1:$PORT/1" -o c "http://127.0.0.1:$PORT/3000000"
  assert_output ""
  cmp a www/0
  cmp b www/1
  cmp c www/3000000
}

@test "http-client keeps a connection for the next request, also after a 404 and a redirect (G9)" {
  start_web_server
  cd "$BATS_TEST_TMPDIR"
  run -1 get "$WEB/ok" -o 1 "$WEB/none-such" -o 2 "$WEB/chunks/3/10" -o 3 "$WEB/302?/ok" -o 4 "$WEB/bytes" -o 5 "$WEB/ok"
  assert_output "ok
http-client: $WEB/none-such: the server answered 404 No"
  assert_equal "$(requests | wc -l)" 7
  assert_equal "$(connections)" 1
}

@test "http-client asks several servers at the same time (G12)" {
  start_web_server
  first=$WEB
  start_web_server
  cd "$BATS_TEST_TMPDIR"
  run -0 get -o a "$first/meet?$BATS_TEST_TMPDIR/both" -o b "$WEB/meet?$BATS_TEST_TMPDIR/both"
  assert_equal "$(cat a b)" $'ok\nok'
}

@test "http-client sends 200 requests to a server, one after the other" {
  start_web_server
  urls=()
  for i in {1..200}; do
    urls+=(-o /dev/null "$WEB/ok?$i")
  done
  run -0 get "${urls[@]}"
  assert_equal "$(requests | sort | uniq | wc -l) $(connections)" "200 1"
}

@test "http-client reads chunks however they come, heads of 1xx, and an answer without a body" {
  start_web_server
  run -0 get "$WEB/bytes"
  assert_output $'hello world'
  run -0 get "$WEB/continue"
  assert_output ok
  run -0 get -o "$BATS_TEST_TMPDIR/none" "$WEB/none"
  assert_equal "$(wc -c <"$BATS_TEST_TMPDIR/none")" 0
}

@test "http-client reads a body without a length up to the end of the connection (G5)" {
  start_web_server
  for path in /no-length /keep-alive; do
    run -0 get "$WEB$path"
    assert_output "to the end"
  done
}

@test "http-client does not use a connection again that HTTP/1.0 closes (G6)" {
  start_web_server
  cd "$BATS_TEST_TMPDIR"
  run -0 get -o a "$WEB/old" -o b "$WEB/no-length" -o c "$WEB/old" -o d "$WEB/ok"
  assert_equal "$(cat a b c d)" $'ok\nto the end\nok\nok'
  assert_equal "$(connections)" 4
}

@test "http-client says what is wrong with an answer, and fails (G16)" {
  start_web_server
  assert_fails <<'END'
/none-such the server answered 404 No
/status/304 the server answered 304 ?[31mNo
/early the server answered 103 Early Hints
/nothing no connection, or cut off
/half-head no connection, or cut off
/short no connection, or cut off
/half-chunk no connection, or cut off
/no-last no connection, or cut off
/bad-chunk not an answer of HTTP
/not-http not an answer of HTTP
END
}

@test "http-client prints of a server's reason what a terminal prints, and no more (G17)" {
  start_web_server
  assert_fails <<END
/status/500 the server answered 500 ?[31mNo
/reason/none the server answered 404
/reason/missing the server answered 404
/reason/odd the server answered 404 a?b?c???d?e
/reason/long the server answered 404 $(printf '%0103d' 0)
END
}

@test "http-client does not hold an endless head, nor an endless line" {
  start_web_server
  assert_fails <<'END'
/endless-head not an answer of HTTP
/endless-line not an answer of HTTP
END
}

# What the kernel has received already still comes: the chunk is larger than that.
@test "http-client ends a connection that brings a chunk too large, or a size without end (G7)" {
  build_own http-client 's/(HELD_MAX = )16 \* 1024 \* 1024/\11000000/'
  start_web_server
  run -0 get -o "$BATS_TEST_TMPDIR/chunk" "$WEB/chunks/3/900000"
  assert_equal "$(wc -c <"$BATS_TEST_TMPDIR/chunk")" 2700000
  assert_fails <<'END'
/chunks/1/100000000 no connection, or cut off
/endless-size no connection, or cut off
END
}

@test "http-client writes a GiB in chunks without keeping it (G4)" {
  [[ ! ${UNDER-} ]] || skip "valgrind is too slow for a GiB"
  start_web_server
  spawn http-client -o /dev/null "$WEB/chunks/16384/65536"
  while is_running "$PID"; do
    assert_grew_at_most 40000 0 "$PID"
    sleep 0.1
  done
  assert_exit 0
}

@test "http-client gives up a server that is silent, before or in the midst of its answer (G8)" {
  build_own http-client 's/(IDLE = )\{30, 0\}/\1{0, 300000}/'
  start_web_server
  cd "$BATS_TEST_TMPDIR"
  run -1 get -o a "$WEB/silent" -o b "$WEB/stops" -o c "$WEB/ok"
  assert_output "http-client: $WEB/silent: timed out
http-client: $WEB/stops: timed out; the file is incomplete"
  assert_equal "$(cat b c)" $'ok\nok'
  [[ ! -e a ]]
}

@test "http-client waits for whoever reads its output, longer than for a server (G15)" {
  [[ ! ${UNDER-} ]] || skip "valgrind takes longer than the server may"
  build_own http-client 's/(IDLE = )\{30, 0\}/\1{0, 300000}/'
  start_web_server
  get "$WEB/chunks/100/65536" | {
    sleep 0.8
    wc -c
  } >"$BATS_TEST_TMPDIR/count"
  assert_equal "$(<"$BATS_TEST_TMPDIR/count")" 6553600
}

@test "http-client gets the other URLs if one fails (G10)" {
  start_web_server
  cd "$BATS_TEST_TMPDIR"
  run -1 get -o a http://127.0.0.1:1/ -o b "$WEB/nothing" -o c "$WEB/half-chunk" -o d "$WEB/bytes"
  assert_line "http-client: http://127.0.0.1:1/: cannot connect"
  assert_line "http-client: $WEB/nothing: no connection, or cut off"
  assert_line "http-client: $WEB/half-chunk: no connection, or cut off; the file is incomplete"
  assert_equal "${#lines[@]}" 3
  assert_equal "$(<d)" "hello world"
}

@test "http-client follows redirects to URLs, whole or not" {
  start_web_server
  other=$WEB
  start_web_server
  for place in /ok ok ./ok "$other/ok" "$WEB/307?$other/301?ok"; do
    run -0 get "$WEB/302?$place"
    assert_output ok
  done
  run -0 get "$WEB/302?ok?x=http://y/"
  assert_equal "$(requests | tail -n 1)" "GET /ok?x=http://y/ HTTP/1.1 "
}

@test "http-client follows no redirect that leaves http (G3)" {
  start_web_server
  for place in https://127.0.0.1/ ftp://127.0.0.1/ //127.0.0.1/ file:///etc/passwd mailto:a http://a%20b/ http://a:x/; do
    run -1 get "$WEB/302?$place"
    assert_output "http-client: $WEB/302?$place: redirected, but not to a URL of http"
  done
}

@test "http-client follows ten redirects at the most (G1)" {
  start_web_server
  run -1 get "$WEB/loop"
  assert_output "http-client: $WEB/loop: too many redirects"
  assert_equal "$(requests | wc -l)" 11
}

@test "http-client repeats a POST after 307 and 308 alone (G2)" {
  start_web_server
  for code in 301 302 303; do
    run -0 get -d "a=b" "$WEB/$code?/ok"
    assert_equal "$(requests | tail -n 2)" "POST /$code?/ok HTTP/1.1 a=b
GET /ok HTTP/1.1 "
  done
  for code in 307 308; do
    run -0 get -d "a=b" "$WEB/$code?/ok"
    assert_equal "$(requests | tail -n 2)" "POST /$code?/ok HTTP/1.1 a=b
POST /ok HTTP/1.1 a=b"
  done
}

@test "http-client leaves a file as it was if there is no answer for it (G11)" {
  start_web_server
  cd "$BATS_TEST_TMPDIR"
  for path in /none-such /nothing /302?https://x/; do
    echo before >file
    run -1 get -o file "$WEB$path"
    assert_equal "$(<file)" before
  done
  run -1 get -o file "$WEB/short"
  assert_output "http-client: $WEB/short: no connection, or cut off; the file is incomplete"
  assert_equal "$(<file)" ok
}

@test "http-client fails if it cannot write, and stops reading (G13 G14)" {
  find_leaks_in http-client
  start_web_server
  run -1 get -o "$BATS_TEST_TMPDIR/none/file" "$WEB/ok"
  assert_output "http-client: $WEB/ok: No such file or directory"
  run -1 get -o /dev/full "$WEB/chunks/1000000/65536" -o "$BATS_TEST_TMPDIR/ok" "$WEB/ok"
  assert_output "http-client: $WEB/chunks/1000000/65536: No space left on device; the file is incomplete"
  assert_equal "$(<"$BATS_TEST_TMPDIR/ok")" ok
  { get "$WEB/chunks/1000000/65536" 2>&1 >&3 || echo "exit status $?" >"$BATS_TEST_TMPDIR/status"; } 3>&1 >"$BATS_TEST_TMPDIR/words" | head -c 1000000 | wc -c
  assert_equal "$(<"$BATS_TEST_TMPDIR/words")" "http-client: $WEB/chunks/1000000/65536: Broken pipe"
  assert_equal "$(<"$BATS_TEST_TMPDIR/status")" "exit status 1"
  # shellcheck disable=SC2016 # for the inner shell
  run -1 bash -c '"$@" >&-' - "$(program http-client)" "$WEB/ok"
  assert_output "http-client: $WEB/ok: Bad file descriptor"
}

@test "http-client takes the files and data that stand before a URL, and no others" {
  start_web_server
  for arguments in "" "-o a" "-d a" "$WEB/ok -o a" "$WEB/ok -d a" "$WEB/ok $WEB/ok" "-o a $WEB/ok $WEB/ok $WEB/ok" -x "$WEB/ok -o"; do
    # shellcheck disable=SC2086 # they are words
    run -2 get $arguments
    assert_output "usage: http-client {[-o FILE] [-d DATA] URL}..."
  done
  for url in https://127.0.0.1/ 127.0.0.1 "" http:/x "http://127.0.0.1/a b" http://127.0.0.1:99999/ "$WEB/$(printf '%08192d' 0)"; do
    run -2 get "$WEB/ok" -o x "$url"
    assert_output "http-client: not a URL of http: $url"
  done
  assert_equal "$(requests)" ""
}

@test "http-client asks an IPv6 address, and a name that it looks up without stopping" {
  start http-api ::1
  run -0 get "http://[::1]:$PORT/hello?name=6"
  assert_output '{"hello": "6"}'
  mkdir -p "$BATS_TEST_TMPDIR/etc"
  echo "127.0.0.1 course.test" >"$BATS_TEST_TMPDIR/etc/hosts"
  # shellcheck disable=SC2016 # for the inner shell
  run -0 alone --etc "$BATS_TEST_TMPDIR/etc" timeout "$LIMIT" bash -c '
    "$0" >"$2" &
    until grep -qs listening "$2"; do sleep 0.02; done
    "$1" http://course.test:8080/hello' \
    "$(program http-api)" "$(program http-client)" "$BATS_TEST_TMPDIR/server.log"
  assert_output '{"hello": "world"}'
}

# The page describes this. If libevent's behaviour changes, the page has to change.
@test "evhttp knows no extensions of chunks, and takes what follows an answer for the next" {
  start_web_server
  run -1 get "$WEB/extension"
  assert_output "http-client: $WEB/extension: not an answer of HTTP"
  run -1 get "$WEB/long" -o /dev/null "$WEB/ok"
  assert_output "ok
http-client: $WEB/ok: not an answer of HTTP"
}

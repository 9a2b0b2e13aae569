setup() {
  load ../lib/course
  SPAN=$((200 * FACTOR))e-3
  [[ ! ${UNDER-} ]] || SPAN=2
}

teardown() {
  course_teardown
}

# Run load-gen against the server on PORT, for SPAN seconds, and keep its JSON in
# "output"; what it says on standard error is in "stderr".
measure() { # STATUS [OPTION...]
  run "-$1" --separate-stderr course load-gen -j -w 0 -d "$SPAN" "${@:2}" 127.0.0.1 "$PORT"
}

# Start load-gen in the background; its JSON goes to the file "json".
start_load() { # [OPTION...]
  local path
  path=$(program load-gen)
  LOG=$BATS_TEST_TMPDIR/load.log JSON=$BATS_TEST_TMPDIR/json
  : >"$LOG"
  "${UNDER_COMMAND[@]}" "$path" -j "$@" 127.0.0.1 "$PORT" >"$JSON" 2>"$LOG" 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
}

# A load-gen that tells its progress ten times a second: a test that waits for a
# line of it need not be long.
make_hasty() {
  local built=$BATS_FILE_TMPDIR/load-gen.hasty # once for all tests of a file
  if [[ ! -x $built ]]; then
    build_own load-gen 's/(second = )\{1, 0\}/\1{0, 100000}/'
    mv "$BATS_TEST_TMPDIR/load-gen" "$built"
  fi
  ln -s "$built" "$BATS_TEST_TMPDIR/load-gen"
}

# Assert what jq makes of the result. (Of nothing, it makes a success.)
assert_result() { # JQ-CONDITION
  [[ $output ]] || fail "no result, not: $1"
  jq -e "$1" <<<"$output" >/dev/null || fail "not so: $1 in $output"
}

start_memcached() {
  command -v memcached >/dev/null || skip "there is no memcached"
  local user=()
  [[ $(id -u) != 0 ]] || user=(-u root)
  MEMCACHED_PORT_FILENAME=$BATS_TEST_TMPDIR/port \
    memcached "${user[@]}" -l 127.0.0.1 -p -1 -U 0 -t 1 3>&- &
  OTHERS+=($!)
  disown # its end is no news
  wait_for test -s "$BATS_TEST_TMPDIR/port"
  PORT=$(sed -n 's/^TCP INET: //p' "$BATS_TEST_TMPDIR/port")
}

statistic() { # NAME
  printf 'stats\r\nquit\r\n' | nc 127.0.0.1 "$PORT" | tr -d '\r' |
    sed -n "s/^STAT $1 //p"
}

# An echo server that does something else with the Nth piece that it gets.
start_strange_echo() { # N STATEMENTS
  build_own echo-server "s/^( *)(conn_echo\(conn, chunk, .*)/\
    static int pieces; if (++pieces == $1) { $2 } else \2/"
  start echo-server
}

# A test in C of what load-gen prints and counts.
run_c() { # < SOURCE
  local folder=${BROKEN:-$ROOT/samples/load-gen}
  { printf '#include "%s"\n' "$folder"/{result,script}.c && cat; } >"$BATS_TEST_TMPDIR/test.c"
  cc -std=gnu11 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
    -o "$BATS_TEST_TMPDIR/test" "$BATS_TEST_TMPDIR/test.c"
  run "$BATS_TEST_TMPDIR/test"
}

@test "load-gen measures an echo server and prints the result" {
  start echo-server
  run -0 --separate-stderr course load-gen -c 10 -w 0 -d 0.3 127.0.0.1 "$PORT"
  assert_line --index 0 --regexp '^echo: connections 10, pipeline 1, bytes 64, seconds [0-9.]+$'
  assert_line --index 1 --regexp '^requests    [1-9][0-9]+$'
  assert_line --index 2 --regexp '^requests/s  [1-9][0-9.]+$'
  assert_line --index 3 --regexp '^MB/s        [0-9.]+ sent, [0-9.]+ received$'
  assert_line --index 4 'latency     microseconds, at most 0.8 % too high'
  assert_line --index 5 --regexp '^  50 %      [1-9][0-9]*\.[0-9]$'
  assert_line --index 6 --regexp '^  90 %      [1-9][0-9]*\.[0-9]$'
  assert_line --index 7 --regexp '^  99 %      [1-9][0-9]*\.[0-9]$'
  assert_line --index 8 --regexp '^  99\.9 %    [1-9][0-9]*\.[0-9]$'
  assert_line --index 9 --regexp '^  max       [1-9][0-9]*\.[0-9]$'
  assert_line --index 10 --regexp '^processor   [0-9]+ %$'
}

@test "load-gen prints one JSON object, whose numbers fit each other" {
  start echo-server
  for option in -j --json; do
    run -0 --separate-stderr course load-gen "$option" -c 3 -s 100 -w 0 -d 0.2 127.0.0.1 "$PORT"
    assert_equal "$(jq -s length <<<"$output")" 1
    assert_result '.mode == "echo" and .connections == 3 and .pipeline == 1'
    assert_result '.bytes == 100 and .rate == 0 and .requests > 0'
    assert_result '.seconds > 0.15 and .seconds < 2'
    assert_result '.requests / .seconds / .requests_per_second | . > 0.99 and . < 1.01'
    assert_result '.requests_per_second / 1e4 / .mb_received_per_second | . > 0.8 and . < 1.25'
    assert_result '.mb_sent_per_second / .mb_received_per_second | . > 0.8 and . < 1.25'
    assert_result '.latency_us | 0 < .p50 and .p50 <= .p90 and .p90 <= .p99'
    assert_result '.latency_us | .p99 <= .p99_9 and .p99_9 <= .max'
    assert_result '.latency_error == 0.0078 and .unanswered == 0'
    assert_result '.errors == {"closed": 0, "reset": 0, "other": 0, "wrong": 0}'
    assert_result '.processor > 0 and .processor <= 1.05'
  done
}

@test "load-gen takes a core of its own with --cpu" {
  make_hasty
  start echo-server
  core=$(sed -n 's/^Cpus_allowed_list:.*[^0-9]//p' /proc/self/status)
  start_load --cpu "$core" -d 60
  wait_for_line "^(warm-up|measuring): "
  assert_equal "$(sed -n 's/^Cpus_allowed_list:\s*//p' "/proc/$PID/status")" "$core"
  kill -INT "$PID"
  assert_exit 0
  run -1 course load-gen --cpu 1023 127.0.0.1 "$PORT"
  assert_output "load-gen: cannot run on core 1023: Invalid argument"
}

@test "load-gen reports what a request costs the server, and only if it is running" {
  start echo-server
  server=$PID before=$(ticks_of "$PID")
  measure 0 --server "$server"
  after=$(ticks_of "$server")
  # A tick is 10 ms; the set-up is in the ticks alone.
  assert_result ".server_us_per_request * .requests / 1e4 | . > 0 and . <= $((after - before + 2))"
  measure 0
  assert_result 'has("server_us_per_request") | not'
  run -0 --separate-stderr course load-gen -w 0 -d "$SPAN" --server "$server" 127.0.0.1 "$PORT"
  assert_line --regexp '^server      [0-9.]+ microseconds of its processor a request$'
  run -1 --separate-stderr course load-gen --server 4194304 -d "$SPAN" 127.0.0.1 "$PORT"
  assert_equal "$stderr" "load-gen: cannot watch process 4194304: No such process"
}

@test "load-gen checks messages of every size, pipelined too" {
  start echo-server
  for size in 1 1000 65536 $([[ ${UNDER-} ]] || echo 1048576); do
    measure 0 -s "$size" -c 3
    assert_result ".bytes == $size and .requests > 0 and .unanswered == 0"
    measure 0 -s "$size" -c 2 -p 7
    assert_result ".pipeline == 7 and .requests > 0 and .unanswered == 0"
  done
}

@test "load-gen checks an upper-case server" {
  start uppercase-server
  measure 0 -m upper -c 5 -s 5000
  assert_result '.mode == "upper" and .requests > 0'
  measure 0 -m upper -c 5 -p 3
  assert_result '.requests > 0'
}

@test "load-gen keeps as many requests under way as the pipeline holds" {
  # It answers each client once, in the set-up, and never again.
  build_own echo-server 's/^( *conn_echo\(conn, chunk, .*)/\1 event_del(conn->read_event);/'
  start echo-server
  measure 1 -c 3 -p 8
  assert_result '.requests == 0 and .unanswered == 24 and .silent == 3'
  assert_result '.latency_us.p50 > 1000000 and .latency_us.max < 20000000'
  assert_result '.latency_us.p50 * 1.5 > .latency_us.max'
}

@test "load-gen notices one wrong byte, and says which (L1)" {
  start_strange_echo 10 'chunk[5] ^= 1; conn_echo(conn, chunk, (size_t)length);'
  measure 1 -s 64 -c 2
  assert_result '.errors == {"closed": 0, "reset": 0, "other": 0, "wrong": 1}'
  regex='load-gen: wrong answers: 1; the first: byte 5 of an answer: ".+" in place of ".+"'
  [[ $stderr =~ $regex ]] || fail "$stderr"
}

@test "load-gen notices a wrong last byte of a large answer (L1)" {
  # The last byte of the third message: the message of the set-up is the first.
  build_own echo-server 's/^( *)(conn_echo\(conn, chunk, .*)/\
    static size_t seen; seen += (size_t)length; \
    if (seen == 900000) chunk[length - 1] ^= 1; \2/'
  start echo-server
  measure 1 -s 300000 -d 10
  [[ $stderr == *"wrong answers: 1; the first: byte 299999 of an answer: "* ]] || fail "$stderr"
}

@test "load-gen notices bytes that it has not asked for" {
  start_strange_echo 500 'memcpy(chunk + length, chunk, (size_t)length); conn_echo(conn, chunk, 2 * (size_t)length);'
  measure 1 -s 64 -d 10
  [[ $stderr == *'wrong answers: 1; the first: byte 0 of an answer: "'*'", which was not requested' ]] ||
    fail "$stderr"
}

@test "load-gen counts a wrong answer of each connection, and shows the first" {
  start echo-server # in small letters, where capitals have to come
  run -1 --separate-stderr course load-gen -m upper 127.0.0.1 "$PORT"
  assert_output "nothing was measured"
  [[ $stderr == *'wrong answers: 1; the first: byte '*' in place of '* ]] || fail "$stderr"
  measure 1 -m memcache
  [[ $stderr == *'wrong answers: 1; the first: byte 0 of an answer: "set key-" in place of "STORED\x0d\x0a"' ]] ||
    fail "$stderr"
  build_own echo-server 's/^( *)(conn_echo\(conn, chunk, .*)/\
    static int pieces; chunk[0] ^= ++pieces > 100; \2/'
  start echo-server
  measure 1 -c 20 -d 10
  assert_result '.errors.wrong == 20'
  [[ $stderr == *'wrong answers: 20; the first: byte 0 '* ]] || fail "$stderr"
}

@test "load-gen counts lost connections by kind, and goes on with the others" {
  start_strange_echo 10 'conn_free(conn);'
  measure 1 -c 3
  assert_result '.errors == {"closed": 1, "reset": 0, "other": 0, "wrong": 0}'
  assert_result '.seconds > 0.15 and .requests > 10'
  [[ $stderr == *"load-gen: connections lost: 1 closed by the server, 0 reset, 0 by other errors" ]] ||
    fail "$stderr"
  start_strange_echo 10 'struct linger no = {1, 0}; setsockopt(fd, SOL_SOCKET, SO_LINGER, \&no, sizeof(no)); conn_free(conn);'
  measure 1 -c 3
  assert_result '.errors == {"closed": 0, "reset": 1, "other": 0, "wrong": 0}'
}

@test "load-gen ends early when all connections are lost" {
  make_hasty
  start echo-server
  server=$PID
  start_load -c 3 -d 60
  wait_for_line "^measuring: 3 of 3 "
  kill -TERM "$server"
  assert_exit 1
  output=$(<"$JSON")
  assert_result '.errors.closed + .errors.reset == 3 and .seconds < 50 and .requests > 0'
}

@test "load-gen gives as many requests as the rate says" {
  start echo-server
  measure 0 -r 100 -c 4 -d 0.5
  assert_result '.requests >= 30 and .requests <= 100 * .seconds + 2 and .rate == 100'
  measure 0 -r 2000 -c 1 -p 50 -d 0.5
  [[ ${UNDER-} ]] || assert_result '.requests >= 700 and .requests <= 2000 * .seconds + 50'
}

# More than half of the run the server stands still: what comes due meanwhile
# waits, on the average, for half of that time.
@test "load-gen counts latency from when a request was due, so that a stall shows (L2)" {
  make_hasty
  start echo-server
  server=$PID
  start_load -r 40 -c 2 -w 0.1 -d 1.4
  wait_for_line "^measuring: "
  kill -STOP "$server"
  sleep 0.8 # the stall
  kill -CONT "$server"
  assert_exit 0
  output=$(<"$JSON")
  assert_result '.latency_us.max > 700000 and .latency_us.p90 > 350000'
  assert_result '.latency_us.p50 > 10000 and .unanswered == 0 and .requests > 40'
}

@test "load-gen counts requests that were due and never answered (L3)" {
  make_hasty
  start echo-server
  server=$PID
  start_load -r 40 -c 2 -w 0.1 -d 1
  wait_for_line "^measuring: "
  kill -STOP "$server"
  assert_exit 1
  kill -CONT "$server"
  output=$(<"$JSON")
  assert_result '.unanswered > 20 and .requests < 20'
  assert_result '.latency_us.max > 1500000 and .latency_us.p50 > 1000000'
}

@test "load-gen fails when the server falls silent, and says on how many connections (L7)" {
  make_hasty
  start echo-server
  server=$PID
  start_load -c 5 -w 0.1 -d 0.5
  wait_for_line "^measuring: "
  kill -STOP "$server"
  assert_exit 1
  kill -CONT "$server"
  output=$(<"$JSON")
  assert_result '.requests > 0 and .unanswered == 5 and .silent == 5'
  has_lines 1 "^load-gen: no answer: 5 of 5 connections were silent at the end$"
  # Of two connections one is not answered any more: the other goes on.
  start_strange_echo 10 'event_del(conn->read_event);'
  measure 1 -c 2
  assert_result '.unanswered == 1 and .silent == 1'
  [[ $stderr == *"load-gen: no answer: 1 of 2 connections were silent at the end" ]] || fail "$stderr"
}

@test "load-gen does not call a server silent that is slow" {
  # A piece of at most 1024 bytes each hundredth of a second: an answer takes
  # longer than the last answers are waited for.
  build_own echo-server 's/^( *)(conn_echo\(conn, chunk, .*)/\1usleep(10000); \2/; s/(CHUNK = |chunk\[)[0-9]+/\11024/'
  start echo-server
  measure 0 -s 150000 -c 2 -p 2
  assert_result '.silent == 0 and .unanswered > 0'
}

@test "load-gen fails when its result cannot be written (L8)" {
  start echo-server
  local path
  path=$(program load-gen)
  for option in -j -p1; do
    # shellcheck disable=SC2016 # the inner shell's
    for output in '>/dev/full' '>&-' '| true'; do
      run -1 --separate-stderr bash -c "trap '' PIPE; set -o pipefail
        '$path' $option -w 0 -d 0.1 127.0.0.1 $PORT $output"
      [[ $stderr == *"load-gen: cannot write to standard output: "* ]] || fail "$output: $stderr"
    done
  done
}

@test "load-gen waits a moment for the last answers, and shows a stall at the end" {
  make_hasty
  start echo-server
  server=$PID
  start_load -c 2 -w 0.1 -d 0.8
  wait_for_line "^measuring: "
  kill -STOP "$server"
  wait_for_line "^the last answers: "
  kill -CONT "$server"
  assert_exit 0
  output=$(<"$JSON")
  assert_result '.latency_us.max > 100000 and .latency_us.p50 < 100000 and .unanswered == 0'
}

@test "load-gen does not count the warm-up (L4)" {
  make_hasty
  start echo-server
  server=$PID
  start_load -r 40 -c 2 -w 1.2 -d 0.6
  wait_for_line "^warm-up: "
  kill -STOP "$server"
  wait_for_line "^warm-up: " 6
  kill -CONT "$server"
  assert_exit 0
  output=$(<"$JSON")
  assert_result '.requests > 15 and .requests < 40 and .seconds < 1.2'
  [[ ${UNDER-} ]] || assert_result '.latency_us.p90 < 300000'
}

@test "load-gen warms up for a second and measures for five unless told otherwise" {
  build_own load-gen 's/^( *)(parse_options\(.*)/\1\2 printf("%g %g\\n", load.options.warm_up, load.options.duration); exit(0);/'
  run -0 course load-gen 127.0.0.1 1
  assert_output "1 5"
}

@test "load-gen ends at SIGINT and SIGTERM with the result so far" {
  make_hasty
  start echo-server
  for signal in INT TERM; do
    start_load -c 2 -w 0.1 -d 60
    wait_for_line "^measuring: "
    kill "-$signal" "$PID"
    assert_exit 0
    output=$(<"$JSON")
    assert_result '.requests > 0 and .seconds > 0.02 and .seconds < 20'
  done
  start_load -w 60
  wait_for_line "^warm-up: "
  kill -INT "$PID"
  assert_exit 0
  output=$(<"$JSON")
  assert_result '.requests == 0 and .requests_per_second == 0 and .latency_us.max == 0'
}

@test "load-gen writes a line of progress each second" {
  start echo-server
  start_load -c 2 -w 1.1 -d 60
  wait_for_line '^warm-up: 2 of 2 connections, [0-9]+ requests/s$'
  wait_for_line '^measuring: 2 of 2 connections, [0-9]+ requests/s$'
  assert_equal "$(grep -c . "$LOG")" 2
  kill -INT "$PID"
  assert_exit 0
}

@test "load-gen writes its progress in place on a terminal" {
  need_terminal
  start echo-server
  path=$(program load-gen)
  run -0 on_terminal "$path -w 0 -d 1.2 127.0.0.1 $PORT"
  [[ $output == *$'\r\e[Kmeasuring: 1 of 1 connections, '*$'requests/s\r\e[Kecho: connections 1'* ]] ||
    fail "$output"
}

@test "load-gen sets all keys first, and then gets and sets in the proportion asked for (L5)" {
  start_memcached
  measure 0 -m memcache -s 100 -c 10 -g 75
  assert_equal "$(statistic curr_items)" 1000
  assert_equal "$(statistic get_misses)" 0
  requests=$(jq .requests <<<"$output")
  gets=$(statistic cmd_get) sets=$(($(statistic cmd_set) - 1000))
  ((gets + sets >= requests)) || fail "$gets and $sets of $requests"
  ((gets * 4 > requests * 3 - 1000 && sets * 4 > requests - 1000)) || fail "$gets gets, $sets sets"
  ((gets * 4 < (gets + sets) * 3 + 4000)) || fail "$gets gets, $sets sets"
}

@test "load-gen gets and sets values of many sizes, pipelined too" {
  start_memcached
  for size in 1 1000000; do
    measure 0 -m memcache -s "$size" -c 3 -p 4
    assert_result '.requests > 0 and .unanswered == 0'
  done
  measure 0 -m memcache -g 0 -c 3
  gets=$(statistic cmd_get)
  measure 0 -m memcache -g 100 -c 3
  (($(statistic cmd_get) > gets)) || fail "no gets"
}

@test "load-gen notices a value that is lost" {
  make_hasty
  start_memcached
  start_load -m memcache -d 60
  wait_for_line "^(warm-up|measuring): "
  printf 'flush_all\r\nquit\r\n' | nc 127.0.0.1 "$PORT" >/dev/null
  assert_exit 1
  has_lines 1 'wrong answers: 1; the first: byte 0 of an answer: "END\\x0d\\x0a" in place of "VALUE"$'
}

@test "load-gen has 10,000 connections, whatever the soft limit of descriptors" {
  local count=10000
  [[ $BUILD != */asan && ! ${EVENT_NOEPOLL-} ]] || count=500
  [[ ! ${UNDER-} ]] || count=100
  (($(ulimit -Hn) >= count + 100)) || skip "no $count descriptors are allowed"
  ulimit -Sn $((count + 50))
  start echo-server
  # valgrind keeps to the limit that it has found.
  [[ ${UNDER-} ]] || ulimit -Sn 300
  # Each connection has its answer before the load begins. With a rate, a busy machine
  # need not answer all of them within the last second again.
  measure 0 -c "$count" -r 1000
  assert_result ".connections == $count and .requests > 0 and .unanswered == 0"
}

@test "load-gen leaves room in the backlog of a server" {
  alone true
  build_own echo-server 's/SOMAXCONN/100/'
  server=$(program echo-server) client=$(program load-gen)
  # On a network of its own, nobody else counts as an overflow.
  # shellcheck disable=SC2016 # the inner shell's
  run -0 alone bash -c '"$1" & server=$!
    until "$2" -j -w 0 -d 0.2 -c 1000 127.0.0.1 8888 2>/dev/null; do sleep 0.05; done
    awk "/^TcpExt/ { for (i in name) if (name[i] == \"ListenOverflows\") print name[i], \$i; split(\$0, name) }" /proc/net/netstat
    kill $server' bash "$server" "$client"
  grep -qx 'ListenOverflows 0' <<<"$output" || fail "$(grep -v 'client closed' <<<"$output")"
  output=$(grep '^{' <<<"$output")
  assert_result '.connections == 1000 and .requests > 0'
}

@test "load-gen goes on from another loopback address when the ports run out" {
  alone true
  server=$(program echo-server) client=$(program load-gen)
  range=/proc/sys/net/ipv4/ip_local_port_range
  alone bash -c "echo 40000 40049 >$range" || skip "the range of ports cannot be set"
  # shellcheck disable=SC2016 # the inner shell's
  run -0 alone bash -c 'echo 40000 40049 >"$3"
    "$1" & server=$!
    until "$2" -j -w 0 -d 0.2 -c 120 127.0.0.1 8888 2>/dev/null; do sleep 0.05; done
    kill $server' bash "$server" "$client" "$range"
  output=$(grep '^{' <<<"$output")
  assert_result '.connections == 120 and .requests > 0'
}

@test "load-gen says clearly that it cannot connect" {
  start echo-server
  ulimit -n 40
  ASAN_OPTIONS+=:detect_leaks=0 # to look for them takes a descriptor
  run -1 course load-gen -c 100 127.0.0.1 "$PORT"
  assert_output --regexp "^load-gen: cannot connect to 127.0.0.1 port $PORT, [0-9]+ of 100 connections ready: Too many open files$"
  kill -TERM "$PID"
  assert_exit 0
  run -1 course load-gen 127.0.0.1 "$PORT"
  assert_output "load-gen: cannot connect to 127.0.0.1 port $PORT, 0 of 1 connections ready: Connection refused"
  run -1 course load-gen no-such-host.invalid 80
  assert_output --regexp "^load-gen: cannot resolve no-such-host.invalid: "
}

# A name with two addresses, of which the first has no server.
@test "load-gen connects to each address of a name in turn (L9)" {
  alone true
  local etc=$BATS_TEST_TMPDIR/etc
  mkdir -p "$etc"
  printf '%s both.test\n' ::1 127.0.0.1 >"$etc/hosts"
  echo "hosts: files" >"$etc/nsswitch.conf"
  echo "multi on" >"$etc/host.conf"
  server=$(program echo-server) client=$(program load-gen)
  for address in 127.0.0.1 ::1; do
    # shellcheck disable=SC2016 # the inner shell's
    run -0 --separate-stderr alone --etc "$etc" bash -c '"$1" "$2" 8888 >"$4" & server=$!
      until [[ -s $4 ]]; do sleep 0.02; done
      "$3" -j -w 0 -d 0.2 -c 70 both.test 8888
      kill $server' bash "$server" "$address" "$client" "$BATS_TEST_TMPDIR/ready.$address"
    assert_result '.connections == 70 and .requests > 0'
  done
  run -1 alone --etc "$etc" "$client" both.test 8888
  assert_output "load-gen: cannot connect to both.test port 8888, 0 of 1 connections ready: Connection refused"
}

@test "load-gen fails when it is interrupted before it has measured anything" {
  build_own load-gen 's/(second = )\{1, 0\}/\1{0, 100000}/'
  start_silent_server
  start_load
  wait_for_line "^set-up: "
  kill -INT "$PID"
  assert_exit 1
  has_lines 1 "0 of 1 connections ready: interrupted$"
}

@test "load-gen goes on when no process reads its progress" {
  make_hasty
  start echo-server
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  exec 7<>"$BATS_TEST_TMPDIR/pipe"
  dd if=/dev/zero "of=$BATS_TEST_TMPDIR/pipe" oflag=nonblock bs=4096 status=none 2>/dev/null || true
  path=$(program load-gen)
  run -0 timeout "$LIMIT" bash -c "'$path' -j -w 0 -d 0.5 127.0.0.1 $PORT 2>&7"
  assert_result '.requests > 0'
}

@test "load-gen says that a server closes at once, or never answers" {
  start_strange_echo 1 'conn_free(conn);'
  run -1 course load-gen -c 1 127.0.0.1 "$PORT"
  assert_output "load-gen: cannot connect to 127.0.0.1 port $PORT, 0 of 1 connections ready: the server closed one"
  build_own load-gen 's/(PATIENCE = )10/\11/'
  start_silent_server
  run -1 --separate-stderr course load-gen -c 1 127.0.0.1 "$PORT"
  [[ $stderr == *"0 of 1 connections ready: no answer came for ten seconds" ]] || fail "$stderr"
}

@test "load-gen measures an IPv6 server" {
  start echo-server ::1
  run -0 --separate-stderr course load-gen -j -c 3 -w 0 -d 0.2 ::1 "$PORT"
  assert_result '.requests > 0'
}

@test "load-gen tells how much of a core it used in the measured span" {
  start echo-server
  measure 0 -c 10 -d 0.5
  assert_result '.processor > 0 and .processor < 1.05'
  measure 0 -r 20 -d 0.5
  assert_result '.processor < 0.5 and .itself_the_limit == false'
}

@test "load-gen says when it was itself the limit" {
  run_c <<'END'
int main(void)
{
    static struct result result = {.seconds = 2};
    struct options options = {.mode = "echo"};

    for (int i = 0; i < 4; i++) {
        result.counts.cpu = i < 2 ? 1.88 : 1.92;
        options.json = i % 2;
        print_result(&result, &options);
    }
}
END
  assert_success
  assert_equal "$(grep -c '"itself_the_limit": false' <<<"$output")" 1
  assert_equal "$(grep -c '"itself_the_limit": true' <<<"$output")" 1
  assert_equal "$(grep 'itself the limit' <<<"$output")" "load-gen was itself the limit: it used 96 % of a core"
  assert_line "processor   94 %"
}

@test "load-gen's percentiles are at most 1 in 128 too high, and never too low (L6)" {
  run_c <<'END'
static uint64_t numbers[100000];

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void check_bucket(uint64_t ns)
{
    uint64_t top = bucket_top(bucket_of(ns));

    if (bucket_of(ns) >= BUCKETS || top < ns || top - ns > ns / 128)
        errx(1, "%ju is in a bucket up to %ju", (uintmax_t)ns, (uintmax_t)top);
}

int main(void)
{
    static struct result result;

    for (int bit = 0; bit < 64; bit++)
        for (uint64_t low = 0; low < 1000; low++) {
            check_bucket((UINT64_C(1) << bit) + low * (UINT64_C(1) << bit) / 1001);
            check_bucket((UINT64_C(1) << bit) - 1 - (low < bit ? low : 0));
        }
    check_bucket(UINT64_MAX);
    for (size_t i = 0; i < 100000; i++) {
        numbers[i] = UINT64_C(1) << next_random() % 40;
        numbers[i] += numbers[i] * (next_random() % 1000) / 1000;
        add_latency(&result, numbers[i]);
    }
    qsort(numbers, 100000, sizeof(numbers[0]), compare);
    for (unsigned share = 1; share <= 1000; share++) {
        double exact = (double)numbers[share * 100 - 1] / 1000;
        double found = percentile(&result, share);
        if (found < exact || found > exact * (1 + 1.0 / 128))
            errx(1, "%u: %f for %f", share, found, exact);
    }
    if (percentile(&result, 1000) * 1000 > (double)result.max)
        errx(1, "more than the longest");
    puts("as it should be");
}
END
  assert_success
  assert_output "as it should be"
}

@test "load-gen has a percentile also of few latencies, or of none" {
  run_c <<'END'
int main(void)
{
    static struct result result;

    printf("%g ", percentile(&result, 500));
    add_latency(&result, 1000);
    printf("%g %g ", percentile(&result, 500), percentile(&result, 999));
    add_latency(&result, 3000);
    printf("%g %g\n", percentile(&result, 500), percentile(&result, 501));
}
END
  assert_success
  assert_output "0 1 1 1.003 3"
}

@test "load-gen succeeds only if it has seen all succeed, whichever allocation fails (L10)" {
  [[ ! ${UNDER-} ]] || skip "valgrind has its own malloc"
  [[ $BUILD != */asan ]] || build_own load-gen "" -O2
  start echo-server
  local path library=$BATS_TEST_TMPDIR/failing-malloc.so n status seconds
  path=$(program load-gen)
  cc -shared -fPIC -o "$library" "$ROOT/tests/lib/failing-malloc.c"
  for ((n = 1; n <= 40; n++)); do
    # A busy machine may leave no time for a request: then for longer.
    for seconds in 0.02 2; do
      status=0
      FAIL_AT=$n LD_PRELOAD=$library timeout "$LIMIT" "$path" -j -c 2 -w 0 -d "$seconds" 127.0.0.1 "$PORT" \
        >"$BATS_TEST_TMPDIR/json" 2>"$BATS_TEST_TMPDIR/said" || status=$?
      ((status == 0)) || break
      output=$(<"$BATS_TEST_TMPDIR/json")
      [[ $output == *'"requests": 0,'* ]] || break
    done
    if ((status == 0)); then
      assert_result '.requests > 0 and .unanswered == 0'
    else
      assert_equal "$n: $status" "$n: 1"
      # The server was not to blame.
      grep -q "^load-gen: cannot \|^load-gen: .*memory$" "$BATS_TEST_TMPDIR/said" ||
        fail "$n: $(<"$BATS_TEST_TMPDIR/said")"
    fi
  done
}

@test "load-gen frees all that it has made" {
  find_leaks_in load-gen
  start echo-server
  measure 0 -c 5 -p 3
  measure 0 -c 5 -r 100
  measure 1 -m upper
}

@test "load-gen explains itself, and refuses wrong arguments" {
  run -0 course load-gen --help
  assert_line --index 0 "usage: load-gen [OPTION...] ADDRESS PORT"
  for arguments in "" "127.0.0.1" "127.0.0.1 0" "127.0.0.1 65536" "127.0.0.1 x" "127.0.0.1 1 2" \
    "-c 0 127.0.0.1 1" "-c 1.5 127.0.0.1 1" "-c x 127.0.0.1 1" "-p 0 127.0.0.1 1" \
    "-r 0 127.0.0.1 1" "-r -5 127.0.0.1 1" "-m smtp 127.0.0.1 1" "-s 0 127.0.0.1 1" \
    "-g 101 127.0.0.1 1" "-w -1 127.0.0.1 1" "-d 0 127.0.0.1 1" "-d nan 127.0.0.1 1" \
    "--cpu x 127.0.0.1 1" "-x 127.0.0.1 1"; do
    # shellcheck disable=SC2086 # the arguments are words
    run -2 course load-gen $arguments
    assert_output --partial "usage: load-gen [OPTION...] ADDRESS PORT"
  done
}

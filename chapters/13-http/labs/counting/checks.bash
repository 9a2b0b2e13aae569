# checks.bash -- long answers in pieces, each made when the one before has gone.

lab make 4 45
: "${FEW:=12}" "${SOME:=50000}" "${LOTS:=1000000}" "${WRAPS:=4294967301}"
: "${SLOW:=3}" "${TIMES:=6}"

LARGEST=1000000000000
PIECE_MIN=16384 PIECE_MAX=65600 # 64 KiB, and the rest of a line
WAITING_KB=200                  # of memory for each client; a piece may take twice its size

# The client, a curl, asks for TARGET, and reads the answer as it comes, up to 16 MiB: an
# answer to what is refused may have no end.
asks() { # CLIENT TARGET [CURL-ARGUMENT...]
  : >"$WORK/$1.out"
  : >"$WORK/$1.head"
  (
    # shellcheck disable=SC2119
    close_ours
    ulimit -f 16384
    exec curl -sN -D "$WORK/$1.head" "${@:3}" "http://127.0.0.1:$PORT$2" >"$WORK/$1.out" 2>/dev/null
  ) &
  CLIENT[$1]=$! AT[$1]=0 TO[$1]='' SENT[$1]=$2 SENT_BYTES[$1]=''
}

# Wait until the client has read its answer to the end. As long as more comes, the time
# limit starts again.
reads_to_end() { # CLIENT
  local before=0 status=0
  until until_true has_ended "${CLIENT[$1]}"; do
    count_bytes "$1"
    ((ARRIVED > before)) && [[ ! -s $WORK/stopped ]] || no_end "$1"
    before=$ARRIVED
  done
  wait "${CLIENT[$1]}" || status=$?
  CLIENT[$1]=''
  ((status == 0)) || no_end "$1"
}

no_end() { # CLIENT
  tell_sent "$1"
  fail "the answer does not come to its end" "应答没有正常结束"
}

# The answer to the client is whole, and right: the numbers up to TO.
gets() { # CLIENT TO
  reads_to_end "$1"
  seq "$2" >"$WORK/expected"
  same_bytes "$WORK/expected" "$WORK/$1.out" "$1" || fail
}

# Ask with curl, which closes the connection after the answer, and check the answer.
asks_and_gets() { # CLIENT TO [CURL-ARGUMENT...]
  asks "$1" "/count?to=$2" "${@:3}"
  gets "$1" "$2"
}

# The client asks for many lines, reads the first ones, and leaves.
reads_first() { # CLIENT TO LINES
  seq "$3" >"$WORK/expected"
  : >"$WORK/$1.out"
  (
    # shellcheck disable=SC2119
    close_ours
    exec head -c "$(stat -c %s "$WORK/expected")" \
      < <(exec curl -sN "http://127.0.0.1:$PORT/count?to=$2" 2>/dev/null) >"$WORK/$1.out"
  ) &
  CLIENT[$1]=$! AT[$1]=0 SENT[$1]="/count?to=$2" SENT_BYTES[$1]=''
  until_more "$1" "$(stat -c %s "$WORK/expected")"
  same_bytes "$WORK/expected" "$WORK/$1.out" "$1" || fail
  wait "${CLIENT[$1]}" || true
  CLIENT[$1]=''
}

# COUNT clients ask. When this returns, each has an answer under way, of which it reads
# nothing before read_last. For the last one, of HTTP/1.0, the connection ends with it.
ask_unread() { # COUNT TO
  local i fd
  MANY=()
  for ((i = 1; i <= $1; i++)); do
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
    printf 'GET /count?to=%s HTTP/1.%d\r\nHost: x\r\n\r\n' "$2" $((i < $1)) >"$WORK/sent"
    cat "$WORK/sent" >&"$fd" || true
    MANY+=("$fd")
  done
  for fd in "${MANY[@]}"; do
    until_true read -r -t 0 -u "$fd" || fail "there is no answer" "没有应答"
  done
}

# The last client reads to the end.
read_last() { # TO
  (ulimit -f 16384 && exec cat <&"${MANY[-1]}" >"$WORK/last.out" 2>/dev/null) &
  CLIENT[last]=$! AT[last]=0 SENT[last]="/count?to=$1" SENT_BYTES[last]=''
  reads_to_end last
  sed -i '1,/^\r$/d' "$WORK/last.out"
  seq "$1" >"$WORK/expected"
  same_bytes "$WORK/expected" "$WORK/last.out" last || fail
}

refuses() { # TARGET
  local status
  asks refused "$1"
  until_true has_ended "${CLIENT[refused]}" || true # the status is the better reason
  status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$WORK/refused.head")
  [[ $status == 400 ]] || {
    tell_sent refused
    detail expected "the status 400" "状态码 400"
    detail came "the status ${status:-none}" "状态码 ${status:-无}"
    fail
  }
  reads_to_end refused
}

check 1 "A request is complete" counts \
  "a client gets the numbers that it asks for" \
  "客户端得到它要的数"
counts() {
  local to
  step "the server listens" "服务器开始监听"
  start
  expect_line '^listening on 127.0.0.1 port [0-9]+$'
  for to in 1 "$FEW" "$SOME"; do
    step "to=$to is answered with the numbers up to $to" "to=$to 的应答是从 1 到 $to 的数"
    asks_and_gets A "$to"
  done
}

check 1 "From a path to a file" reads_the_number \
  "a request without a number from 1 to $LARGEST is answered with the status 400" \
  "请求里没有 1 到 $LARGEST 之间的数，就以状态码 400 应答"
reads_the_number() {
  local query
  start
  for query in '' '?to=' '?x=5' '?to=abc' '?to=5x' '?to=-5' '?to=0' '?to=+5' '?to=1.5' \
    "?to=$((LARGEST + 1))" "?to=-18446744073709551611" '?to=18446744073709551621'; do
    step "/count$query is refused" "/count$query 被拒绝"
    refuses "/count$query"
  done
  step "to=$WRAPS begins as it should, and does not end at $((WRAPS - 4294967296))" \
    "to=$WRAPS 的开头正确，而且不会到 $((WRAPS - 4294967296)) 就结束"
  reads_first A "$WRAPS" "$FEW"
  step "to=$LARGEST begins as it should" "to=$LARGEST 的开头正确"
  reads_first A "$LARGEST" "$SOME"
}

check 2 "http-api" comes_in_pieces \
  "an answer comes in chunks of 16 to 64 KiB" \
  "应答分块到达，每块 16 到 64 KiB"
comes_in_pieces() {
  local sizes=()
  start
  step "to=$SOME is answered in chunks" "to=$SOME 的应答分块发送"
  asks A "/count?to=$SOME" --raw
  reads_to_end A
  grep -qi $'^transfer-encoding: *chunked\r$' "$WORK/A.head" || {
    tell_sent A
    detail expected "Transfer-Encoding: chunked"
    detail came "$(grep -i '^content-length' "$WORK/A.head" | tr -d '\r')"
    fail
  }
  step "no chunk is larger than 64 KiB; none but the last is smaller than 16 KiB" \
    "没有一块大于 64 KiB；除最后一块外，没有一块小于 16 KiB"
  # shellcheck disable=SC2016 # perl's own $
  mapfile -t sizes < <(LC_ALL=C perl -0777 -ne '
    while (/\G([0-9a-fA-F]+)\r\n/gc) { hex $1 or last; print hex $1, "\n"; pos() += 2 + hex $1 }' "$WORK/A.out")
  all_fit "${sizes[@]}"
  step "a client of HTTP/1.0 gets the lines without chunks, and the connection is closed" \
    "HTTP/1.0 的客户端得到不分块的各行，然后连接关闭"
  asks_and_gets B "$SOME" -0
}

all_fit() { # SIZE...
  local i
  for ((i = 1; i <= $#; i++)); do
    ((${!i} <= PIECE_MAX && (i == $# || ${!i} >= PIECE_MIN))) || {
      tell_sent A
      detail expected "chunks of 16384 to 65536 bytes" "每块 16384 到 65536 字节"
      detail came "a chunk of ${!i} bytes" "有一块为 ${!i} 字节"
      fail
    }
  done
}

check 2 "What goes wrong" holds_little \
  "a client that does not read costs little memory" \
  "客户端不读取时，只占用少量内存"
holds_little() {
  watch_allocated
  start
  step "A gets its lines; then $SLOW clients ask for $LOTS lines, and read nothing: the program sleeps" \
    "A 得到它要的各行；然后 $SLOW 个客户端要 $LOTS 行，却什么也不读：程序处于休眠"
  asks_and_gets A "$FEW"
  note_allocated
  ask_unread "$SLOW" "$LOTS"
  expect_quiet
  step "each of them costs $WAITING_KB kB of memory at most" "每个客户端最多占用 $WAITING_KB kB 内存"
  expect_allocated_within $((SLOW * WAITING_KB))
}

# Nothing wakes the program for a third of a second. The kernel accepts a little more now
# and then for a client that does not read, at longer and longer intervals, so a first
# wake-up does not count.
expect_quiet() {
  local i before
  for ((i = 0; i < 20; i++)); do
    before=$(sleeps)
    nap 0.3
    ! has_ended "$RUN" || fail
    [[ $before != "$(sleeps)" ]] || return 0
  done
  fail "the program wakes up again and again while there is nothing to do" "无事可做时程序仍反复醒来"
}

check 1 "http-api" side_by_side \
  "clients have their own counts" \
  "每个客户端各数各的"
side_by_side() {
  local i
  start
  step "A asks for $LOTS lines, and does not read yet; meanwhile B gets its $SOME lines" \
    "A 要 $LOTS 行，还没有读取；这期间 B 得到自己的 $SOME 行"
  ask_unread 1 "$LOTS"
  settle
  asks_and_gets B "$SOME"
  step "then A reads, and gets all $LOTS lines" "然后 A 开始读取，得到全部 $LOTS 行"
  read_last "$LOTS"
  step "five clients ask at the same time, each for more than the one before" "五个客户端同时来要，一个比一个多"
  for i in 1 2 3 4 5; do asks "C$i" "/count?to=$((i * SOME))"; done
  for i in 1 2 3 4 5; do gets "C$i" $((i * SOME)); done
}

check 1 "A request is complete" goes_on \
  "after an answer the connection takes the next request, and may close" \
  "应答之后，连接可以接着请求，也可以关闭"
goes_on() {
  watch_allocated
  start
  step "three requests on one connection are answered; the client leaves, and A gets its lines" \
    "同一个连接上的三个请求都得到应答；客户端离开，A 得到它要的各行"
  asks_on_one_connection 3
  asks_and_gets A "$FEW"
  step "a client of HTTP/1.0 is answered, one that says Connection: close too, and then A" \
    "HTTP/1.0 的客户端得到应答，带 Connection: close 的也得到应答，然后是 A"
  asks_and_gets B "$SOME" -0
  asks_and_gets B "$SOME" -H 'Connection: close'
  asks_and_gets A "$FEW"
  step "$TIMES more answers cost no memory" "再应答 $TIMES 次，不占内存"
  note_allocated
  asks_on_one_connection "$TIMES"
  expect_allocated_back "$TIMES"
}

# As a browser does: curl keeps the connection from one URL to the next.
asks_on_one_connection() { # TIMES
  local i more=()
  for ((i = 1; i < $1; i++)); do more+=("http://127.0.0.1:$PORT/count?to=$SOME"); done
  asks D "/count?to=$SOME" -w '%{stderr}%{num_connects}\n' "${more[@]}"
  reads_to_end D
  for ((i = 0; i < $1; i++)); do seq "$SOME"; done >"$WORK/expected"
  same_bytes "$WORK/expected" "$WORK/D.out" D || fail
}

check 2 "http-api" leaves_nothing \
  "an answer under way ends with its client, or with the program" \
  "客户端离开或程序结束时，进行中的应答随之结束"
leaves_nothing() {
  watch_allocated
  start
  step "clients ask for $LARGEST lines; then they close, half-close or reset their connections" \
    "客户端要 $LARGEST 行，然后关闭、半关闭或重置连接"
  asks_and_gets A "$FEW"
  note_resources
  leave_under_way
  expect_descriptors_back
  step "more clients do the same: no memory is held for them" "又有客户端这样离开：没有为它们占用内存"
  note_allocated
  leave_under_way
  expect_descriptors_back
  expect_allocated_back 4
  asks_and_gets A "$FEW"
  step "while answers are under way, SIGTERM ends the program with status 0; nothing leaks" \
    "应答进行中收到 SIGTERM，程序以退出码 0 结束，没有泄漏"
  ask_unread "$SLOW" "$LARGEST"
  stop_cleanly
}

# Four clients leave, each in its way. (With bytes unread, a close is a reset.)
leave_under_way() {
  reads_first E "$LARGEST" "$SOME"
  printf 'GET /count?to=%s HTTP/1.1\r\nHost: x\r\n\r\n' "$LARGEST" >"$WORK/request"
  send_unread F "$WORK/request"
  ask_unread 2 "$LARGEST"
  many_leave
  close F
  unset 'CLIENT[F]'
}

# checks.bash -- work in slices, and still answer every client; sleep without work.

lab make 2 40
: "${LIMIT:=10000}" "${PRIMES:=1229}" "${SMALL:=3000}" "${SMALL_PRIMES:=430}"
: "${CLIENTS:=20}" "${LONG:=100000}" "${LONG_PRIMES:=9592}"

ENDLESS=999999999 # takes hours
LABOURS=yes

# A brings a job that does not end while the check runs. It writes straight into
# its socket, so that the job is there before anything that is sent later.
start_endless() {
  { exec {A}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
  printf '%s\n' "$ENDLESS" >&"$A"
  TICKS=$(ticks)
  until_true uses_time || fail "the program does not work on the job" "程序没有执行这个任务"
}

uses_time() {
  (($(ticks) >= TICKS + 3))
}

check 1 "The flags" counts_primes \
  "a client gets the number of primes" \
  "客户端收到素数的个数"
counts_primes() {
  step "the server listens" "服务器开始监听"
  start
  connect A
  step "A sends $LIMIT" "A 发送 $LIMIT"
  send A "$LIMIT\n"
  expect A "$LIMIT: $PRIMES\n"
  step "A sends the smallest numbers, each after the answer to the one before" \
    "A 依次发送最小的几个数，每次等上一个得到应答"
  send A '0\n'
  expect A '0: 0\n'
  send A '1\n'
  expect A '1: 0\n'
  send A '2\n'
  expect A '2: 1\n'
  step "no job is left" "没有剩下的任务"
  send A '?'
  expect A 'jobs 0\n'
}

check 2 "The flags" answers_while_it_works \
  "other clients get answers quickly while the server works" \
  "任务执行期间，其他客户端能很快得到应答"
answers_while_it_works() {
  local i end
  step "A has a job that takes hours, and the server works on it" "A 发来一个要算几个小时的任务，服务器开始执行"
  start
  connect B
  start_endless
  step "B asks ten times, one after the other, and gets an answer each time" \
    "B 连续询问十次，每次都得到应答"
  now_ms
  end=$((MS + LIMIT_MS * PATIENCE / 10))
  for ((i = 0; i < 10; i++)); do
    send B '?'
    until_true has_come B $((AT[B] + 7)) || true
    now_ms
    ((MS < end)) || fail "the answers are slow" "应答太慢"
    expect B 'jobs 1\n'
  done
}

check 1 "The flags" many_jobs \
  "many clients have jobs at the same time, and a second job later" \
  "许多客户端同时有任务，之后还可以有第二个"
many_jobs() {
  step "$CLIENTS clients send 2, 12, 22 and so on" "$CLIENTS 个客户端分别发送 2、12、22……"
  start
  many "$CLIENTS" '' ''
  all_send_jobs 2
  step "the same clients send 3, 13, 23 and so on" "这些客户端再发送 3、13、23……"
  all_send_jobs 3
  step "A sends a number in two pieces; B's number arrives between them" "A 的数分两段到达，中间到了 B 的数"
  connect A
  connect B
  send A 1
  settle
  send B "$SMALL\n"
  expect B "$SMALL: $SMALL_PRIMES\n"
  send A '0\n'
  expect A '10: 4\n'
  step "A gets \"busy\" while its job is not done; B does not" "A 的任务没完成时，再发数得到 busy；B 不受影响"
  send A "$ENDLESS\n$SMALL\n"
  expect A 'busy\n'
  send B "$SMALL\n"
  expect B "$SMALL: $SMALL_PRIMES\n"
}

# Each of the many sends a number and gets its primes.
all_send_jobs() { # FIRST
  local i n=1 divisor primes=0
  for ((i = 0; i < CLIENTS; i++)); do
    printf '%d\n' $((10 * i + $1)) >&"${MANY[i]}"
  done
  for ((i = 0; i < CLIENTS; i++)); do
    while ((n < 10 * i + $1)); do
      n=$((n + 1))
      for ((divisor = 2; divisor * divisor <= n && n % divisor; divisor++)); do :; done
      primes=$((primes + (divisor * divisor > n)))
    done
    one_of_many $((i + 1)) "$n\n" "$n: $primes\n"
  done
}

check 1 "The flags" jobs_take_turns \
  "a short job is not kept waiting by a long one" \
  "短任务不会一直等长任务"
jobs_take_turns() {
  step "A has a job that takes hours, and the server works on it" "A 发来一个要算几个小时的任务，服务器开始执行"
  start
  start_endless
  step "B and C send $SMALL and $LIMIT, and get their results" "B、C 分别发送 $SMALL 和 $LIMIT，各自得到结果"
  connect B
  connect C
  send B "$SMALL\n"
  send C "$LIMIT\n"
  expect B "$SMALL: $SMALL_PRIMES\n"
  expect C "$LIMIT: $PRIMES\n"
}

check 2 "One round of the loop" rests \
  "the program sleeps when there is no work" \
  "没有任务时休眠"
rests() {
  step "B gets a result; then the server is idle" "B 得到结果，之后服务器处于空闲"
  start
  connect B
  send B "$SMALL\n"
  expect B "$SMALL: $SMALL_PRIMES\n"
  expect_idle
  step "A has a job that takes hours, but leaves; then the server is idle" \
    "A 发来一个要算几个小时的任务，却离开了；之后服务器处于空闲"
  note_resources
  start_endless
  exec {A}>&-
  expect_descriptors_back
  expect_idle
  step "nothing wakes the server" "服务器不会醒来"
  expect_no_wakeups
  step "B gets a result again" "B 再次得到结果"
  send B "$SMALL\n"
  expect B "$SMALL: $SMALL_PRIMES\n"
}

check 2 "The flags" works_under_a_flood \
  "the work goes on even if other clients never stop sending" \
  "即使有客户端不停地发送，任务也照样进行"
works_under_a_flood() {
  local i fd
  step "three clients send newlines without end" "三个客户端不停地发送换行符"
  start
  for i in 1 2 3; do
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
    yes '' >&"$fd" &
  done
  step "A sends $LONG and gets its result" "A 发送 $LONG 并得到结果"
  connect A
  send A "$LONG\n"
  expect A "$LONG: $LONG_PRIMES\n"
}

check 1 "End the loop" ends_well \
  "SIGTERM ends the program in the middle of its work" \
  "任务执行中收到 SIGTERM 也能结束"
ends_well() {
  find_all_leaks
  watch_allocated
  step "10 clients with jobs that take hours reset their connections" "10 个客户端的任务要算几个小时，它们以 RST（重置）断开"
  start
  note_resources
  leave_with_jobs
  expect_descriptors_back
  step "10 more do the same: no memory is held for them" "又有 10 个这样断开：没有为它们占用内存"
  note_allocated
  leave_with_jobs
  expect_descriptors_back
  expect_allocated_back 10
  step "A has a job that takes hours, and the server works on it; B has none" "A 发来一个要算几个小时的任务，服务器开始执行；B 没有任务"
  connect B
  start_endless
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# (reset_many waits until the program rests, which it does not while it works.)
leave_with_jobs() {
  local i
  for i in {1..10}; do
    connect "r$i" linger=0
    send "r$i" "$SMALL\n"
    expect "r$i" "$SMALL: $SMALL_PRIMES\n"
    send "r$i" "$ENDLESS\n?"
    until_true has_whole_line "r$i" || true
  done
  for i in {1..10}; do
    reset "r$i"
    unset "CLIENT[r$i]"
  done
}

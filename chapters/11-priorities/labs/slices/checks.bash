# checks.bash -- questions go before slices, but not for ever; jobs take turns.

lab make 4 45
: "${LIMIT:=10000}" "${BEST:=6171}" "${SMALL:=3000}" "${SMALL_BEST:=2919}"
: "${CLIENTS:=20}" "${LONG:=100000}" "${LONG_BEST:=77031}" "${QUESTIONS:=1500}"

ENDLESS=999999999 # takes days
LABOURS=yes
IN_A_ROW=100 # answers: then a slice has its turn
SPARE=10     # the slice may come a few answers later
MOST_SLICES=$((QUESTIONS / 20)) # while they are answered: one in a row of 20

check 2 "One line a callback" does_jobs \
  "each client gets the result of its job" \
  "每个客户端得到自己任务的结果"
does_jobs() {
  step "A asks before there is a job" "还没有任务时 A 提问"
  start
  connect A
  send A 'ask\n'
  expect A '0 slices, 0 jobs\n'
  step "A sends $LIMIT and gets its result" "A 发送 $LIMIT 并得到结果"
  send A "work $LIMIT\n"
  expect A "$LIMIT: $BEST\n"
  send A 'ask\n'
  expect_answer A '[0-9]+ slices, 0 jobs'
  step "$CLIENTS clients send numbers at the same time, and later once more" "$CLIENTS 个客户端同时发送不同的数，之后再发一次"
  many "$CLIENTS" '' ''
  all_send_jobs 1
  all_send_jobs 2
  step "A asks $QUESTIONS times when there is no job" "没有任务时，A 提问 $QUESTIONS 次"
  ask_many A
  until_answered A
}

check 1 "The limit" answers_between_slices \
  "questions are answered while a job goes on, and jobs go on" \
  "任务进行期间能得到应答，任务也继续进行"
answers_between_slices() {
  local i before=0
  step "A has a job that takes days; B asks ten times, and there were more slices each time" \
    "A 的任务要算好几天；B 提问十次，每次片数都有增加"
  begin_endless
  for ((i = 0; i < 10; i++)); do
    await_slices "$before"
    before=$SLICES
  done
}

check 2 "The limit" jobs_take_turns \
  "a job that takes days does not keep others waiting" \
  "要算好几天的任务不会让别的任务一直等"
jobs_take_turns() {
  step "A has a job that takes days; B sends $SMALL, later C sends $LIMIT: both get their results" \
    "A 的任务要算好几天；B 发送 $SMALL，之后 C 发送 $LIMIT：都得到结果"
  begin_endless
  send B "work $SMALL\n"
  expect B "$SMALL: $SMALL_BEST\n"
  connect C
  send C "work $LIMIT\n"
  expect C "$LIMIT: $BEST\n"
  step "B sends $LONG; then C's job begins, which takes days as well; B gets its result" \
    "B 发送 $LONG；接着 C 开始一个同样要算好几天的任务；B 得到结果"
  send B "work $LONG\n"
  send C "work $ENDLESS\n"
  expect B "$LONG: $LONG_BEST\n"
}

check 2 "Which callback runs first" questions_go_first \
  "while questions wait, there is no slice for each of them" \
  "有问题在等时，不会每应答一次就做一片"
questions_go_first() {
  flood B
  step "between the first answer and the last, at most $MOST_SLICES slices were done" \
    "从第一个应答到最后一个应答，最多做了 $MOST_SLICES 片"
  ((SLICES_DONE <= MOST_SLICES)) || fail "too many slices were done while questions waited" "有问题在等，却做了太多片"
}

check 2 "Strict means starvation" goes_on_in_a_flood \
  "after $IN_A_ROW answers a slice is done, even if more questions wait" \
  "应答 $IN_A_ROW 次之后做一片，即使还有问题在等"
goes_on_in_a_flood() {
  flood B
  step "B never got more than $IN_A_ROW answers without a slice between them" "B 从未连续收到超过 $IN_A_ROW 个应答而其间一片也没做"
  ((LONGEST_ROW <= IN_A_ROW + SPARE)) || fail "too many answers came without a slice between them" "连续应答太多次，其间一片也没做"
  step "with three clients it is the same" "三个客户端一起提问也一样"
  signal KILL
  until_true has_ended "$RUN" || true
  await_status
  flood B C D
  ((SLICES_DONE >= 3 * QUESTIONS / (IN_A_ROW + SPARE) - 2)) ||
    fail "too many answers came without a slice between them" "连续应答太多次，其间一片也没做"
  ((SLICES_DONE <= 3 * MOST_SLICES)) || fail "too many slices were done while questions waited" "有问题在等，却做了太多片"
}

check 1 "The server: a base with three priorities" ends_well \
  "the program sleeps without jobs, a client takes its job with it, and SIGTERM does not wait" \
  "没有任务时程序休眠；客户端离开，任务随之结束；SIGTERM 不必等待"
ends_well() {
  find_all_leaks
  watch_allocated
  step "clients leave or reset their connections while they have jobs; then the program is idle" \
    "客户端带着任务离开，或者重置连接；之后程序处于空闲"
  start
  connect B
  note_resources
  leave_with_jobs
  expect_descriptors_back
  expect_idle
  step "more clients do the same: no memory is held for them, and nothing wakes the program" \
    "又有客户端这样离开：没有为它们占用内存，也没有什么唤醒程序"
  note_allocated
  leave_with_jobs
  expect_descriptors_back
  expect_allocated_back 10
  expect_no_wakeups
  step "A has a job that takes days, B has asked $QUESTIONS times: SIGTERM ends the program with status 0, without answering all; nothing leaks" \
    "A 的任务要算好几天，B 提问了 $QUESTIONS 次：SIGTERM 使程序以退出码 0 结束，没有先应答完，也没有泄漏"
  connect A
  send A "work $ENDLESS\n"
  await_slices 0
  hold
  ask_many B
  settle
  signal TERM
  signal CONT
  expect_exit 0
  until_true is_closed B || true
  (($(wc -l <"$WORK/B.out") < QUESTIONS / 2)) ||
    fail "the program answered questions before it ended" "程序先应答了问题才结束"
}

# A has a job that takes days, and B is connected.
begin_endless() {
  start
  connect A
  connect B
  send A "work $ENDLESS\n"
}

# Ask as B: whether more slices than these were done. Sets SLICES.
has_more_slices() { # COUNT
  send B 'ask\n'
  expect_answer B '[0-9]+ slices, [0-9]+ jobs'
  SLICES=${LINE%% *}
  ((SLICES > $1))
}

await_slices() { # COUNT: more than that
  until_true has_more_slices "$1" || fail "the job does not go on" "任务没有继续进行"
}

# The clients, one of which is B, ask while the program is stopped and A has a job, so
# that all questions are there when it goes on. What is counted does not depend on how
# busy the machine is. Sets SLICES_DONE to the slices from the first answer to the last,
# and LONGEST_ROW to the answers of a client that no slice was between.
flood() { # CLIENT...
  local client names=$1 names_zh=$1
  (($# == 1)) || names="each of $*" names_zh="$* 各"
  step "A has a job that takes days; while the program is stopped, $QUESTIONS questions come from $names" \
    "A 的任务要算好几天；程序停住期间，$names_zh发来 $QUESTIONS 个问题"
  begin_endless
  for client in "$@"; do
    [[ $client == B ]] || connect "$client"
    send "$client" 'ask\n'
    expect_answer "$client" '[0-9]+ slices, [0-9]+ jobs'
  done
  await_slices 0
  hold
  for client in "$@"; do ask_many "$client"; done
  settle
  signal CONT
  step "all questions are answered" "所有问题都得到应答"
  for client in "$@"; do until_answered "$client"; done
  for client in "$@"; do answers_of "$client"; done >"$WORK/answers"
  SLICES_DONE=$(sort -n "$WORK/answers" | awk 'NR == 1 { first = $1 } END { print $1 - first }')
  LONGEST_ROW=$(answers_of "$1" | uniq -c | sort -n | awk 'END { print $1 }')
}

# The numbers of slices in the answers to ask_many.
answers_of() { # CLIENT
  tail -c +$((AT[$1] + 1)) "$WORK/$1.out" | sed 's/ .*//'
}

# Send all questions in one go.
ask_many() { # CLIENT
  awk -v count="$QUESTIONS" 'BEGIN { while (count--) print "ask" }' >"$WORK/questions"
  send_all "$1" "$WORK/questions"
}

# Wait for all answers to them. As long as answers come, the time limit starts again.
until_answered() { # CLIENT
  local lines=0
  while ((lines < QUESTIONS)); do
    until_true has_answers "$1" $((lines + 1)) || fail "questions are not answered" "有问题没有得到应答"
    lines=$(answers_of "$1" | wc -l)
  done
}

has_answers() { # CLIENT COUNT
  (($(answers_of "$1" | wc -l) >= $2))
}

# 10 clients with jobs: half of them reset their connections.
leave_with_jobs() {
  local i
  for i in {1..10}; do
    if ((i % 2)); then connect "r$i" linger=0; else connect "r$i"; fi
    send "r$i" "work $ENDLESS\nask\n"
    expect_answer "r$i" '[0-9]+ slices, [0-9]+ jobs'
  done
  await_slices 0
  for i in {1..10}; do
    close "r$i"
    unset "CLIENT[r$i]"
  done
}

# Each of the many sends a number and gets the number up to it that takes the most steps.
all_send_jobs() { # FIRST
  local i n=0 number steps best=0 most=-1
  for ((i = 0; i < CLIENTS; i++)); do
    printf 'work %d\n' $((3 * i + $1)) >&"${MANY[i]}"
  done
  for ((i = 0; i < CLIENTS; i++)); do
    while ((n < 3 * i + $1)); do
      n=$((n + 1)) steps=0
      for ((number = n; number > 1; steps++)); do
        number=$((number % 2 ? 3 * number + 1 : number / 2))
      done
      ((steps <= most)) || best=$n most=$steps
    done
    one_of_many $((i + 1)) "work $n\n" "$n: $best\n"
  done
}

# checks.bash -- commands are answered between two pages, however many reports are made.

lab mend 3 35
: "${SIZE:=30}" "${CLIENTS:=60}" "${ENDLESS:=900000}" "${COMMANDS:=5000}"

LABOURS=yes
LONGEST=3 # pages that may be made before an answer: the one under way, and a spare one

check 1 "Which callback runs first" makes_reports \
  "a report is made, and each command gets its answer" \
  "报表能做完，每条命令都有应答"
makes_reports() {
  step "A asks for $SIZE pages: they are made, and A is told" "A 要 $SIZE 页：做完之后通知 A"
  start
  connect A
  send A "report $SIZE\n"
  expect A "started\ndone, $SIZE pages\n"
  count_pages
  ((PAGES == SIZE)) || fail "the program did not print a line for each page" "没有为每一页输出一行"
  step "A asks how many pages were made" "A 询问做了多少页"
  send A 'status\n'
  expect A "$SIZE pages\n"
  step "there is nothing to cancel, and two commands at once get two answers" "没有可取消的报表；同时发出的两条命令各有应答"
  send A 'cancel\nstatus\n'
  expect A "no report\n$SIZE pages\n"
}

check 2 "The numbers" status_comes_soon \
  "while a report is made, \"status\" is answered after a page or two" \
  "做报表期间，过一两页就应答 status"
status_comes_soon() {
  begin_one
  step "B asks for the status five times: at most $LONGEST pages are made before each answer" \
    "B 五次询问状态：每次应答之前最多再做 $LONGEST 页"
  ask_five_times B
}

check 2 "The numbers" cancel_comes_soon \
  "\"cancel\" ends the client's own report after a page or two, and no other" \
  "cancel 过一两页就结束自己的报表，不影响别的报表"
cancel_comes_soon() {
  begin_one
  step "B's report is begun as well" "B 的报表也开始做"
  send B "report $ENDLESS\n"
  expect B 'started\n'
  await_page 2 3
  step "A cancels: at most $LONGEST more pages are made for A" "A 取消：最多再为 A 做 $LONGEST 页"
  ask A cancel 'canceled, [0-9]+ pages' 1
  step "B's report goes on, A's does not" "B 的报表继续做，A 的不再做"
  count_pages 2
  await_page 2 $((PAGES + 20))
  count_pages 1
  ((PAGES == ANSWERED)) || fail "the number of pages in the answer is not the number of pages made" "应答中的页数与做过的页数不符"
  step "once B has canceled too, the program is idle" "B 也取消之后，程序处于空闲"
  send B 'cancel\n'
  expect_answer B 'canceled, [0-9]+ pages'
  expect_idle
}

check 3 "The limit" answers_among_many \
  "with $CLIENTS reports under way, no more pages are made before an answer" \
  "同时做 $CLIENTS 份报表时，应答之前做的页也不更多"
answers_among_many() {
  local i
  step "$CLIENTS clients have a report each; all of them get on" "$CLIENTS 个客户端各有一份报表，每份都在进展"
  start
  connect B
  many "$CLIENTS" "report $ENDLESS\n" 'started\n'
  for ((i = 2; i <= CLIENTS + 1; i++)); do
    await_page "$i" 3
  done
  step "B asks for the status five times: at most $LONGEST pages are made before each answer" \
    "B 五次询问状态：每次应答之前最多再做 $LONGEST 页"
  ask_five_times B
}

check 1 "Strict means starvation" ends_before_commands \
  "SIGTERM does not wait for commands" \
  "SIGTERM 不必等命令应答完"
ends_before_commands() {
  begin_one
  step "the program is stopped: B sends $COMMANDS commands, then comes SIGTERM" "程序停住：B 发出 $COMMANDS 条命令，然后 SIGTERM 到来"
  hold
  awk -v count="$COMMANDS" 'BEGIN { while (count--) print "status" }' >"$WORK/commands"
  send_all B "$WORK/commands"
  settle
  signal TERM
  step "it goes on, and ends with status 0 without answering them all" "程序继续：以退出码 0 结束，没有先应答完这些命令"
  signal CONT
  expect_exit 0
  until_true is_closed B || true
  (($(wc -l <"$WORK/B.out") < COMMANDS / 10)) ||
    fail "the program answered commands before it ended" "程序先应答了命令才结束"
}

check 1 "One line a callback" ends_well \
  "a client that leaves takes its report with it; the program ends at SIGTERM and frees all" \
  "客户端离开时报表一并结束；收到 SIGTERM 时释放全部资源后退出"
ends_well() {
  local i
  find_all_leaks
  watch_allocated
  step "clients with reports under way leave or reset their connections; then the program is idle" \
    "客户端的报表还没做完就离开，或者重置连接；之后程序处于空闲"
  start
  note_resources
  leave_with_reports
  expect_descriptors_back
  expect_idle
  step "more clients do the same: no memory is held for them" "又有客户端这样离开：没有为它们占用内存"
  note_allocated
  leave_with_reports
  expect_descriptors_back
  expect_allocated_back 10
  step "nothing wakes the program" "没有什么唤醒程序"
  expect_no_wakeups
  step "A has a report under way; SIGTERM ends the program with status 0; nothing leaks" \
    "A 的报表正在做；SIGTERM 使程序以退出码 0 结束，没有泄漏"
  connect A
  send A "report $ENDLESS\n"
  expect A 'started\n'
  stop_cleanly
}

# A has a report that takes minutes, and B is connected.
begin_one() {
  step "A has a report under way" "A 的报表开始做"
  start
  connect A
  connect B
  # B's connection is known to be accepted when it has an answer.
  send B 'status\n'
  expect B '0 pages\n'
  send A "report $ENDLESS\n"
  expect A 'started\n'
  await_page 1 3
}

# Wait for a page of the client that came as number NUMBER.
await_page() { # NUMBER PAGE
  until_true has_line "^client $1: page $2\$" || fail "a report does not go on" "有一份报表没有继续做"
}

# Set PAGES to the number of pages that were made, for one client or for all.
count_pages() { # [NUMBER]
  PAGES=$(grep -c "^client ${1:-[0-9]*}: page [0-9]*\$" "$WORK/stdout") || true
}

# Send a command while the program is stopped. When it goes on, few pages are made before
# the answer: they are counted, so it does not matter how busy the machine is. Sets
# ANSWERED to the number in the answer.
ask() { # CLIENT COMMAND REGEX [NUMBER]
  hold
  send "$1" "$2\n"
  settle
  count_pages "${4-}"
  signal CONT
  expect_answer "$1" "$3"
  ANSWERED=${LINE//[^0-9]/}
  ((ANSWERED - PAGES <= LONGEST)) || fail "too many pages were made before the answer" "应答之前做了太多页"
}

# A loop that looks too seldom may by chance be just about to look, but not each time.
ask_five_times() { # CLIENT
  for _ in 1 2 3 4 5; do
    ask "$1" status '[0-9]+ pages'
  done
}

# 10 clients with reports: half of them reset their connections.
leave_with_reports() {
  local i
  for i in {1..10}; do
    if ((i % 2)); then connect "r$i" linger=0; else connect "r$i"; fi
    send "r$i" "report $ENDLESS\n"
    expect "r$i" 'started\n'
  done
  for i in {1..10}; do
    close "r$i"
    unset "CLIENT[r$i]"
  done
}

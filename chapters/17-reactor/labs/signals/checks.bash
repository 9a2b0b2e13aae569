# checks.bash -- signals that come at bad times to a loop around epoll_wait.

lab make 4 40
# shellcheck disable=SC2034 # "work" keeps the processor busy
LABOURS=yes
declare -gA NUMBER=([HUP]=1 [USR1]=10 [USR2]=12 [TERM]=15)
: "${TIMES:=400}" "${SAYS:=hello}" "${ROUNDS:=3}"

check 2 "Stage 4: signals" counts_each \
  "each signal is counted, and the program goes on" \
  "每个信号都计数，程序继续运行"
counts_each() {
  local i
  step "USR1, USR2 and HUP come one after the other, in $ROUNDS rounds; stat tells how many came" \
    "USR1、USR2、HUP 先后到来，共 $ROUNDS 遍；stat 报告各来了多少次"
  begin true
  for ((i = 1; i <= ROUNDS; i++)); do
    deliver USR1
    deliver USR1
    deliver USR2
    deliver HUP
    expect_counts "USR1 $((2 * i)) USR2 $i HUP $i"
  done
  step "the command has run, and left no zombie" "命令运行过，没有留下僵尸进程"
  expect_line '^command: exit status 0$'
  until_true has_children 0 || fail "a child has not been waited for" "有子进程没有被 wait"
}

check 1 "Stage 4: signals" comes_together \
  "signals that come at the same time are all counted" \
  "同时到来的信号都计数"
comes_together() {
  step "the program is stopped; USR1 (three times), USR2 and HUP come; it goes on" \
    "程序暂停；USR1（三次）、USR2、HUP 到来；程序恢复"
  begin "echo $SAYS"
  has_handler 9 || fail "SIGUSR1 has no handler" "SIGUSR1 没有处理函数"
  hold
  signal USR1
  signal USR2
  signal USR1
  signal HUP
  signal USR1
  signal CONT
  # The kernel keeps one of each kind while they wait.
  expect_counts 'USR1 [1-3] USR2 1 HUP 1'
  expect_line "^$SAYS\$"
  step "stopped once more, USR1 and USR2 come together with TERM: they count" \
    "再次暂停，USR1、USR2 和 TERM 一起到来：前两个也计数"
  expect_line '^command: exit status 0$'
  hold
  signal TERM
  signal USR1
  signal USR2
  signal CONT
  expect_exit 0
  expect_line '^ended: USR1 [2-4] USR2 2 HUP 1$'
}

check 2 "What goes wrong" loses_none \
  "while a callback works, $TIMES signals come: none is lost, and no handler waits" \
  "回调忙碌时来了 $TIMES 个信号：一个不丢，处理函数也不等待"
loses_none() {
  local i
  step "the program works; USR1 comes $TIMES times, each time when the one before was delivered, then USR2" \
    "程序正忙；USR1 来 $TIMES 次，每次都等前一个送达，最后是 USR2"
  begin true
  start_work 1
  for ((i = 0; i < TIMES; i++)); do
    deliver USR1
  done
  deliver USR2
  step "when the work ends, errno is what it was" "工作结束时，errno 没有变"
  end_work 1
  step "all were counted" "全部计数"
  expect_counts "USR1 $TIMES USR2 1 HUP 0"
  step "the same once more, and TERM at the end: the program ends" "再来一遍，最后是 TERM：程序结束"
  start_work 2
  for ((i = 0; i < TIMES; i++)); do
    deliver USR2
  done
  deliver TERM
  end_work 2
  expect_exit 0
  expect_line "^ended: USR1 $TIMES USR2 $((TIMES + 1)) HUP 0\$"
}

check 2 "Stage 4: signals" runs_in_the_loop \
  "what a signal leads to happens in the loop, not in the handler" \
  "信号引起的动作在循环里执行，不在处理函数里"
runs_in_the_loop() {
  step "the program works; HUP, USR1 and USR2 come, and nothing happens yet" \
    "程序正忙；HUP、USR1、USR2 到来，暂时什么也不发生"
  begin "echo $SAYS"
  start_work 1
  deliver HUP
  deliver USR1
  deliver USR2
  expect_quiet
  step "when the work has ended, the command runs" "工作结束后，命令才运行"
  end_work 1
  expect_line '^command: exit status 0$'
  # The answer to stat came in between.
  expect_in_order ready working worked "$SAYS" 'command: exit status 0'
  step "TERM does not interrupt the work either" "TERM 也不打断工作"
  start_work 2
  deliver TERM
  expect_quiet
  end_work 2
  expect_exit 0
  expect_in_order ready working worked "$SAYS" 'command: exit status 0' working worked \
    'ended: USR1 1 USR2 1 HUP 1'
}

check 1 "Stage 4: signals" command_is_clean \
  "the command inherits neither blocked signals nor descriptors" \
  "命令不继承被阻塞的信号，也不继承描述符"
command_is_clean() {
  step "the command finds no signal blocked" "命令运行时，没有信号被阻塞"
  # shellcheck disable=SC2016 # for the shell in the program
  begin 'while read -r name value; do
    case $name in SigBlk:) echo "blocked: $value" ;; SigIgn:) echo "ignored: $value" ;; esac
  done </proc/self/status
  for fd in 3 4 5 6 7 8 9 10 11 12; do
    [ ! -e /proc/self/fd/$fd ] || echo "descriptor $fd is open"
  done'
  deliver HUP
  expect_line '^command: exit status 0$'
  expect_line '^blocked: 0+$'
  step "and none of HUP, USR1, USR2, TERM and CHLD ignored" "HUP、USR1、USR2、TERM、CHLD 也都没有被忽略"
  find_ignored
  # HUP is bit 0, USR1 9, USR2 11, TERM 14, CHLD 16.
  ((!(IGNORED & 0x14a01))) || fail "the command ignores one of them" "命令忽略了其中的信号"
  step "no descriptor of the program is open in the command" "程序的描述符在命令里都没有打开"
  ! grep '^descriptor' "$WORK/stdout" >"$WORK/open" || {
    detail came "$(head -n 1 "$WORK/open")"
    fail
  }
}

check 1 "Stage 4: signals" child_has_no_handlers \
  "before the child has become the command, signals to it are its own" \
  "子进程变成命令之前，发给它的信号只影响它自己"
child_has_no_handlers() {
  local name number i=0
  begin cat slow
  for name in USR2 TERM; do
    number=${NUMBER[$name]}
    step "HUP; the child waits for its file, gets $name, and ends by it" "HUP；子进程还在等文件，收到 $name，因此结束"
    i=$((i + 1))
    deliver HUP
    until_true child_sleeps || fail "there is no child" "没有子进程"
    kill -s "$name" "${CHILDREN[0]}"
    expect_line "^command: signal $number\$"
    step "the program has not got it" "程序自己没有收到它"
    expect_counts "USR1 0 USR2 0 HUP $i"
  done
}

check 1 "Exercises" ends_well \
  "the program sleeps while nothing happens, and ends when its command has ended" \
  "没有事时程序休眠；结束前等命令结束"
ends_well() {
  local slow
  find_all_leaks
  step "nothing wakes the idle program; INT ends it with status 0" "没有事时，没有什么唤醒程序；INT 使程序以退出码 0 结束"
  begin true
  deliver USR1
  settle
  expect_no_wakeups
  signal INT
  expect_exit 0
  expect_line '^ended: USR1 1 USR2 0 HUP 0$'
  step "the command runs when TERM comes: the program waits for it" "命令还在运行时 TERM 到来：程序等它结束"
  begin cat slow
  deliver HUP
  until_true child_sleeps || fail "there is no child" "没有子进程"
  deliver TERM
  expect_alive
  step "then the command ends, and so does the program" "命令结束，程序随之结束"
  exec {slow}>"$FOLDER/slow"
  printf '%s\n' "$SAYS" >&"$slow"
  exec {slow}>&-
  expect_exit 0
  expect_in_order ready "$SAYS" 'command: exit status 0' 'ended: USR1 0 USR2 0 HUP 1'
}

# Start the program. Its file is "input", or the name of a pipe that is made.
begin() { # COMMAND [PIPE]
  rm -f "$FOLDER/input" "$FOLDER/slow"
  : >"$FOLDER/input"
  chmod 644 "$FOLDER/input"
  [[ ${2-} != slow ]] || mkfifo -m 644 "$FOLDER/slow"
  HANDLED=' '
  launch "${2:-input}" "$1"
  expect_line '^ready$'
}

# Send a signal, and return once its handler has begun, so that the next of its kind does
# not merge with it. It is called hundreds of times, so it starts no process.
deliver() { # NAME
  local bit=$((NUMBER[$1] - 1))
  [[ $HANDLED == *" $1 "* ]] || has_handler "$bit" || fail "SIG$1 has no handler" "SIG$1 没有处理函数"
  HANDLED+=" $1 "
  kill -s "$1" "$PID" 2>/dev/null || fail
  was_delivered "$bit" || until_true was_delivered "$bit" ||
    fail "SIG$1 is not delivered: an earlier handler has not returned, or the signal is blocked" \
      "SIG$1 没有送达：之前的处理函数没有返回，或者信号被阻塞"
}

has_handler() { # BIT
  find_sets
  [[ ! $CAUGHT ]] || ((CAUGHT >> $1 & 1))
}

# One that has ended has got it, too.
was_delivered() { # BIT
  find_sets
  [[ ! $CAUGHT ]] || ((!(PENDING >> $1 & 1)))
}

# Set CAUGHT and PENDING to the program's signals that have a handler, and to those that
# it has not got yet, a bit each; if it has ended, to nothing. See proc(5), status.
find_sets() {
  local line lines
  CAUGHT='' PENDING=0
  mapfile -t lines 2>/dev/null <"/proc/$PID/status" || return 0
  for line in "${lines[@]}"; do
    case $line in
      State:*[ZX]*\(*) return 0 ;;
      SigPnd:* | ShdPnd:*) PENDING=$((PENDING | 0x${line##*$'\t'})) ;;
      SigCgt:*) CAUGHT=$((0x${line##*$'\t'})) ;;
    esac
  done
}

start_work() { # N: it is the Nth time
  type_in 'work\n'
  expect_line '^working$' "$1"
  PRINTED=$(stat -c %s "$WORK/stdout")
}

# Any line ends the work.
end_work() { # N
  type_in 'stat\n'
  expect_line '^worked' "$1"
  expect_line '^worked$' "$1"
}

# Ask until the answer is this.
expect_counts() { # REGEX
  until_true counts_are "$1" || {
    expected_line "^$1\$"
    detail came "$(grep '^USR1' "$WORK/stdout" | tail -n 1)"
    fail
  }
}

counts_are() { # REGEX
  local lines
  has_ended "$RUN" || type_in 'stat\n'
  nap 0.02
  mapfile -t lines < <(grep '^USR1' "$WORK/stdout")
  ((${#lines[@]} > 0)) && [[ ${lines[-1]} =~ ^$1$ ]]
}

find_children() {
  CHILDREN=()
  { read -r -a CHILDREN <"/proc/$PID/task/$PID/children"; } 2>/dev/null || true
}

has_children() { # COUNT
  find_children
  ((${#CHILDREN[@]} == $1))
}

# It waits for somebody to write to its file.
child_sleeps() {
  has_children 1 && is_asleep "${CHILDREN[0]}"
}

# From start_work on, and for a while, there is no child, and nothing is printed.
expect_quiet() {
  local i
  for ((i = 0; i < 15; i++)); do
    nap 0.02
    has_children 0 || fail "a child was started while the callback worked" "回调还在忙，就启动了子进程"
    [[ $PRINTED == "$(stat -c %s "$WORK/stdout")" ]] || {
      detail came "$(tail -n 1 "$WORK/stdout")"
      fail "something was printed while the callback worked" "回调还在忙，就打印了内容"
    }
    is_running "$PID" || fail
  done
}

# When there is nothing more to do for it, the program is still there.
expect_alive() {
  until_true ends_or_rests || fail
  is_running "$PID" || fail "the program has ended before its command" "命令还没结束，程序就结束了"
}

ends_or_rests() {
  has_ended "$PID" || stays_asleep "$PID"
}

# All that was printed, but for answers to stat.
expect_in_order() { # LINE...
  printf '%s\n' "$@" >"$WORK/expected"
  grep -v '^USR1' "$WORK/stdout" >"$WORK/came"
  same_bytes "$WORK/expected" "$WORK/came" || fail
}

find_ignored() {
  IGNORED=$((0x$(sed -n 's/^ignored: *//p' "$WORK/stdout" | head -n 1)))
}

# steps.bash -- the words that the checks of a lab are written in.
#
# A check is a function. It consists of steps, a sentence each in English and in
# Chinese, and of actions between them: start the program, connect, send, expect. An
# action that fails ends the check; the report shows what was sent, expected, received.
#
#   check 4 "What goes wrong" neighbour_goes_on \
#     "the second client gets answers after the first has left" "第一个客户端离开后，第二个仍能得到应答"
#   neighbour_goes_on() {
#     step "the server listens" "服务器开始监听"
#     start
#     step "A gets its line back" "A 收回自己的一行"
#     connect A && send A 'hello\n' && expect A 'hello\n'
#   }
#
# The file begins with the kind of lab: lab mend 1 20. It is loaded by
# scripts/labs/check, which sets PROGRAM (the binary), WORK (a folder of its own),
# RESULTS (where records go) and PATIENCE (a factor on every time limit). A text is
# given with printf's escapes: '\n', '\0', '\x80'.
#
# Besides the words for one client after another (connect, send, expect, close) there
# are words for faults that show late, or only with many clients:
#
#   environment NAME=VALUE...    variables of the program; before it starts
#   fast_clock 60                the program's clock runs 60 times as fast; before it starts
#   find_all_leaks               reports memory that a variable still points to, too; before it starts
#   short_writes                 the kernel accepts little at a time; before it starts
#   other_libevent 2.9.1 'x y'   as if the program ran with this version and these back ends
#   watch_order                  before the program starts; checks that no event outlives
#   expect_order                   its descriptor, when clients have left
#   watch_allocated              before the program starts; counts the memory that it holds
#   note_allocated                 when some clients have come and left,
#   expect_allocated_back 10       and when 10 more have: no memory is held for these
#   expect_allocated_within 900    or at most this many kB, while others are connected
#   many 60 'hello %d\n' '%d?\n' 60 clients at once, each with its own text and its own
#   many_again TEXT ANSWER         answer; %d is the client's number
#   many_leave [reset]           all of them close, or reset their connections
#   reset_many 8 [TEXT]          8 clients connect, send TEXT, and reset their connections
#   expect_backlog 60            60 connections can be made while the program is stopped
#   listen_full S                a PORT where a connection is neither made nor refused
#   watch_blocking               the program does not block outside its event loop, from
#   expect_not_blocked             the first word to the second
#   expect_no_wakeups [MS]       nothing wakes the idle program: it does not poll
#
#   build_with_library timers    a lab that asks for a library: its program programs/timers.c
#                                  with the student's file; what that lacks fails the check
#   run_both [ARG...]              runs it with the student's file and on libevent;
#   expect_same_part order         what it prints below the line "order:" is the same; with
#                                  TRIES=4, in one run of four
#   ignore_leaks                 leaks are another check's affair; before the program starts
#
# A leak on the error path: find_all_leaks; start; reset_many 8 'hello\n';
# expect_descriptors_back (after note_resources); stop_cleanly.
#
# Functions that are called again and again start no process: that would take most of
# a lab's time.
#
# shellcheck disable=SC2034,SC1111 # variables of the checks; Chinese quotation marks

# shellcheck source=scripts/lib/process.bash
source "${BASH_SOURCE[0]%/*}/../lib/process.bash"

LIMIT_MS=2000 # how long a thing may take on a quick machine
STILL_MS=500  # how long the program may sleep before it acts; more if it has timers
QUIET_MS=300  # how long a silence is waited for
LABOURS=''    # not empty: the program may work for long; "busy all the time" is not reported
CHECK_S=60    # how long a whole check may take
BLOCKED_MS=50 # how long it may sleep in anything but its event loop
END_MS=100    # how long a program that has failed may take to end by itself
MAX_OUTPUT=1048576 MAX_PROCESSES=24 MAX_MEMORY_MB=400 MAX_DESCRIPTORS=256

LEVEL=1 KIND_OF_LAB=mend MINUTES=20
CHECKS=()                                # functions, in the order of the file
declare -A CHECK=()                      # by function: "POINTS<tab>SECTION<tab>EN<tab>ZH"
declare -A SENT=() AT=() CLIENT=() TO=() # by client: texts, bytes read, pid, descriptor
declare -A HEARD=()                      # by client: an answer was expected since it sent
declare -A SENT_BYTES=()                 # by client: the size of a file, sent last

lab() { # mend|make LEVEL MINUTES; LEVEL is 1 (easy) to 5
  KIND_OF_LAB=$1 LEVEL=$2 MINUTES=$3
}

check() { # POINTS SECTION FUNCTION EN ZH; SECTION is a heading of the chapter's README.md
  CHECKS+=("$3")
  CHECK[$3]=$1$'\t'$2$'\t'$4$'\t'$5
}

points_of_all() {
  local function points sum=0
  for function in "${CHECKS[@]}"; do
    points=${CHECK[$function]%%$'\t'*}
    sum=$((sum + points))
  done
  echo "$sum"
}

# --- what is recorded ---

record() { # FIELD...
  local IFS=$'\t'
  printf '%s\n' "$*" >>"$RESULTS"
}

# Begin a step: all that is done until the next one belongs to it.
step() { # EN ZH
  end_step
  STEP=$1$'\t'$2
}

end_step() {
  [[ -z ${STEP-} ]] || record pass "$STEP"
  STEP=
}

# End the check: the step failed, for this reason. Without a reason the details
# that were recorded before speak for themselves.
fail() { # [EN ZH]
  local details
  details=$(cat "$WORK/details" 2>/dev/null) || details=
  record fail "${STEP:-$'it starts\t程序能启动'}"
  [[ -z $details ]] || printf '%s\n' "$details" >>"$RESULTS"
  [[ -z ${1-} ]] || record why "$1" "$2"
  tell_the_end
  [[ ${1-} == *busy* ]] || tell_busy
  : >"$WORK/told"
  exit 1
}

detail() { # sent|expected|came TEXT [ZH]; without ZH the text is data, no words
  printf '%s\t%s\t%s\n' "$1" "$2" "${3-$2}" >>"$WORK/details"
}

# If the program has ended, record why: mostly this is the cause.
tell_the_end() {
  local status end
  # One that is about to die may not be dead yet.
  now_ms
  end=$((MS + END_MS * PATIENCE / 10))
  until [[ ! ${RUN-} || ${WAITED-} ]] || has_ended "$RUN" || ((MS >= end)); do
    nap 0.01
    now_ms
  done
  if [[ -s $WORK/stopped ]]; then
    record why "$(cut -f 1 "$WORK/stopped")" "$(cut -f 2 "$WORK/stopped")"
  elif [[ ${RUN-} && ! ${WAITED-} ]] && ! is_running "$RUN"; then
    await_status
    tell_status "$STATUS"
  fi
  tell_sanitizer
}

# A program that is still busy at the limit mostly has an endless loop.
tell_busy() {
  local i
  [[ ! $LABOURS && ${RUN-} && ! ${WAITED-} && $PID && ! -s $WORK/stopped ]] || return 0
  for ((i = 0; i < 10; i++)); do
    wants_processor || return 0
    nap 0.03
  done
  record why "the program is busy all the time: is there a loop that does not end?" "程序一直占用处理器：是不是有循环没有结束？"
}

tell_status() { # STATUS
  case $1 in
    153) record why "the program wrote more than $((MAX_OUTPUT >> 20)) MB of output and was stopped" "程序的输出超过 $((MAX_OUTPUT >> 20)) MB，已被终止" ;;
    152) record why "the program used too much processor time and was stopped" "程序占用处理器时间过多，已被终止" ;;
    99) record why "the program was ended by the sanitizer" "程序被 sanitizer 终止" ;;
    12[89] | 1[3-9]?) record why "the program was ended by SIG$(kill -l $(($1 - 128)))" "程序被信号 SIG$(kill -l $(($1 - 128))) 终止" ;;
    *) record why "the program had ended, with exit status $1" "程序已经结束，退出码为 $1" ;;
  esac
  [[ ! -s $WORK/stderr || $1 == 99 ]] || grep -v '^==\|^lab: ' "$WORK/stderr" | tail -n 2 |
    mask_port | cut -c 1-160 | while read -r line; do record shown "$line"; done
}

# The useful part of a sanitizer's report: the kind of error, the place in the
# student's file, and where the memory was freed.
tell_sanitizer() {
  local summary
  summary=$(sed -nE 's/^.*runtime error: (.*)/\1/p; s/^==[0-9]+==ERROR: (AddressSanitizer: (attempting )?[a-zA-Z-]+).*/\1/p; s/^==[0-9]+==(AddressSanitizer: hard rss limit).*/\1/p; s/^==[0-9]+==ERROR: (LeakSanitizer).*/\1: memory is never freed/p' "$WORK/stderr" 2>/dev/null | head -n 1)
  [[ $summary ]] || return 0
  record report "$summary" "${summary/: memory is never freed/：有内存一直没有释放}"
  # If the base was not freed, much else is reported with it: show only the base.
  record_place source 'ERROR: LeakSanitizer' ' in event_base_new' || record_place source . . || return 0
  record_place freed '^freed by' . || return 0
}

# Record the first place in the student's file that the report names after a line that
# matches the first expression, followed by a line that matches the second.
record_place() { # FIELD REGEX REGEX
  local place
  place=$(awk -v name="$NAME.c:[0-9]+" -v first="$2" -v second="$3" '
    $0 ~ first { found = 1 }
    found && $0 ~ second { near = 1 }
    near && match($0, name) { print substr($0, RSTART, RLENGTH); exit }' "$WORK/stderr")
  [[ $place ]] || return 1
  record "$1" "$place" "$(sed -n "${place##*:}{s/^[[:space:]]*//;p}" "$SOURCE" | tr '\t' ' ')"
}

# --- waiting ---

# Sleep without a process: no data ever arrives in this pipe.
nap() { # SECONDS
  read -r -t "$1" -u "$NEVER" || true
}

# Poll until the command succeeds. Return 1 at the limit, or as soon as the program was
# stopped for exceeding its limits, or when it is idle, because then nothing more will
# happen. A long wait polls less often.
until_true() { # COMMAND...
  local end pause=2 seen='' since delay ours delays
  now_ms
  end=$((MS + LIMIT_MS * PATIENCE / 10)) since=$MS
  note_delays
  delays=("${DELAYS[@]}")
  until "$@"; do
    now_ms
    [[ ! -s $WORK/stopped ]] || return 1
    if ((MS >= end)); then
      # The time in which a busy machine let the program or us wait does not count;
      # we may both have waited at the same time, so it is the longer of the two.
      note_delays
      ours=$((DELAYS[1] - delays[1])) delay=$((DELAYS[0] - delays[0]))
      end=$((end + (delay > ours ? delay : ours))) delays=("${DELAYS[@]}")
      ((MS < end)) || return 1
    fi
    if ((pause >= 20)); then
      note_activity
      if [[ ! $PID || $ACTIVITY != "$seen" ]] || is_something_running; then
        seen=$ACTIVITY since=$MS
      elif ((MS - since >= STILL_MS * PATIENCE / 10)); then
        "$@" # it may have become true in the meantime
        return
      fi
    fi
    nap "0.0$((pause / 10))$((pause % 10))"
    ((pause >= 50)) || pause=$((pause + 2))
  done
}

# Set DELAYS to the milliseconds in which the program, and this script, were ready to run,
# but other processes had the processor: see proc(5), schedstat.
note_delays() {
  local pid delay
  DELAYS=()
  for pid in "${PID:-${RUN:-none}}" "$BASHPID"; do
    { read -r _ delay _ <"/proc/$pid/schedstat"; } 2>/dev/null || delay=0
    DELAYS+=($((delay / 1000000)))
  done
}

# --- the program ---

# Start the program and go on at once. Its descriptor 0 is a pipe: type_in writes
# into it, end_input closes it.
launch() { # [ARG...]
  : >"$WORK/stdout"
  : >"$WORK/stderr"
  make_fifo "$WORK/stdin"
  exec {STDIN}<>"$WORK/stdin"
  (
    exec <"$WORK/stdin"
    # shellcheck disable=SC2119
    close_ours
    box "$PROGRAM" "$@"
  ) >"$WORK/stdout" 2>"$WORK/stderr" &
  RUN=$! WAITED='' PID=''
  watch "$RUN" &
  until_true find_program || return 0
}

make_fifo() { # FILE
  [[ ! -e $1 ]] || rm "$1"
  mkfifo "$1"
}

# The program is the grandchild of its box, or the box is not there. (Of a name the
# kernel keeps 15 bytes: see proc(5), comm.)
find_program() {
  local pid=$RUN comm child
  while :; do
    comm=''
    { read -r -d '' comm <"/proc/$pid/comm"; } 2>/dev/null || true
    [[ $comm != "${NAME:0:15}" ]] || {
      PID=$pid
      return
    }
    child=
    { read -r child _ <"/proc/$pid/task/$pid/children"; } 2>/dev/null || [[ $child ]] || break
    pid=$child
  done
  has_ended "$RUN"
}

# Start a server on a port of the kernel's choice and wait for its ready line.
# Sets PORT.
start() { # [ARG...]; without: 0, any port
  (($# > 0)) || set -- 0
  launch "$@"
  until_true has_line_or_end "$READY"
  has_line "$READY" || fail "the program did not print \"listening on ADDRESS port PORT\"" "没有输出“listening on ADDRESS port PORT”这一行"
  find_port "$WORK/stdout"
}

# Run the program to its end; standard input is empty. Sets STATUS; check the output
# with expect_output and expect_line.
run() { # [ARG...]
  launch "$@"
  end_input
  until_true has_ended "$RUN" || fail "the program does not end" "程序没有结束"
  await_status
}

type_in() { # TEXT: into the program's standard input
  SENT[stdin]=$1
  printf '%b' "$1" >&"$STDIN"
}

end_input() {
  exec {STDIN}>&-
  STDIN=
}

signal() { # NAME: send a signal to the program
  { [[ $PID ]] && kill -"$1" "$PID" 2>/dev/null; } || fail "there is no program to send SIG$1 to" "没有可接收 SIG$1 的程序"
}

# Stop the program until signal CONT: what the clients do from now on happens while it
# is stopped. (A signal takes effect a moment after it is sent: wait for that.)
hold() {
  signal STOP
  until_true is_held || fail "the program cannot be stopped" "程序无法暂停"
}

is_held() {
  state_of "$PID" && [[ $STATE == T ]]
}

await_status() {
  STATUS=0
  wait "$RUN" || STATUS=$?
  WAITED=yes
}

# The program must end by itself, with this status.
expect_exit() { # STATUS
  [[ $WAITED ]] || {
    until_true has_ended "$RUN" || fail "the program does not end" "程序没有结束"
    await_status
  }
  [[ $STATUS == "$1" ]] || {
    tell_exit "$1"
    fail
  }
}

tell_exit() { # EXPECTED
  detail expected "exit status $1" "退出码 $1"
  if ((STATUS == 99)); then
    detail came "a report of the sanitizer" "sanitizer 报告"
  elif ((STATUS > 128)); then
    detail came "SIG$(kill -l $((STATUS - 128)))"
  else
    detail came "exit status $STATUS" "退出码 $STATUS"
  fi
}

# A server that gets a signal to end does so soon, with status 0, and has freed all.
stop_cleanly() { # [SIGNAL]
  signal "${1:-TERM}"
  expect_exit 0
}

# --- what the program prints ---

has_line() { # REGEX [COUNT]
  local line lines count=0
  mapfile -t -n 200 lines <"$WORK/stdout"
  if ((${#lines[@]} == 200)); then
    count=$(grep -cE -- "$1" "$WORK/stdout") || true
  else
    for line in "${lines[@]}"; do
      [[ ! $line =~ $1 ]] || count=$((count + 1))
    done
  fi
  ((count >= ${2:-1}))
}

# Wait for a line on standard output that matches the extended regular expression.
expect_line() { # REGEX [COUNT]
  until_true has_line_or_end "$@"
  has_line "$@" || {
    expected_line "$1" "${2:+ ($2 times)}" "${2:+（$2 次）}"
    detail came "$(tail -n 3 "$WORK/stdout" | mask_port | escape | head -c 200)"
    fail
  }
}

# Show a student an expression as text: `^served [0-9]+ clients$` is "served N clients".
expected_line() { # REGEX [AFTER-IT AFTER-IT-IN-CHINESE]
  local text=${1#^}
  text=${text%\$}
  text=${text//'[0-9]+'/N}
  detail expected "a line like: $text${2-}" "形如这样的行：$text${3-}"
}

has_line_or_end() { # REGEX [COUNT]
  has_line "$@" || has_ended "$RUN"
}

# Standard output, whole.
expect_output() { # TEXT
  printf '%b' "$1" >"$WORK/expected"
  until_true cmp -s "$WORK/expected" "$WORK/stdout" ||
    same_bytes "$WORK/expected" "$WORK/stdout" || fail
}

expect_error() { # REGEX: a line on standard error
  until_true grep -qE -- "$1" "$WORK/stderr" || {
    detail expected "on standard error: $1" "标准错误中有：$1"
    detail came "$(tail -n 2 "$WORK/stderr" | mask_port | escape | head -c 200)"
    fail
  }
}

# --- a library in place of libevent ---

# Build a program of the lab's folder programs/ with the student's file. What the file
# lacks costs the checks that need it, and no other. A program that cannot be built with
# libevent is not the student's fault: the check then gives no result.
build_with_library() { # PROGRAM
  local log=$WORK/build.log
  UNDER_TEST=$1
  link_with_libevent "$1" >"$log" 2>&1 || {
    { echo "$1.c cannot be built with libevent:" && tail -n 4 "$log"; } >&2
    exit 125
  }
  link_with_library "$1" >"$log" 2>&1 || {
    tell_what_it_lacks "$log"
    fail
  }
}

tell_what_it_lacks() { # LOG
  local names
  names=$(sed -nE "s/.*undefined reference to [\`'‘]([A-Za-z0-9_]+)['’].*/\1/p" "$1" | awk '!seen[$0]++' | paste -s -d ' ')
  if [[ $names ]]; then
    detail_why "$NAME.c lacks ${names// /, }" "$NAME.c 缺少 ${names// /、}"
  elif grep -q 'multiple definition of .main' "$1"; then
    detail_why "$NAME.c is to be a library, and has a main" "$NAME.c 应当是一个库，却有 main"
  else
    detail_why "the program cannot be linked with $NAME.c" "程序无法与 $NAME.c 链接"
    grep -E 'error|multiple definition' "$1" | head -n 3 | cut -c 1-160 | tr '\t' ' ' | sed $'s/^/shown\t/' >>"$WORK/details"
  fi
}

# Run the program that was built on libevent, and then with the student's file. Its
# output has parts, each below a line "NAME:".
run_both() { # [ARG...]
  BOTH=("$@")
  run_on_libevent "$UNDER_TEST" "$@" >"$WORK/expected" 2>"$WORK/words" || {
    { echo "$UNDER_TEST $* fails on libevent:" && tail -n 4 "$WORK/words"; } >&2
    exit 125
  }
  record program "$UNDER_TEST $*"
  [[ ! $RUN || $WAITED ]] || kill -KILL "$RUN"
  launch "$@"
  end_input
  STATUS=
  ! until_true has_ended "$RUN" || await_status
}

# A part is the same with the student's file as on libevent, and the program has gone on
# after it, or ended with status 0. What depends on time may be tried several times: a
# busy machine delays either side.
expect_same_part() { # NAME
  local try
  for ((try = 1; ; try++)); do
    is_same_part "$1" && return
    ((try < ${TRIES:-1})) || break
    run_both "${BOTH[@]}"
  done
  tell_first_difference
  [[ $STATUS ]] || fail "the program does not end" "程序没有结束"
  # shellcheck disable=SC2097,SC2098 # the reason goes behind the step that failed
  [[ $STATUS == 0 ]] || RESULTS=$WORK/details tell_status "$STATUS"
  fail
}

is_same_part() { # NAME
  local file following
  for file in expected stdout; do
    tr -d '\0' <"$WORK/$file" | awk -v name="$1:" '/^[a-z-]+:$/ { inside = $0 == name } inside' >"$WORK/$file.part"
  done
  cmp -s "$WORK/expected.part" "$WORK/stdout.part" || return
  following=$(awk -v name="$1:" '/^[a-z-]+:$/ { if (found) { print; exit } found = $0 == name }' "$WORK/expected")
  if [[ $following ]]; then grep -qxF -- "$following" "$WORK/stdout"; else [[ $STATUS == 0 ]]; fi
}

# Record the first line that is not as on libevent, and the three before it.
tell_first_difference() {
  local theirs ours i=0 j
  ! cmp -s "$WORK/expected.part" "$WORK/stdout.part" || return 0
  mapfile -t -n 9000 theirs <"$WORK/expected.part"
  mapfile -t -n 9000 ours <"$WORK/stdout.part"
  while ((i < ${#theirs[@]} && i < ${#ours[@]})) && [[ ${theirs[i]} == "${ours[i]}" ]]; do i=$((i + 1)); done
  for ((j = i > 3 ? i - 3 : 0; j < i; j++)); do
    printf 'shown\t%s\n' "${theirs[j]:0:120}" >>"$WORK/details"
  done
  detail expected "${theirs[i]-}"
  detail came "$(cut -c 1-120 <<<"${ours[i]-}" | tr '\t' ' ')"
}

detail_why() { # EN ZH
  printf 'why\t%s\t%s\n' "$1" "$2" >>"$WORK/details"
}

# --- clients ---

# Connect a client to the program's PORT, under a name of your choice. It reads all
# data as it arrives.
connect() { # CLIENT [SOCAT-OPTION...]
  peer "$1" "TCP:127.0.0.1:$PORT${2:+,$2}"
  until_true log_says "$1" 'successfully connected| E ' || true
  log_says "$1" 'successfully connected' || no_connection
}

no_connection() {
  fail "cannot connect to the program" "无法连接到程序"
}

# Be the server: listen on a port for one connection of the program. Sets PORT;
# accepted waits for the connection. A port may be given, to listen there again.
listen() { # CLIENT [PORT [SOCAT-OPTION...]]
  peer "$1" "TCP-LISTEN:${2:-0},bind=127.0.0.1,reuseaddr${3:+,$3}"
  until_true log_says "$1" 'listening on| E ' || true
  PORT=$(sed -nE 's/.*listening on .*:([0-9]+)$/\1/p' "$WORK/$1.log")
  [[ $PORT ]] || fail "the check cannot listen on port ${2-}" "检查程序无法监听端口 ${2-}"
}

accepted() { # CLIENT
  until_true log_says "$1" 'accepting connection' || fail "the program does not connect" "程序没有发起连接"
}

peer() { # CLIENT SOCAT-ADDRESS
  local fifo=$WORK/$1.in to
  make_fifo "$fifo"
  exec {to}<>"$fifo"
  : >"$WORK/$1.out"
  : >"$WORK/$1.log"
  (
    # shellcheck disable=SC2119
    close_ours
    exec socat -b 65536 -t 600 -d -d - "$2,keepalive" <"$fifo" >"$WORK/$1.out" 2>"$WORK/$1.log"
  ) &
  CLIENT[$1]=$! TO[$1]=$to AT[$1]=0 SENT[$1]='' SENT_BYTES[$1]='' HEARD[$1]=''
}

# Whether socat's log of a client matches.
log_says() { # CLIENT REGEX
  local text=''
  [[ ! -f $WORK/$1.log ]] || read -r -d '' text <"$WORK/$1.log" || true
  [[ $text =~ $2 ]]
}

# In a child: close all of our descriptors except the three standard ones. (A
# fourth, 255, is bash's own; exec closes it.)
# shellcheck disable=SC2120 # check gives one
close_ours() { # [BUT]
  local fd
  for fd in "/proc/$BASHPID/fd"/*; do
    fd=${fd##*/}
    ((fd <= 2 || fd == 255 || fd == ${1:-0})) || exec {fd}>&-
  done
}

# One write for the whole text: bash would write line by line.
send() { # CLIENT TEXT
  [[ ! ${HEARD[$1]-} ]] || SENT[$1]=''
  SENT[$1]+=$2 SENT_BYTES[$1]='' HEARD[$1]=''
  printf '%b' "$2" >"$WORK/sent"
  cat "$WORK/sent" >&"${TO[$1]}"
}

# Return at once: a program that does not read would block this script.
send_file() { # CLIENT FILE
  note_file "$1" "$2"
  cat "$2" >&"${TO[$1]}" &
}

# Return when the client has read the whole file (the program may have read less). The
# time limit starts again as long as the client reads on.
send_all() { # CLIENT FILE
  local sender before=''
  send_file "$1" "$2"
  sender=$!
  until until_true has_ended "$sender"; do
    find_position "$sender" 3 || continue
    [[ $POSITION != "$before" && ! -s $WORK/stopped ]] ||
      fail "the program does not read the client's data" "程序没有读取客户端发来的数据"
    before=$POSITION
  done
}

note_file() { # CLIENT FILE: this is what it sends
  SENT_BYTES[$1]=$(stat -c %s "$2")
}

# The client will send no more, but goes on reading.
half_close() { # CLIENT
  local fd=${TO[$1]}
  exec {fd}>&-
  TO[$1]=
}

# Stop the client until resume: it reads nothing.
pause() { # CLIENT
  kill -STOP "${CLIENT[$1]}"
}

resume() { # CLIENT
  kill -CONT "${CLIENT[$1]}"
}

# The client ends. (With bytes unread, the program sees a reset.) It does not half-close
# before, because the program would see that.
close() { # CLIENT
  kill -KILL "${CLIENT[$1]}" 2>/dev/null || true
  wait "${CLIENT[$1]}" 2>/dev/null || true
  CLIENT[$1]=
  [[ ! ${TO[$1]} ]] || half_close "$1"
}

# The client ends, and the program sees a reset.
reset() { # CLIENT; it was connected with: connect A linger=0
  close "$1"
}

size_of() { # CLIENT: how many bytes came in all
  count_bytes "$1"
  echo "$ARRIVED"
}

# Set ARRIVED to the number of bytes that have arrived: as long as socat runs, from its
# offset in the output file. See proc(5), fdinfo.
count_bytes() { # CLIENT
  local pid=${CLIENT[$1]:-none}
  [[ /proc/$pid/fd/1 -ef $WORK/$1.out ]] &&
    find_position "$pid" 1 && ARRIVED=$POSITION ||
    ARRIVED=$(stat -c %s "$WORK/$1.out")
}

has_come() { # CLIENT BYTES
  count_bytes "$1"
  ((ARRIVED >= $2)) || is_closed "$1"
}

is_closed() { # CLIENT
  [[ ! ${CLIENT[$1]} ]] || has_ended "${CLIENT[$1]}" ||
    log_says "$1" 'socket 2 \(fd [0-9]+\) is at EOF|Connection reset|Broken pipe'
}

# The next bytes that arrive at the client are these.
expect() { # CLIENT TEXT
  printf '%b' "$2" >"$WORK/expected"
  expect_file "$1" "$WORK/expected"
}

expect_file() { # CLIENT FILE
  local size at=${AT[$1]}
  size=$(stat -c %s "$2")
  until_more "$1" $((at + size))
  cmp -s -n "$size" -i "0:$at" "$2" "$WORK/$1.out" || {
    tail -c +$((at + 1)) "$WORK/$1.out" | head -c "$size" >"$WORK/came"
    same_bytes "$2" "$WORK/came" "$1" || fail
  }
  AT[$1]=$((at + size)) HEARD[$1]=yes
}

# Wait for this number of bytes; as long as more arrive, the time limit starts again.
until_more() { # CLIENT BYTES
  local before=${AT[$1]}
  until until_true has_come "$1" "$2"; do
    count_bytes "$1"
    ((ARRIVED > before)) && [[ ! -s $WORK/stopped ]] || return 0
    before=$ARRIVED
  done
}

# The next line matches the extended regular expression. Sets LINE.
expect_answer() { # CLIENT REGEX
  until_true has_whole_line "$1" || true
  LINE=$(tail -c +$((AT[$1] + 1)) "$WORK/$1.out" | head -n 1 | tr -d '\0')
  { [[ $LINE =~ ^$2$ ]] && has_whole_line "$1"; } || {
    tell_sent "$1"
    expected_line "$2"
    detail came "$(tail -c +$((AT[$1] + 1)) "$WORK/$1.out" | head -n 1 | head -c 200 | escape)"
    fail
  }
  AT[$1]=$((AT[$1] + $(tail -c +$((AT[$1] + 1)) "$WORK/$1.out" | head -n 1 | wc -c)))
  HEARD[$1]=yes
}

has_whole_line() { # CLIENT
  count_bytes "$1"
  ((ARRIVED > AT[$1])) || {
    is_closed "$1"
    return
  }
  (($(tail -c +$((AT[$1] + 1)) "$WORK/$1.out" | head -n 1 | tr -cd '\n' | wc -c) > 0)) || is_closed "$1"
}

# No more data arrives at the client for a while.
expect_nothing() { # CLIENT
  local end
  now_ms
  end=$((MS + QUIET_MS * PATIENCE / 10))
  while ((MS < end)); do
    count_bytes "$1"
    ((ARRIVED == AT[$1])) || {
      tail -c +$((AT[$1] + 1)) "$WORK/$1.out" | head -c 100 >"$WORK/came"
      tell_sent "$1"
      detail expected ""
      detail came "$(escape <"$WORK/came")"
      fail
    }
    nap 0.02
    now_ms
  done
}

# The program closes the connection, after all that was expected before.
expect_closed() { # CLIENT
  until_true is_closed "$1" || fail "the program does not close the connection" "程序没有关闭连接"
  expect_nothing_left "$1"
}

expect_nothing_left() { # CLIENT
  count_bytes "$1"
  ((ARRIVED == AT[$1])) || {
    tail -c +$((AT[$1] + 1)) "$WORK/$1.out" | head -c 100 >"$WORK/came"
    : >"$WORK/expected"
    same_bytes "$WORK/expected" "$WORK/came" "$1" || fail
  }
}

# The program does not close the connection, for a while at least.
expect_open() { # CLIENT
  local end
  now_ms
  end=$((MS + QUIET_MS * PATIENCE / 10))
  while ((MS < end)); do
    ! is_closed "$1" || fail "the program closed the connection" "程序关闭了连接"
    nap 0.02
    now_ms
  done
}

# Make many cheap connections that send nothing. They end with the check.
crowd() { # COUNT
  local i fd
  for ((i = 0; i < $1; i++)); do
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
  done
}

# COUNT clients, all at once: each sends TEXT, and then each gets ANSWER. In both, %d is
# the client's number, from 1. They stay until many_leave or the end of the check.
many() { # COUNT TEXT ANSWER
  local i fd
  MANY=()
  for ((i = 0; i < $1; i++)); do
    { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
    MANY+=("$fd")
  done
  many_again "$2" "$3"
}

# The same clients once more.
many_again() { # TEXT ANSWER
  local i text
  for ((i = 1; i <= ${#MANY[@]}; i++)); do
    text=${1//%d/$i}
    if [[ ${text%'\n'} == *'\n'* ]]; then # bash would send it line by line
      printf '%b' "$text" >"$WORK/sent"
      cat "$WORK/sent" >&"${MANY[i - 1]}" || true
    else
      printf '%b' "$text" >&"${MANY[i - 1]}" || true
    fi
  done
  for ((i = 1; i <= ${#MANY[@]}; i++)); do
    one_of_many "$i" "${1//%d/$i}" "${2//%d/$i}"
  done
}

# Start no process for a client that gets the right answer.
one_of_many() { # NUMBER TEXT ANSWER
  local fd=${MANY[$1 - 1]} answer came='' LC_ALL=C
  printf -v answer '%b' "$3"
  if [[ $3 == *'\0'* ]]; then # what bash reads has no NUL
    one_of_many_whole "$@"
    return
  fi
  [[ ! $answer ]] ||
    IFS= read -r -N ${#answer} -t $((LIMIT_MS * PATIENCE / 10000 + 1)) -u "$fd" came || true
  # Extra bytes would arrive soon.
  if [[ $1 == 1 || $1 == "${#MANY[@]}" ]]; then
    nap 0.1
    ! read -r -t 0 -u "$fd" || IFS= read -r -N 100 -t 0.2 -u "$fd" answer || came+=$answer
    printf -v answer '%b' "$3"
  fi
  [[ $came != "$answer" ]] || return 0
  SENT[many]=$2 SENT_BYTES[many]=''
  printf '%s' "$answer" >"$WORK/expected"
  printf '%s' "$came" >"$WORK/many.out"
  same_bytes "$WORK/expected" "$WORK/many.out" many || fail_one_of_many "$1"
}

fail_one_of_many() { # NUMBER
  fail "this was client $1 of ${#MANY[@]}" "这是第 $1 个客户端，共 ${#MANY[@]} 个"
}

one_of_many_whole() { # NUMBER TEXT ANSWER
  local size
  SENT[many]=$2
  printf '%b' "$3" >"$WORK/expected"
  size=$(stat -c %s "$WORK/expected")
  : >"$WORK/many.out"
  cat <&"${MANY[$1 - 1]}" >"$WORK/many.out" 2>/dev/null &
  CLIENT[many]=$!
  until_true has_come many "$size" || true
  kill "${CLIENT[many]}" 2>/dev/null || true
  wait "${CLIENT[many]}" 2>/dev/null || true
  unset 'CLIENT[many]'
  same_bytes "$WORK/expected" "$WORK/many.out" many || fail_one_of_many "$1"
}

# All close. A client with bytes unread resets its connection by that.
many_leave() { # [reset]
  local fd
  for fd in "${MANY[@]}"; do
    [[ ! ${1-} ]] || socat -u OPEN:/dev/null "FD:$fd,linger=0" 2>/dev/null || true
    exec {fd}>&-
  done
  MANY=()
}

# COUNT clients, all at once, send TEXT and reset their connections as soon as the
# program is idle.
reset_many() { # COUNT [TEXT]
  local i
  for ((i = 1; i <= $1; i++)); do
    connect "reset$i" linger=0
    [[ ! ${2-} ]] || send "reset$i" "${2//%d/$i}"
  done
  settle
  for ((i = 1; i <= $1; i++)); do
    reset "reset$i"
    unset "CLIENT[reset$i]"
  done
}

# While the program is stopped, COUNT clients can connect: they wait in the backlog.
expect_backlog() { # COUNT
  hold
  rm -f "$WORK/queued"
  (
    trap - EXIT TERM
    crowd "$1"
    : >"$WORK/queued"
    read -r -u "$NEVER"
  ) 2>/dev/null &
  CLIENT[backlog]=$!
  until_true test -e "$WORK/queued" || fail "while the program is busy, fewer than $1 connections can wait" "程序忙时，能排队等待的连接不到 $1 个"
  signal CONT
  kill "${CLIENT[backlog]}"
  wait "${CLIENT[backlog]}" 2>/dev/null || true
  unset 'CLIENT[backlog]'
}

# Listen on a port where a new connection stays pending: no process accepts, and the
# backlog is full. Sets PORT. After close, connections are refused.
listen_full() { # CLIENT
  local fd
  listen "$1" 0 backlog=0
  pause "$1"
  { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null ||
    fail "the check cannot listen on port $PORT" "检查程序无法监听端口 $PORT"
}

# Start a client that sends the file and half-closes, and reads nothing before
# read_late. (A client that is paused would not send either.)
send_unread() { # CLIENT FILE
  local fd
  { exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || no_connection
  : >"$WORK/$1.out"
  : >"$WORK/$1.log"
  TO[$1]=$fd AT[$1]=0
  note_file "$1" "$2"
  socat -u "FILE:$2" "FD:$fd,shut-down" >"$WORK/$1.out" 2>/dev/null &
  CLIENT[$1]=$!
}

read_late() { # CLIENT
  cat <&"${TO[$1]}" >"$WORK/$1.out" 2>/dev/null &
  CLIENT[$1]=$!
}

# A whole conversation: connect, send the file, half-close, read to the end.
ask_file() { # CLIENT FILE
  connect "$1"
  send_all "$1" "$2"
  half_close "$1"
}

# --- files ---

# A file of letters and newlines, or of any bytes; the same for the same SEED.
make_text() { # FILE SIZE
  make_bytes /dev/stdout $(($2 * 12 + 4096)) | LC_ALL=C tr -dc 'a-z \n' | head -c "$2" >"$1"
}

# A file of lines of letters and digits, the same for the same SEED.
make_lines() { # FILE SIZE
  make_bytes "$WORK/bytes" "$2"
  base64 -w 60 "$WORK/bytes" | head -c "$2" >"$1"
}

make_bytes() { # FILE SIZE
  openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' "${SEED:-1}")" -iv 00 \
    -in /dev/zero 2>/dev/null | head -c "$2" >"$1"
}

# --- quality ---

# Note the program's memory and descriptors, for a later comparison.
note_resources() {
  MEMORY=$(memory) DESCRIPTORS=$(descriptors)
}

# These functions measure the program with all processes that it has started, and its
# box, which does not change.

memory() { # resident memory in kB
  find_family "$RUN"
  memory_of "${FAMILY[@]}"
}

descriptors() {
  local pid all sum=0
  find_family "$RUN"
  for pid in "${FAMILY[@]}"; do
    all=("/proc/$pid/fd"/*)
    sum=$((sum + ${#all[@]}))
  done
  echo "$sum"
}

# Count the memory that the program has allocated and not freed, to the byte. Call this
# before the program starts; note_allocated and expect_allocated_back read the count.
watch_allocated() {
  environment LAB_MEMORY=1
}

# Note the idle program's count (scripts/labs/leaks.c). Call this after some clients: the
# later comparison is after other clients of the same kind.
note_allocated() {
  find_allocated
  ALLOCATED=$IN_USE
}

# Set IN_USE to the number of bytes that the program holds. (Not in a subshell: it could
# not report how a program has ended.)
find_allocated() {
  local before
  settle
  before=$(grep -c '^lab: .* bytes' "$WORK/stderr") || true
  signal RTMAX
  until_true says_allocated "$before" || fail
  IN_USE=$(sed -n 's/^lab: \([0-9]*\) bytes are in use$/\1/p' "$WORK/stderr" | tail -n 1)
}

says_allocated() { # COUNT: more often than that
  (($(grep -c '^lab: .* bytes' "$WORK/stderr") > $1))
}

# The memory of CLIENTS clients that have left since note_allocated is freed: less than
# 16 bytes of each are left.
expect_allocated_back() { # CLIENTS
  find_allocated
  ((IN_USE < ALLOCATED + 16 * $1)) || fail "memory is still held for clients that have left" "客户端已经离开，仍为它们占用内存"
}

# The program holds at most KB kB more memory than was noted, measured exactly: its
# resident memory would also include freed memory.
expect_allocated_within() { # KB
  find_allocated
  ((IN_USE <= ALLOCATED + 1024 * $1)) || fail "the program holds more than $1 kB of memory for these clients" "程序为这些客户端占用的内存超过 $1 kB"
}

# The program has at most KB kB more resident memory than was noted.
expect_memory_within() { # KB
  local grew=$(($(memory) - MEMORY))
  ((grew <= $1)) || fail "the program's memory grew by more than $1 kB" "程序的内存增长超过 $1 kB"
}

# As many open descriptors as were noted.
expect_descriptors_back() {
  until_true are_descriptors_back || fail "the program left descriptors open" "有描述符没有关闭"
}

are_descriptors_back() {
  (($(descriptors) <= DESCRIPTORS))
}

# Memory that a variable still points to when the program ends counts as a leak too,
# except libc's and the sanitizer's own (scripts/labs/leaks.c). Call this before the
# program starts.
find_all_leaks() {
  ENVIRONMENT+=(LSAN_OPTIONS=use_globals=0:use_stacks=0:use_registers=0:print_suppressions=0)
}

# Memory that is never freed is not looked for. Call this before the program starts.
ignore_leaks() {
  environment LSAN_OPTIONS=detect_leaks=0
}

# Set variables of the program's environment. Call this before it starts.
environment() { # NAME=VALUE...
  ENVIRONMENT+=("$@")
}

# The program's clock runs FACTOR times as fast (scripts/labs/inside.c), so that a time-out
# of a minute is over after a second. Call this before it starts. Delays of a busy
# machine grow by the same factor: 60 is much.
fast_clock() { # FACTOR
  environment "LAB_CLOCK=$1"
}

# The kernel seems to accept only a little of what the program sends at a time, so that
# the rest waits in the program (scripts/labs/inside.c). Call this before it starts.
short_writes() {
  environment LAB_WRITE=2000
}

# The program sees another version of libevent and another list of back ends
# (scripts/labs/inside.c). Call this before it starts.
other_libevent() { # VERSION METHODS
  environment "LAB_VERSION=$1" "LAB_METHODS=$2"
}

# Report when an event is deleted after its descriptor was closed
# (scripts/labs/inside.c). Call this before the program starts; expect_order checks it.
watch_order() {
  environment LAB_ORDER=1
}

expect_order() {
  ! grep -q '^lab: an event was deleted after its descriptor was closed' "$WORK/stderr" ||
    fail "a descriptor was closed before its event was deleted" "还没删除事件，就关闭了它的描述符"
}

ticks() {
  find_family "$RUN"
  ticks_of "${FAMILY[@]}"
}

# While nothing happens, the program uses no processor time. (On a busy machine a program
# that spins gets little of it, but its state shows that it is ready to run.)
expect_idle() {
  local before after i wants=0
  ! has_ended "$RUN" || fail
  nap 0.1
  before=$(ticks)
  for ((i = 0; i < 8; i++)); do
    nap 0.05
    ! wants_processor || wants=$((wants + 1))
  done
  after=$(ticks)
  ! has_ended "$RUN" || fail
  ((after - before <= 8 && wants < 6)) || fail "the program is busy while there is nothing to do" "无事可做时程序仍占用处理器"
}

# Nothing wakes the idle program: it waits, and does not poll. The number of times that
# it fell asleep shows this, however little it does each time. Once may be chance, or a
# timer that had to run out.
expect_no_wakeups() { # [MS]: finds what happens at least this often
  local before i
  settle
  for i in 1 2; do
    before=$(sleeps)
    nap "$((${1:-1100} / 1000)).$(printf '%03d' $((${1:-1100} % 1000)))"
    ! has_ended "$RUN" || fail
    [[ $before != "$(sleeps)" ]] || return 0
  done
  fail "the program wakes up again and again while there is nothing to do" "无事可做时程序仍反复醒来"
}

# How often the program's threads fell asleep: see proc(5), status. The second thread
# is the sanitizer's, which watches over memory.
sleeps() {
  local pid thread threads line lines
  find_family "$RUN"
  for pid in "${FAMILY[@]}"; do
    mapfile -t threads < <(printf '%s\n' "/proc/$pid/task"/* | sort -t / -k 5n)
    unset 'threads[1]'
    for thread in "${threads[@]}"; do
      mapfile -t lines <"$thread/status"
      for line in "${lines[@]}"; do
        [[ $line != voluntary* ]] || echo "$thread $line"
      done
    done
  done 2>/dev/null
}

# From here to expect_not_blocked, watch whether the program sleeps outside its event
# loop for longer than a moment: in a read, a write, a sleep, or a connect.
watch_blocking() {
  : >"$WORK/blocked"
  find_waits
  (
    trap - EXIT TERM
    close_ours "$NEVER"
    note_blocking
  ) &
  BLOCKING=$!
}

# Set WAITS to the numbers of the system calls in which an event loop waits: of epoll,
# and where epoll is switched off, of poll and select too. Empty: they are not known.
find_waits() {
  case $HOSTTYPE in
    x86_64) WAITS=' 232 281 441 ' && [[ ${ENVIRONMENT[*]} != *EVENT_NOEPOLL* ]] || WAITS+='7 271 23 270 ' ;;
    aarch64) WAITS=' 22 441 ' && [[ ${ENVIRONMENT[*]} != *EVENT_NOEPOLL* ]] || WAITS+='73 72 ' ;;
    *) WAITS= ;;
  esac
}

# Sample the call in which the program sleeps: see proc(5), syscall. At least three
# samples in a row count, however slowly they follow each other.
note_blocking() {
  local call times=0 since=0
  while [[ $WAITS ]] && is_running "$RUN"; do
    nap 0.005
    call=
    { read -r call _ <"/proc/$PID/syscall"; } 2>/dev/null || continue
    now_ms
    if [[ $call == -* || $call == running || $WAITS == *" $call "* ]] || ! is_asleep "$PID"; then
      times=0 since=$MS
    elif ((++times > 2 && MS - since >= BLOCKED_MS * PATIENCE / 10)); then
      echo "$call" >"$WORK/blocked"
    fi
  done
}

expect_not_blocked() {
  kill "$BLOCKING" 2>/dev/null || true
  wait "$BLOCKING" 2>/dev/null || true
  [[ ! -s $WORK/blocked ]] ||
    fail "the program blocked outside its event loop, and could serve no other client" "程序阻塞在事件循环之外，这时无法为其他客户端服务"
}

wants_processor() {
  state_of_all && [[ $STATE == R ]]
}

# The state of the program, but R if anything that it has started is running.
state_of_all() {
  local pid
  find_family "$RUN"
  for pid in "${FAMILY[@]}"; do
    ! state_of "$pid" || [[ $STATE != R ]] || return 0
  done
  state_of "$PID"
}

# The program sleeps in most samples; it may do a little work. A program that spins is
# never asleep, however little processor time a busy machine gives it.
expect_asleep() {
  local i asleep=0
  for ((i = 0; i < 20; i++)); do
    nap 0.01
    state_of_all || fail
    [[ $STATE != S ]] || asleep=$((asleep + 1))
  done
  ((asleep >= 12)) || fail "the program is busy while there is nothing to do" "无事可做时程序仍占用处理器"
}

# Soon the program sleeps in every sample.
expect_rest() {
  until_true stays_asleep_or_ends || fail "the program is busy while there is nothing to do" "无事可做时程序仍占用处理器"
  is_running "$RUN" || fail
}

stays_asleep_or_ends() {
  has_ended "$RUN" || stays state_of_all
}

stays_asleep() { # PID
  stays state_of "$1"
}

stays() { # COMMAND...: it sets STATE, which is asleep each time
  local i
  for ((i = 0; i < 20; i++)); do
    "$@" && [[ $STATE == S ]] || return 1
    nap 0.01
  done
}

# Wait until neither the program nor a client has run for a fifth of a second. A process
# that waits for a processor is not idle.
settle() {
  local before='' end
  now_ms
  end=$((MS + 4 * LIMIT_MS * PATIENCE / 10))
  note_activity
  until [[ $ACTIVITY == "$before" ]] && ! is_something_running; do
    is_running "$PID" || fail
    now_ms
    { ((MS < end)) && [[ ! -s $WORK/stopped ]]; } || fail "the program does not become idle" "程序一直没有进入空闲"
    nap 0.2
    before=$ACTIVITY
    note_activity
  done
}

is_something_running() {
  [[ $ACTIVITY == *'(running)'* || $ACTIVITY == *'(disk sleep)'* ]]
}

# Set ACTIVITY to whether the program and each client run or sleep, and how often each
# fell asleep: see proc(5), status.
note_activity() {
  local pid line lines
  ACTIVITY=
  for pid in "$PID" "${CLIENT[@]}"; do
    [[ -r /proc/${pid:-none}/status ]] || continue
    # In one go: the kernel makes the file again for each seek of `read`.
    mapfile -t lines <"/proc/$pid/status"
    for line in "${lines[@]}"; do
      [[ $line != @(State|*_switches):* ]] || ACTIVITY+="$line "
    done
  done 2>/dev/null
}

# --- bytes ---

# Bytes as C writes them: letters, \n, \x80.
escape() {
  od -An -v -tu1 -w1 | awk '{
    c = $1
    if (c == 10) printf "\\n"
    else if (c == 13) printf "\\r"
    else if (c == 9) printf "\\t"
    else if (c == 92) printf "\\\\"
    else if (c < 32 || c > 126) printf "\\x%02x", c
    else printf "%c", c
  }'
}

# A port of the kernel's choice differs each time.
mask_port() {
  sed -E 's/port [0-9]+/port PORT/g'
}

# Record what the client has sent since the last answer; of a long text, its end.
tell_sent() { # [CLIENT]
  local text
  [[ ${1-} ]] || return 0
  if [[ ${SENT_BYTES[$1]-} ]]; then
    detail sent "${SENT_BYTES[$1]} bytes" "${SENT_BYTES[$1]} 字节"
  elif [[ ${SENT[$1]} ]]; then
    text=${SENT[$1]}
    ((${#text} <= 80)) || text=...${text: -77}
    detail sent "$text"
  fi
}

# Whether two files are the same; if not, record what was expected and what came, from
# a little before the first wrong byte, which is marked.
same_bytes() { # EXPECTED CAME [CLIENT]
  local words at total from lead
  cmp -s "$1" "$2" && return
  tell_sent "${3-}"
  total=$(stat -c %s "$1")
  words=$(LC_ALL=C cmp "$1" "$2" 2>&1) || true
  if [[ $words =~ differ:\ (byte|char)\ ([0-9]+) ]]; then
    at=${BASH_REMATCH[2]}
  else # the shorter one is the beginning of the other
    at=$(($(stat -c %s "$1" "$2" | sort -n | head -n 1) + 1))
  fi
  from=$((at > 21 ? at - 20 : 1))
  lead=$(((from > 1) * 3 + $(tail -c +"$from" "$1" | head -c $((at - from)) | escape | wc -m)))
  detail expected "$(window "$1" "$from")"
  detail came "$(window "$2" "$from")"
  printf 'mark\t%s\t%s\t%s\n' "$lead" "$at" "$total" >>"$WORK/details"
  return 1
}

window() { # FILE FROM
  local shown
  shown=$(tail -c +"$2" "$1" | head -c 44 | escape)
  (($2 == 1)) || shown=...$shown
  (($(stat -c %s "$1") < $2 + 44)) || shown+=...
  echo "$shown"
}

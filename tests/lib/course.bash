# course.bash -- what every test file loads: where things are, how a program is
# started on a port of the kernel's choice, waited for, and ended.
#
# A test starts a server with `start NAME`, which sets PID, PORT and LOG, and
# leaves the ending to teardown. The exit status counts: a server that crashes
# or leaks (in the sanitizer build, or under valgrind) fails its test.
#
# Green tests may take their time, red ones may not. Once a test of a file has
# waited in vain, the file is late: its other tests wait less, and what is left
# after a while is not run. So a chapter's tests end within a minute, whatever
# the program does.

# shellcheck source=tests/lib/assertions.bash
source "${BASH_SOURCE[0]%/*}/assertions.bash"
# shellcheck source=tests/lib/terminal.bash
source "${BASH_SOURCE[0]%/*}/terminal.bash"
# shellcheck source=scripts/lib/process.bash
source "${BASH_SOURCE[0]%/*}/../../scripts/lib/process.bash"

ROOT=$(cd "${BATS_TEST_DIRNAME%/tests*}" && pwd)
BUILD=${BUILD:-build}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD

# Freed memory is overwritten, so that its use shows also without valgrind; the
# cache of each thread is off, since what is freed into it is not.
export MALLOC_PERTURB_=165 GLIBC_TUNABLES=glibc.malloc.tcache_count=0
export ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=1:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1

# Seconds: what a test waits for something at the most, and for the ready line of
# a program that sleeps all the time; what a test may take, whatever it does. In a
# file that is late it is less, and so much is left for the file. All of them are
# TIME_FACTOR times as long, except a LIMIT that was asked for, and valgrind's.
FACTOR=${TIME_FACTOR:-1}
LIMIT=${LIMIT:-$((20 * FACTOR))} REST_LIMIT=5 TEST_LIMIT=300
LATE_LIMIT=$((LIMIT < 4 * FACTOR ? LIMIT : 4 * FACTOR)) LATE_TEST_LIMIT=60 LATE_BUDGET=300
case $BATS_TEST_FILENAME in
  "$ROOT"/tests/[0-9]*) TEST_LIMIT=30 LATE_TEST_LIMIT=8 LATE_BUDGET=15 ;;
  "$ROOT"/tests/samples/*) TEST_LIMIT=120 LATE_TEST_LIMIT=30 LATE_BUDGET=40 ;;
esac
[[ $BUILD != */asan ]] || TEST_LIMIT=$((2 * TEST_LIMIT))
UNDER_COMMAND=()
if [[ ${UNDER-} == valgrind ]]; then
  LIMIT=120 LATE_LIMIT=60 REST_LIMIT=60 TEST_LIMIT=600 LATE_TEST_LIMIT=300 LATE_BUDGET=600
  UNDER_COMMAND=(valgrind -q --error-exitcode=99 --leak-check=full
    "--show-leak-kinds=definite,indirect"
    "--errors-for-leak-kinds=definite,indirect"
    "--log-file=$BATS_TEST_TMPDIR/valgrind.%p.log")
fi
for limit in REST_LIMIT TEST_LIMIT LATE_TEST_LIMIT LATE_BUDGET; do
  printf -v "$limit" '%d' $((${!limit} * FACTOR))
done
unset limit
declare -A STARTED=() # the log of each program in the background, by its pid
declare -A RESTING=() # the ticks that it has used, and since when no more
OTHERS=()             # pids of what else runs: clients, senders, other servers

# What the tests of a file share with each other; scripts/test runs them in pieces.
SHARED=${COURSE_SHARED:+$COURSE_SHARED/${BATS_TEST_FILENAME##*/}}
SHARED=${SHARED:-$BATS_FILE_TMPDIR}
mkdir -p "$SHARED"
LATE=$SHARED/late # its first line: when it became so
BEGAN=$EPOCHSECONDS
[[ ! -e $LATE ]] || LIMIT=$LATE_LIMIT

# Where the program is. One that a test has built for itself comes first, then
# one with a defect put back (tests/broken/test-the-tests), then the course's.
program() { # NAME
  local folder
  for folder in "$BATS_TEST_TMPDIR" ${BROKEN:+"$BROKEN"} "$BUILD"; do
    [[ ! -x $folder/$1 ]] || { echo "$folder/$1" && return; }
  done
  fail "no program $1 in $BUILD: run make"
}

source_of() { # NAME
  local file
  for file in ${BROKEN:+"$BROKEN/$1.c"} "$ROOT"/chapters/*/"$1.c" "$ROOT/samples/$1/$1.c"; do
    [[ ! -f $file ]] || { echo "$file" && return; }
  done
}

# Run a program to its end, as in `run course method-probe`.
course() { # NAME [ARG...]
  local path
  path=$(program "$1")
  timeout -k 1 "$LIMIT" "${UNDER_COMMAND[@]}" "$path" "${@:2}"
}

# Whether a source of a chapter is no program, but a part of some: it has a header.
is_part() { # FILE.c
  [[ -f ${1%.c}.h ]]
}

# Whether make leaves a program out, since liburing is not installed here.
is_left_out() { # FILE.c
  grep -q '^ \* Build:.* -luring' "$1" && ! pkg-config --exists liburing
}

# Skip a test of uring-echo where it was not built, or where the kernel forbids what it
# does. The address is nobody's here, so the program ends at once, whatever it may do.
need_uring() {
  pkg-config --exists liburing || skip "liburing is not installed"
  local why status=0
  why=$(course uring-echo 192.0.2.1 0 2>&1) || status=$?
  [[ $status != 3 ]] || skip "$why"
}

# For setup_file: run programs that print the same each time, at the same time.
print_once() { # NAME...
  local name
  for name in "$@"; do
    (
      set +e
      course "$name" >"$BATS_FILE_TMPDIR/$name" 2>"$BATS_FILE_TMPDIR/$name.errors"
      echo "$?" >"$BATS_FILE_TMPDIR/$name.status"
    ) &
  done
  wait
}

# What a program prints, or has printed in print_once, and its exit status.
printed() { # NAME
  if [[ ! -e $BATS_FILE_TMPDIR/$1.status ]]; then
    course "$1"
  else
    cat "$BATS_FILE_TMPDIR/$1"
    return "$(<"$BATS_FILE_TMPDIR/$1.status")"
  fi
}

# The lines that a program prints below a title, which may end with a colon, without
# their first two blanks.
scene() { # NAME TITLE
  printed "$1" | awk -v title="$2" '
    /^[^ ]/ { inside = $0 == title || $0 == title ":" }
    inside && /^ / { print substr($0, 3) }'
}

# Build a private copy of a program with other compiler flags, or from a source
# changed by a sed script; the script must change something. The other parts of a
# program stay as they are; NAME/PART changes the part PART.c in place of NAME.c. The
# tests of a file share what they build alike.
build_own() { # NAME[/PART] SED-SCRIPT [FLAG...]
  local name=${1%/*} key built lock
  key=$(printf '%s\n' "$@" | cksum)
  built=$SHARED/$name.${key%% *}
  exec {lock}>"$built.lock"
  flock "$lock"
  [[ -x $built ]] || compile_own "$built" "$@"
  exec {lock}>&-
  ln -sf "$built" "$BATS_TEST_TMPDIR/$name"
}

compile_own() { # OUTPUT NAME[/PART] SED-SCRIPT [FLAG...]
  local changed=${2#*/}.c from part all parts=() folders=()
  from=$(BROKEN='' source_of "${2%/*}")
  mapfile -t all < <("$ROOT/scripts/lib/build-line" --parts "$from")
  for part in "$from" "${all[@]}"; do
    folders+=(-I "${part%/*}")
    [[ ! ${BROKEN-} || ! -f $BROKEN/${part##*/} ]] || part=$BROKEN/${part##*/}
    [[ ${part##*/} == "$changed" ]] || { parts+=("$part") && continue; }
    sed -E "$3" "$part" >"$BATS_TEST_TMPDIR/$changed"
    [[ -z $3 ]] || ! cmp -s "$part" "$BATS_TEST_TMPDIR/$changed" || fail "no change: $3"
  done
  # shellcheck disable=SC2046 # the flags are words
  cc -std=gnu11 -g "${@:4}" "${folders[@]}" -o "$1" \
    "$BATS_TEST_TMPDIR/$changed" "${parts[@]}" \
    $(pkg-config --cflags --libs-only-L libevent) \
    $("$ROOT/scripts/lib/build-line" --libraries "$from")
}

# See leaks also where the programs were built without the sanitizers. Stale
# pointers in a stack frame that was left are not to hide one.
find_leaks_in() { # NAME
  ASAN_OPTIONS+=:detect_stack_use_after_return=1
  [[ ${UNDER-} || $BUILD == */asan ]] || build_own "$1" "" -fsanitize=address
}

# Start a program in the background, without waiting for it. FDS limits its
# descriptors. Its log is limited as well: a program that floods it is not to
# fill the disk.
spawn() { # NAME [ARG...]
  BINARY=$(program "$1")
  LOG=$BATS_TEST_TMPDIR/$1.${#STARTED[@]}.log
  : >"$LOG"
  (
    # valgrind keeps 12 descriptors for itself.
    [[ -z ${FDS-} ]] || {
      ulimit -n $((FDS + ${UNDER:+12} + 0))
    }
    ulimit -f 20480 || true
    trap '' XFSZ
    exec "${UNDER_COMMAND[@]}" "$BINARY" "${@:2}"
  ) >"$LOG" 2>&1 </dev/null 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
  echo "$PID" >>"$BATS_TEST_TMPDIR/started"
}

# Start a server with these arguments and learn its port from its ready line.
start_with() { # NAME ARGUMENT...
  spawn "$@"
  wait_for_line "$READY"
  find_port "$LOG"
}

start() { # NAME [ADDRESS [PORT]]
  start_with "$1" "${2:-127.0.0.1}" "${3:-0}"
}

# Poll until the command succeeds. (In a trap, as the end of a test that took too
# long is, a plain "return" has the status from before the trap.)
wait_for() { # COMMAND...
  within $((1000 * LIMIT)) "$@" || fail "waited $LIMIT s in vain for: $*" || return 1
}

has_lines() { # COUNT REGEX
  [[ $(grep -cE -- "$2" "$LOG") -ge $1 ]]
}

wait_for_line() { # REGEX [COUNT]
  local end=$((SECONDS + LIMIT))
  until has_lines "${2:-1}" "$1"; do
    if ! is_running "$PID" && ! has_lines "${2:-1}" "$1"; then
      fail "ended early, without the line: $1" || return 1
    fi
    if [[ $1 == "${READY%% .*}"* ]] && never_ready; then
      fail "does not become ready: no line $1" || return 1
    fi
    ((SECONDS < end)) || { fail "waited $LIMIT s in vain for the line: $1" || return 1; }
    sleep 0.02
  done
  [[ $1 != "${READY%% .*}"* ]] || : >"$(mark_of ready)"
}

mark_of() { # WORD: a file about the program, for the other tests
  local name=${LOG##*/}
  echo "$SHARED/${name%%.*}.$1"
}

# No test waits twice for a program of the course that has never become ready, nor
# long for one that sleeps all the time: one that is only slow wants the processor.
never_ready() {
  local ticks
  [[ ${STARTED[$PID]-} && ! ${UNDER-} ]] || return
  ticks=$(ticks_of "$PID")
  if [[ ${RESTING[$PID]-} != "$ticks "* ]]; then
    RESTING[$PID]="$ticks $SECONDS"
  fi
  if ((SECONDS - ${RESTING[$PID]#* } > REST_LIMIT)); then
    [[ $BINARY != "$BUILD"/* ]] || : >"$(mark_of unready)"
  else
    [[ $BINARY == "$BUILD"/* && -e $(mark_of unready) && ! -e $(mark_of ready) ]]
  fi
}

count_lines() { # REGEX
  grep -cE -- "$1" "$LOG" || [[ $? == 1 ]]
}

# A client that stays open on descriptor FD; it talks through bash alone.
open_client() { # FD
  eval "exec $1<>/dev/tcp/127.0.0.1/$PORT"
}

close_client() { # FD
  eval "exec $1>&-"
}

# A line goes there and comes back, in capitals if CAPITALS is set, behind its length
# if LENGTHS is set.
assert_talks() { # FD
  local reply expected="hello $1"
  [[ ! ${CAPITALS-} ]] || expected=${expected^^}
  [[ ! ${LENGTHS-} ]] || expected="${#expected} $expected"
  echo "hello $1" >&"$1"
  read -r -t "$LIMIT" -u "$1" reply || fail "client $1 is not answered"
  assert_equal "$reply" "$expected"
}

# That many clients are connected at the same time, and each is answered. CLIENTS are
# their descriptors.
assert_talks_to_many() { # COUNT
  local fd
  CLIENTS=()
  while ((${#CLIENTS[@]} < $1)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    CLIENTS+=("$fd")
  done
  for fd in "${CLIENTS[@]}"; do
    assert_talks "$fd"
  done
}

close_clients() {
  local fd
  for fd in "${CLIENTS[@]}"; do
    close_client "$fd"
  done
}

# A client that sends 80,000 bytes and is gone before the first is answered:
# the first answer brings a reset, and the next one is written into nothing.
send_and_vanish() {
  kill -STOP "$PID"
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  printf '%080000d' 0 >&"$fd"
  exec {fd}>&-
  kill -CONT "$PID"
}

# Listen on PORT without accepting: the kernel completes the
# handshake and takes a little, and no answer ever comes.
start_silent_server() {
  LOG=$BATS_TEST_TMPDIR/silent.log
  : >"$LOG"
  socat -dd TCP-LISTEN:0,bind=127.0.0.1 /dev/null 2>"$LOG" 3>&- &
  PID=$!
  OTHERS+=("$PID")
  wait_for_line "listening on"
  PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$LOG")
  kill -STOP "$PID"
}

# Wait for the end of a program that was started here, and for its status.
assert_exit() { # STATUS [PID]
  local pid=${2:-$PID} status=0
  wait_for has_ended "$pid"
  wait "$pid" 2>/dev/null || status=$?
  unset "STARTED[$pid]"
  assert_equal "exit status $status" "exit status $1"
}

# Assert that a process holds at most KB kB more memory than before. valgrind
# needs memory of its own, which grows with what the program has used, and so do
# the sanitizers.
assert_grew_at_most() { # KB BEFORE-KB PID
  local bound=$1 grew=$(($(memory_of "$3") - $2))
  [[ ! ${UNDER-} ]] || bound=$((bound * 16))
  [[ $BUILD != */asan ]] || bound=$((bound * 4))
  ((grew <= bound)) || fail "memory grew by $grew kB, more than $bound kB"
}

# Wait until a process has used no processor time for 0.3 seconds; under valgrind
# four times as long, since it and its peers may wait long for the processor.
settle() { # PID
  local before='' now quiet=0 end=$((SECONDS + LIMIT))
  until ((quiet == ${UNDER:+6} + 2)); do
    now=$(ticks_of "$1")
    if [[ $now == "$before" ]]; then quiet=$((quiet + 1)); else quiet=0; fi
    before=$now
    ((SECONDS < end)) || { fail "process $1 does not come to rest" || return 1; }
    sleep 0.15
  done
}

# A client that sends a file, half-closes, and reads nothing yet: the answer is
# to be read from descriptor 5. Returns when no more can be sent. (Netcat would
# not do: held up by its reader, it stops to send as well.)
start_late_reader() { # FILE
  open_client 5
  socat -u "FILE:$1" FD:5,shut-down 3>&- &
  OTHERS+=($!)
  wait_for has_unsent
  settle "$PID"
}

# The kernel is to keep next to nothing of the answers, so that the server has to.
build_with_small_buffers() { # SERVER[/PART]
  build_own "$1" \
    's/^(    int on = 1;)$/\1\n    int few = 4096;\n\n    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, \&few, sizeof(few));/' -O2
}

# A client sends 4,000 single bytes and reads nothing: each is a read of the server,
# and may cost it a piece of memory of its own.
keeps_single_bytes_small() { # SERVER[/PART]
  local before
  build_with_small_buffers "$1"
  start "${1%/*}"
  before=$(memory_of "$PID")
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    $| = 1;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 8192) or die;
    setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die;
    syswrite($s, "x" x 100000);
    for (1 .. 4000) { syswrite($s, "x"); select(undef, undef, undef, 1e-4); }
    print "sent\n"; sleep 100' "$PORT" >"$BATS_TEST_TMPDIR/sender" 3>&- &
  OTHERS+=($!)
  wait_for grep -q sent "$BATS_TEST_TMPDIR/sender"
  settle "$PID"
  assert_grew_at_most 1024 "$before" "$PID"
}

# Whether the kernel holds bytes that the server on PORT has sent and the peer
# has not taken: see proc(5), /proc/net/tcp.
has_unsent() {
  # shellcheck disable=SC2016 # awk's own $
  has_socket "$PORT" '$2 ~ port && $5 !~ /^0+:/'
}

# Whether the condition of awk holds for a line of /proc/net/tcp, see proc(5), where
# "port" is a pattern that an address with PORT matches. Another test may have
# thousands of connections: awk reads them faster than bash.
has_socket() { # PORT CONDITION
  awk -v port="$(printf ':%04X$' "$1")" "$2"' { found = 1; exit } END { exit !found }' /proc/net/tcp
}

# Assert that processes are at rest: each under a tenth of half a second of work.
assert_idle() { # PID...
  local pid before=() after
  for pid in "$@"; do before[pid]=$(ticks_of "$pid"); done
  sleep 0.5
  for pid in "$@"; do
    after=$(ticks_of "$pid")
    ((after - before[pid] <= 5)) || fail "process $pid is busy: $((after - before[pid])) ticks of 50"
  done
}

# A file of pseudo-random bytes, the same each time; letters only with text.
make_bytes() { # FILE SIZE [text]
  openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in /dev/zero 2>/dev/null |
    if [[ ${3-} ]]; then LC_ALL=C tr -dc 'a-zA-Z '; else cat; fi |
    head -c "$2" >"$1"
}

# The uppercase server's answer to standard input.
upper() {
  LC_ALL=C tr '[:lower:]' '[:upper:]'
}

# Run a command with a network of its own, where each port is free and no other
# address can be reached.
alone() { # [--etc DIR] COMMAND...
  "$ROOT/scripts/lib/alone" --check || skip "no namespaces can be made here"
  "$ROOT/scripts/lib/alone" "$@"
}

# Send a file (or standard input), half-close, print all that comes back.
ask() { # [FILE]
  timeout "$LIMIT" nc -N 127.0.0.1 "$PORT" <"${1:-/dev/stdin}"
}

# A server that waits for its clients before it leaves says so.
waits_for_clients() { # PID
  grep -q 'exiting cleanly in two seconds' "${STARTED[$1]}"
}

has_heard() { # PID
  has_ended "$1" || waits_for_clients "$1"
}

# Ask a program to end: once, or twice if it would wait. (Not more often: while
# it frees its events, a signal has its default effect again.)
stop() { # PID
  if ! waits_for_clients "$1"; then
    kill -TERM "$1"
    wait_for has_heard "$1" || kill_quietly "$1"
  fi
  has_ended "$1" || kill -TERM "$1"
  wait_for has_ended "$1" || kill_quietly "$1"
}

# Bash reports a job that was killed when it next checks its jobs: here.
kill_quietly() { # PID
  {
    kill -KILL "$1"
    within 5000 has_ended "$1" || :
    sleep 0.02
  } 2>/dev/null
}

# --- what strace sees and does ---

need_strace() {
  command -v strace >/dev/null || skip "strace is not installed"
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "strace sees valgrind's and the sanitizers' own calls"
}

# Follow the program PID; what strace sees goes into the file "trace".
trace() { # STRACE-OPTION...
  need_strace
  : >"$BATS_TEST_TMPDIR/strace.log" # what the one before has said does not count
  strace -o "$BATS_TEST_TMPDIR/trace" "$@" -p "$PID" 2>"$BATS_TEST_TMPDIR/strace.log" 3>&- &
  OTHERS+=($!)
  wait_for grep -q attached "$BATS_TEST_TMPDIR/strace.log"
}

# --- the end of a test, and of a file that is late ---

# End the test when its time is up, whatever it waits for: what runs in the
# foreground is ended, and then bash hears the signal.
keep_time() { # PID...: those of the test's own processes that live on
  local quiet age pid signal
  trap - ABRT DEBUG ERR EXIT
  exec {quiet}<> <(:)
  while read -r -t 0.5 -u "$quiet" _ || is_running "$$"; do
    age=$((EPOCHSECONDS - BEGAN))
    ((age > TEST_LIMIT)) || { ((age > LATE_TEST_LIMIT)) && [[ -e $LATE ]]; } || continue
    : >"$BATS_TEST_TMPDIR/ending"
    kill -ABRT "$$"
    find_family "$$" "$@" "$BASHPID"
    # Bash prints a message about a killed process, but none after SIGPIPE.
    for signal in PIPE KILL; do
      for pid in "${FAMILY[@]:1}"; do
        grep -qx "$pid" "$BATS_TEST_TMPDIR/started" || kill "-$signal" "$pid"
      done
      read -r -t 0.5 -u "$quiet" _ || true
    done
    rm "$BATS_TEST_TMPDIR/ending"
    BEGAN=$EPOCHSECONDS # or it would be ended again at once, while it clears up
  done
}

note_late() {
  ((EPOCHSECONDS - BEGAN < LATE_LIMIT)) || [[ -e $LATE ]] || echo "$EPOCHSECONDS" >"$LATE"
}

# All processes that a test has started end with it, without a message of bash.
course_teardown() {
  local pid status log failed=
  {
    for ((status = 0; status < 100; status++)); do
      [[ ! -e $BATS_TEST_TMPDIR/ending ]] || sleep 0.05
    done
    kill -KILL "$KEEPER"
    wait "$KEEPER"
  } 2>/dev/null || true
  # After a failure, do not wait long for a program to end.
  if [[ ${BATS_TEST_COMPLETED-} != 1 ]]; then
    note_late
    LIMIT=2
  fi
  for pid in "${OTHERS[@]}"; do
    has_ended "$pid" || kill_quietly "$pid"
    wait "$pid" 2>/dev/null || true
  done
  for pid in "${!STARTED[@]}"; do
    status=0
    has_ended "$pid" || stop "$pid"
    wait "$pid" 2>/dev/null || status=$?
    ((status == 0)) || failed+="a program ended with status $status; "
    ((status == 0)) || LIMIT=2
  done
  if [[ $failed || ${BATS_TEST_COMPLETED-} != 1 ]]; then
    note_late
    for log in "$BATS_TEST_TMPDIR"/*.log; do
      [[ ! -s $log ]] || { echo "--- ${log##*/}" && head -c 4000 "$log"; }
    done
  fi
  [[ ! $failed ]] || fail "$failed"
}

if [[ -e $LATE ]] && ((EPOCHSECONDS - $(<"$LATE") > LATE_BUDGET)); then
  fail "not run: its file had $LATE_BUDGET s more when a test had waited in vain"
fi
# make test EVENT=reactor: programs that need what the reactor lacks were not built.
if [[ ${WITHOUT-} && ${BATS_TEST_NAME-} ]]; then
  for name in $WITHOUT; do
    [[ ! " $(declare -f "$BATS_TEST_NAME") " =~ [^a-z-]"$name"[^a-z-] ]] || skip "the reactor has not all that $name calls"
  done
  unset name
fi
# (setup_file, which is not a test, has no name.)
if [[ ${BATS_TEST_NAME-} ]]; then
  read -r -a others <"/proc/$$/task/$$/children" || true # it has no line feed
  keep_time "${others[@]}" 3>&- 4>&- >/dev/null 2>&1 </dev/null &
  KEEPER=$!
  # As bats ends a test after BATS_TEST_TIMEOUT, which it names.
  trap 'BATS_TEST_TIMEOUT=$((EPOCHSECONDS - BEGAN)) bats_timeout_trap' ABRT
fi

# machine.bash -- whether labs can be graded on this machine, and if not, why.
#
# A machine that cannot run a right program must not be reported as a wrong program,
# or as a right one. So check looks first at what it needs, and then lets
# probe.c, which is known to be right, go through the same compiler, box and
# checks. What is wrong is said in words that a person can act on, and the exit
# status is 125.
#
# shellcheck disable=SC2030,SC2031 # the probe is a subshell with values of its own
# shellcheck disable=SC2034 # check and steps.bash use these variables

NEEDED_MB=64 # of disk for the build and for what the checks send
TOOLS=(awk base64 cat cc chmod cmp comm cp cut env find grep head install kill mkdir
  mkfifo mktemp mv od openssl pkg-config prlimit realpath rm sed socat sort stat
  tail timeout touch tr wc)

# Say what is wrong with the machine, and give up.
trouble() { # EN ZH
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
  say "check: nothing was graded: $1" "check：没有评分：$2" >&2
  finish 125
}

# --- what is checked each time ---

need_tools() {
  local tool missing=()
  # Bash remembers paths: a program that was removed since would seem to be there.
  hash -r
  for tool in "${TOOLS[@]}"; do
    type -P "$tool" >/dev/null || missing+=("$tool")
  done
  ((EUID != 0)) || type -P setpriv >/dev/null || missing+=(setpriv)
  ((${#missing[@]} == 0)) || trouble \
    "these programs are missing: ${missing[*]}. ./scripts/setup installs them" \
    "缺少这些程序：${missing[*]}。请运行 ./scripts/setup 安装"
}

# The limits that were set for this shell (ulimit) and the least that is needed. Limits
# that may be raised are raised.
need_limits() {
  need_limit v unlimited "address space, of which a sanitizer takes much," "kB" "地址空间（sanitizer 要占用很多）" "kB"
  need_limit d unlimited "a program's data" "kB" "程序的数据段" "kB"
  need_limit f 131072 "the size of a file" "kB" "文件大小" "kB"
  need_limit n 512 "open files" "files" "打开的文件" "个"
  need_limit t 600 "processor time" "seconds" "处理器时间" "秒"
  need_limit s 8192 "the stack" "kB" "栈" "kB"
  # A stack without a limit changes where the sanitizer finds memory.
  [[ $(ulimit -s) != unlimited ]] || ulimit -S -s 8192
  need_processes
}

need_limit() { # LETTER LEAST EN UNIT ZH UNIT-ZH
  local now least=${2/#[0-9]*/至少 $2 $6}
  # A user who may raise the hard limit raises it too.
  reaches "$(ulimit "-$1")" "$2" || ulimit -S "-$1" "$2" 2>/dev/null || ulimit "-$1" "$2" 2>/dev/null || true
  now=$(ulimit "-$1")
  reaches "$now" "$2" || trouble \
    "the limit of $3 (ulimit -$1) is $now $4 here, and must be ${2/#[0-9]*/$2 $4 or more}. Use a shell without this limit, or ask for a higher one" \
    "这里$5的限制（ulimit -$1）是 $now $6，需要${least/#unlimited/不加限制}。请换一个没有这项限制的 shell，或申请提高限制"
}

reaches() { # LIMIT LEAST
  [[ $1 == unlimited ]] || { [[ $2 != unlimited ]] && (($1 >= $2)); }
}

# The limit of processes counts all that the user has, with their threads.
need_processes() {
  local limit all
  limit=$(ulimit -u)
  ((EUID != 0)) && [[ $limit != unlimited ]] && ((limit < 4096)) || return 0
  all=$(find /proc -maxdepth 3 -mindepth 3 -path '/proc/[0-9]*/task/*' -user "$EUID" 2>/dev/null | wc -l) || true
  ((limit >= all + 100)) || trouble \
    "this machine limits your processes to $limit (ulimit -u), and $all are running already; a hundred more are needed. Use a shell without this limit, or end some of them" \
    "这台机器把你的进程数限制为 $limit（ulimit -u），现在已有 $all 个，还需要一百个。请换一个没有这项限制的 shell，或结束一些进程"
}

# The folder in which a lab is built and run.
make_room() {
  local where=${TMPDIR:-/tmp} how
  how=$(say "set TMPDIR to another folder: TMPDIR=DIR make ..." "请把 TMPDIR 设为另一个文件夹：TMPDIR=DIR make ……")
  [[ -d $where ]] || trouble "the folder for temporary files, $where, does not exist; create it, or $how" \
    "临时文件夹 $where 不存在；请创建它，或者$how"
  ROOM=$(mktemp -d "$where/lab.XXXXXX" 2>&1) || trouble \
    "no folder can be made in $where: ${ROOM##*: }. Make room there, or $how" \
    "无法在 $where 中建立文件夹：${ROOM##*: }。请清理出空间，或者$how"
  # The user in the box has to pass through.
  chmod 711 "$ROOM"
  need_space "$ROOM" "$where" "$how"
  need_execution "$where" "$how"
  mkdir "$ROOM/build" && mkfifo "$ROOM/never"
}

need_space() { # FOLDER NAME HOW
  local free inodes
  free=$(df -P -k -- "$1" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }') || free=
  [[ ! $free ]] || ((free >= NEEDED_MB)) || trouble \
    "in $2 only $free MB are free; $NEEDED_MB MB are needed. Make room there, or $3" \
    "$2 只剩 $free MB 空间，需要 $NEEDED_MB MB。请清理出空间，或者$3"
  # A file system that makes inodes as it needs them says 0 of 0.
  inodes=$(df -P -i -- "$1" 2>/dev/null | awk 'NR == 2 && $2 > 0 { print $4 }') || inodes=
  [[ ! $inodes ]] || ((inodes >= 200)) || trouble \
    "in $2 only $inodes more files can be made (df -i). Remove some there, or $3" \
    "$2 只能再建 $inodes 个文件（df -i）。请删除一些文件，或者$3"
  can_write "$1" || trouble "nothing can be written in $2: is the disk or your quota full? Make room there, or $3" \
    "无法写入 $2：磁盘或配额是不是满了？请清理出空间，或者$3"
}

can_write() { # FOLDER
  local ok=0
  { head -c 1048576 /dev/zero >"$1/.space"; } 2>/dev/null || ok=1
  rm -f "$1/.space" 2>/dev/null || ok=1
  return "$ok"
}

# Programs can be run from there. (On a file system that is mounted with noexec, a
# script cannot be run either.)
need_execution() { # NAME HOW
  printf '#!/bin/sh\n' >"$ROOM/runs"
  chmod 755 "$ROOM/runs"
  ("$ROOM/runs") 2>/dev/null || trouble \
    "no program can be run from $1: its file system is mounted with noexec. You can $2" \
    "$1 中的程序无法运行：它的文件系统以 noexec 方式挂载。$2"
  ((EUID != 0)) || (cd / && setpriv "--reuid=$OTHER_USER" "--regid=$OTHER_USER" --clear-groups "$ROOM/runs") 2>/dev/null || trouble \
    "root runs the programs as another user, who cannot pass through $1: chmod a+x it and the folders above it, or $2" \
    "root 以另一个用户的身份运行程序，而该用户无法进入 $1：请对它和上层文件夹执行 chmod a+x，或者$2"
  rm "$ROOM/runs"
}

need_memory() {
  local name size
  while read -r name size _; do
    [[ $name != MemAvailable: ]] || ((size >= 131072)) || trouble \
      "only $((size / 1024)) MB of memory are free; 128 MB are needed. End some programs" \
      "内存只剩 $((size / 1024)) MB，需要 128 MB。请结束一些程序"
  done </proc/meminfo
}

# No process listens on port 1: if this is reported at once, the loopback works.
has_loopback() {
  local words
  words=$( (exec 3<>/dev/tcp/127.0.0.1/1) 2>&1) || [[ $words == *refused* ]]
}

need_loopback() {
  has_loopback || tell_no_loopback
}

tell_no_loopback() {
  trouble "this machine has no loopback network (127.0.0.1): try 'ip link set lo up' as root" \
    "这台机器没有回环网络（127.0.0.1）：请以 root 身份运行 ip link set lo up"
}

# Why no namespaces can be made, for the person who has to change it.
explain_namespaces() {
  local file=/proc/sys/user/max_user_namespaces
  if ! type -P bwrap >/dev/null; then
    say "bubblewrap (bwrap) is missing: ./scripts/setup installs it" "缺少 bubblewrap（bwrap）：请运行 ./scripts/setup 安装"
  elif [[ -r $file && $(<"$file") == 0 ]]; then
    say "$file is 0" "$file 为 0"
  elif file=/proc/sys/kernel/unprivileged_userns_clone && [[ -r $file && $(<"$file") == 0 ]]; then
    say "$file is 0" "$file 为 0"
  elif file=/proc/sys/kernel/apparmor_restrict_unprivileged_userns && [[ -r $file && $(<"$file") == 1 ]]; then
    say "$file is 1" "$file 为 1"
  else
    say "bwrap says: $( (box true) 2>&1 | head -n 1)" "bwrap 的回答：$( (box true) 2>&1 | head -n 1)"
  fi
}

# Whether the machine still works: the disk may have become full meanwhile.
is_sound() {
  WHY=$(
    finish() { exit "$1"; }
    {
      need_space "$ROOM" "${ROOM%/*}" "$(say "set TMPDIR" "设置 TMPDIR")"
      can_write "${RESULTS%/*}" || trouble "nothing can be written in ${RESULTS%/*}" "无法写入 ${RESULTS%/*}"
      need_loopback
      (box true) >/dev/null 2>&1 || trouble "the box in which programs run can no longer be made" "无法再建立运行程序的沙箱"
    } 2>&1
  )
}

# --- the program that is known to be right ---

# All that could change the result since the last time, as text.
state_of_machine() {
  local library files=()
  echo "$KIND $EUID $PATH $PREFIX ${CC-}"
  ulimit -a
  ulimit -H -a
  grep -hE '^(Cap|Seccomp|NoNewPrivs)' /proc/self/status
  for library in asan ubsan; do files+=("$(cc "-print-file-name=lib$library.so")"); done
  for library in cc ld as bwrap socat prlimit setpriv timeout openssl; do
    files+=("$(type -P "$library")")
  done
  stat -L -c '%n %s %i %Y' -- "${files[@]}" {/usr,"$PREFIX"}/{include,lib*,lib/*}/{event2/event.h,sys/queue.h,libevent*.so,libc.so} 2>&1
  cat /proc/sys/kernel/{random/boot_id,osrelease,randomize_va_space} /proc/sys/vm/{overcommit_memory,mmap_rnd_bits} \
    /proc/sys/user/max_user_namespaces /sys/fs/cgroup/{memory,pids}.max 2>&1
  cat "$HERE"/{check,*.bash,*.c,../lib/process.bash} | cksum
} 2>/dev/null

# Run a program that is known to be right, unless it has passed on a machine in this
# state within the last hour.
prove_machine() {
  local state known="${HERE%/scripts/labs}/build/labs/.machine-$KIND-$EUID"
  state=$(state_of_machine) || true
  [[ ! -f $known || $(<"$known") != "$state" || ! $(find "$known" -mmin -60) ]] || return 0
  (
    NAME=probe LIBRARIES=-levent_core RESULTS=$ROOM/records
    SOURCE=$HERE/probe.c FOLDER=$ROOM/probe LAB=$ROOM/probe
    # The program is right, so the limits need only end a hang: a busy machine is not at fault.
    PATIENCE=100 CHECK_S=30
    mkdir -p "$FOLDER" "$ROOM/work"
    PROGRAM=/box/$NAME
    [[ $KIND == namespaces ]] || PROGRAM=$FOLDER/$NAME
    : >"$RESULTS"
    cp "$SOURCE" "$FOLDER"
    chmod 644 "$FOLDER/$NAME.c"
    build || explain_build
    in_a_check probe_serves >"$ROOM/words" 2>&1 </dev/null || explain_run
    in_a_check probe_is_caught leak LeakSanitizer >"$ROOM/words" 2>&1 </dev/null || explain_run leak
    in_a_check probe_is_caught crash 'heap-use-after-free' >"$ROOM/words" 2>&1 </dev/null || explain_run crash
  ) || finish 125
  rm -rf "$ROOM/probe" "$ROOM/records"
  # If this cannot be written, the next run does it again.
  { mkdir -p "${known%/*}" && echo "$state" >"$known.new$$" && mv "$known.new$$" "$known"; } 2>/dev/null || true
}

probe_serves() {
  local name
  step "the server listens" "服务器开始监听"
  find_all_leaks
  start
  note_resources
  step "two clients get answers" "两个客户端得到应答"
  for name in A B; do
    connect "$name"
    send "$name" 'hello\n'
    expect "$name" 'hello\n'
  done
  step "a client leaves, and its descriptor is closed" "一个客户端离开，其描述符关闭"
  close A
  close B
  expect_descriptors_back
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

probe_is_caught() { # HOW WORD
  step "the sanitizer reports the error" "sanitizer 报告这个错误"
  run "$1"
  expect_exit 99
  expect_error "$2"
  # The report was expected: it is not a failure.
  : >"$WORK/stderr"
}

# --- the cause of a failure, from the messages ---

explain_build() {
  local log
  log=$(<"$ROOM/build.log")
  case $log in
    *'cannot find'*asan* | *libasan*'No such file'* | *'cannot find'*ubsan* | *libclang_rt*)
      trouble "the compiler has no address sanitizer: install libasan and libubsan (./scripts/setup; on Fedora: dnf install libasan libubsan)" \
        "编译器没有 address sanitizer：请安装 libasan 和 libubsan（./scripts/setup；Fedora：dnf install libasan libubsan）"
      ;;
    *event2/*'No such file'*)
      trouble "the headers of libevent are missing: ./scripts/setup installs them" "缺少 libevent 的头文件：请运行 ./scripts/setup 安装"
      ;;
    *'cannot find'*levent*)
      trouble "the library libevent is missing: ./scripts/setup installs it" "缺少 libevent 库：请运行 ./scripts/setup 安装"
      ;;
    *sys/queue.h*'No such file'*)
      trouble "the header sys/queue.h is missing: ./scripts/setup installs it (on Alpine: apk add bsd-compat-headers)" \
        "缺少头文件 sys/queue.h：请运行 ./scripts/setup 安装（Alpine：apk add bsd-compat-headers）"
      ;;
    *.h*'No such file'*)
      trouble "the headers of the C library are missing: ./scripts/setup installs them" "缺少 C 库的头文件：请运行 ./scripts/setup 安装"
      ;;
    *'No space left'* | *'quota exceeded'*)
      trouble "the disk or your quota is full: make room in ${ROOM%/*}" "磁盘或配额已满：请在 ${ROOM%/*} 清理出空间"
      ;;
    *'memory exhausted'* | *'out of memory'* | *'Cannot allocate memory'* | *'Killed signal'*)
      trouble "the compiler has too little memory: end some programs, or ask for a higher limit" \
        "编译器的内存不够：请结束一些程序，或申请提高限制"
      ;;
  esac
  trouble "a program that is known to be right cannot be compiled here. The compiler says:
$(head -n 12 "$ROOM/build.log" | sed 's/^/  | /')" \
    "一个已知正确的程序在这里无法编译。编译器的输出：
$(head -n 12 "$ROOM/build.log" | sed 's/^/  | /')"
}

explain_run() { # [leak|crash]
  local words
  words=$(cat "$ROOM/words" "$ROOM"/work/{stdout,stderr,A.log} 2>/dev/null | tr -d '\0' | grep -v '^[^:]* [DIN] ') || true
  case $words in
    *'failed to intercept'* | *ReserveShadow* | *'failed to allocate'* | *'failed to mmap'* | *'Shadow memory'*)
      trouble "the address sanitizer cannot have the memory that it needs: is the address space limited (ulimit -v), or vm.overcommit_memory 2?" \
        "address sanitizer 得不到所需的内存：是不是限制了地址空间（ulimit -v），或者 vm.overcommit_memory 为 2？"
      ;;
    *'LeakSanitizer has encountered a fatal error'* | *'does not work under ptrace'*)
      trouble "the leak sanitizer cannot look at a program here: do not run this under strace or gdb; a container needs --cap-add SYS_PTRACE" \
        "leak sanitizer 在这里无法检查程序：不要在 strace 或 gdb 下运行；容器需要 --cap-add SYS_PTRACE"
      ;;
    *'error while loading shared libraries'*)
      trouble "a library is missing: $(grep -m 1 'loading shared libraries' <<<"$words" | sed 's/.*libraries: //'). ./scripts/setup installs it" \
        "缺少库：$(grep -m 1 'loading shared libraries' <<<"$words" | sed 's/.*libraries: //')。请运行 ./scripts/setup 安装"
      ;;
    *fork*'Resource temporarily unavailable'* | *'cannot fork'*)
      trouble "no more processes can be started: there are too many (ulimit -u). End some of them" \
        "无法再启动进程：进程太多（ulimit -u）。请结束一些进程"
      ;;
    *'Cannot assign requested address'* | *'Network is unreachable'*)
      tell_no_loopback
      ;;
  esac
  case ${1-} in
    leak) trouble "a leak is not found on this machine: is the leak sanitizer at work (ASAN_OPTIONS, a tracer)?" "这台机器发现不了内存泄漏：leak sanitizer 能用吗（ASAN_OPTIONS、跟踪器）？" ;;
    crash) trouble "a use of freed memory is not found on this machine: is the address sanitizer at work?" "这台机器发现不了对已释放内存的使用：address sanitizer 能用吗？" ;;
  esac
  trouble "a program that is known to be right fails here. What failed, and what was said:
$({ grep -a '^fail' "$RESULTS" | cut -f 2 && grep -a '^why' "$RESULTS" | cut -f 2 && head -n 8 <<<"$words"; } | sed 's/^/  | /')" \
    "一个已知正确的程序在这里失败了。失败的步骤和相关输出：
$({ grep -a '^fail' "$RESULTS" | cut -f 3 && grep -a '^why' "$RESULTS" | cut -f 3 && head -n 8 <<<"$words"; } | sed 's/^/  | /')"
}

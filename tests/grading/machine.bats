# machine.bats -- what is wrong with a machine is told as that, in words that a person
# can act on, with the exit status 125, and never as a result of a lab.

setup_file() {
  load ../lib/labs
  make_course "$BATS_FILE_TMPDIR/course"
}

setup() {
  load ../lib/labs
  enter_course
  hand_in
  # The user of the box has to reach what a test makes.
  BIN=$(mktemp -d)
  chmod 755 "$BIN"
}

teardown() {
  rm -rf "$BIN"
}

# All three ways to grade say so, in English and in Chinese, and none gives points.
is_told() { # ENGLISH CHINESE COMMAND...: both regular expressions, the command with "$@"
  run --separate-stderr "${@:3}" scripts/labs/lab run 03-tiny
  assert_equal "$status" 125
  [[ $stderr =~ check:\ nothing\ was\ graded:\ .*$1 ]] || fail "said: $stderr"
  refute_output --regexp 'score|Passed'
  [[ ! -s labs/.progress ]] || fail "it was remembered"
  run --separate-stderr "${@:3}" env LANG=zh_CN.UTF-8 scripts/labs/check --hidden "$LAB" "$MINE" "$BIN/results"
  assert_equal "$status" 125
  [[ $stderr =~ check：没有评分：.*$2 ]] || fail "said: $stderr"
  run --separate-stderr "${@:3}" scripts/labs/teacher/test-labs tiny
  assert_equal "$status" 125
  [[ $stderr =~ $1 ]] || fail "said: $stderr"
  mkdir -p "$BIN/in/ann" && cp "$MINE" "$BIN/in/ann"
  run --separate-stderr "${@:3}" scripts/labs/teacher/grade "$BIN/in" "$BIN/grades"
  assert_equal "$status" 125
  [[ $stderr =~ $1 ]] || fail "said: $stderr"
}

# Run a command where some file systems are others; only root can have that.
remounted() { # MOUNT-COMMANDS COMMAND...
  unshare --mount --propagation private sh -c "$1"' && shift && exec "$@"' sh "$@"
}

can_remount() {
  { ((EUID == 0)) && remounted true true 2>/dev/null; } || skip "only root can mount, and not everywhere"
}

# A folder with all programs of the system but some.
programs_without() { # NAME...
  local name
  mkdir "$BIN/bin"
  ln -s /usr/bin/* "$BIN/bin"
  for name in "$@"; do rm -f "$BIN/bin/$name"; done
}

# The scripts' preamble then takes /tmp.
@test "a folder for temporary files that cannot be had does no harm" {
  touch "$BIN/file"
  for folder in "$BIN/none" "$BIN/file"; do
    run -0 env "TMPDIR=$folder" scripts/labs/lab run 03-tiny
    assert_output --partial "Passed."
  done
}

@test "a folder for temporary files where nothing can be run, or that is full or small" {
  can_remount
  mkdir "$BIN/tmp"
  export TMPDIR=$BIN/tmp
  is_told "no program can be run from $BIN/tmp: its file system is mounted with noexec" '以 noexec 方式挂载' \
    remounted "mount -t tmpfs -o noexec none $BIN/tmp"
  is_told "only [0-9]+ MB are free; 64 MB are needed" "只剩 [0-9]+ MB 空间" \
    remounted "mount -t tmpfs -o size=20m none $BIN/tmp"
  is_told "only 0 MB are free|No space left on device" '只剩 0 MB|No space left' \
    remounted "mount -t tmpfs -o size=1m none $BIN/tmp && head -c 1M /dev/zero >$BIN/tmp/full"
  is_told 'only [0-9]+ more files can be made' '只能再建 [0-9]+ 个文件' \
    remounted "mount -t tmpfs -o nr_inodes=40 none $BIN/tmp"
  run -0 remounted "mount -t tmpfs -o ro none $BIN/tmp" scripts/labs/lab run 03-tiny
  assert_output --partial "Passed."
}

@test "a folder for temporary files that the box's user cannot reach" {
  ((EUID == 0)) || skip "for root alone"
  mkdir -m 700 "$BIN/closed"
  is_told "cannot pass through $BIN/closed" '无法进入' env TMPDIR="$BIN/closed"
}

@test "limits of the shell are reported with their letter" {
  local letter value
  # shellcheck disable=SC2016 # for the inner shell
  while read -r letter value; do
    bash -c "ulimit -$letter $value && ! ulimit -H -$letter unlimited" 2>/dev/null || continue
    [[ $letter == [vd] ]] || ! bash -c "ulimit -$letter $value && ulimit -H -$letter 10000000" 2>/dev/null || continue
    is_told "\(ulimit -$letter\) is $value " "（ulimit -$letter）是 $value " \
      bash -c 'ulimit -'"$letter $value"' && exec "$@"' bash
  done < <(printf '%s\n' 'v 4000000' 'd 400000' 'f 1000' 'n 100' 't 20' 's 100')
}

@test "a limit that may be raised is raised" {
  run bash -c 'ulimit -S -v 4000000 -f 1000 -n 100 -s 100 && exec scripts/labs/lab run 03-tiny'
  assert_success
}

@test "too few processes for a user are told" {
  ((EUID == 0)) || skip "for root alone"
  chmod -R a+rX "$COURSE" && chmod a+x "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR"
  run --separate-stderr setpriv --reuid=61000 --regid=61000 --clear-groups --no-new-privs \
    bash -c 'ulimit -u 50 && exec scripts/labs/check --check'
  assert_equal "$status" 125
  [[ $stderr == *"limits your processes to 50 (ulimit -u)"* ]]
}

@test "missing programs are reported by their names" {
  programs_without socat prlimit
  is_told 'these programs are missing: prlimit socat. ./scripts/setup installs them' '缺少这些程序：prlimit socat' env PATH="$BIN/bin"
}

@test "a compiler without the sanitizers, and headers that are missing" {
  can_remount
  local folder
  folder=$(dirname "$(cc -print-file-name=libasan.so)")
  mkdir "$BIN/empty"
  cp -r "$folder" "$BIN/gcc"
  rm "$BIN"/gcc/lib{a,ub}san*
  is_told 'the compiler has no address sanitizer: install libasan' '没有 address sanitizer' \
    remounted "mount --bind $BIN/gcc $folder"
  is_told 'the headers of libevent are missing' '缺少 libevent 的头文件' \
    remounted "mount --bind $BIN/empty /usr/include/event2"
}

@test "a machine without the loopback network" {
  { ((EUID == 0)) && unshare --net true 2>/dev/null; } || skip "only root can make a network"
  is_told 'this machine has no loopback network' '没有回环网络' env SANDBOX=no unshare --net
}

@test "missing bubblewrap is reported where it is needed" {
  ((EUID != 0)) || skip "root can do without"
  programs_without bwrap unshare
  is_told 'bubblewrap \(bwrap\) is missing' '缺少 bubblewrap' env PATH="$BIN/bin"
}

@test "a locale that does not exist, or has another encoding, changes nothing" {
  local locale
  for locale in xx_YY.UTF-8 zh_CN.GBK zh_TW.Big5 POSIX; do
    LC_ALL=$locale run --separate-stderr scripts/labs/lab run 03-tiny
    assert_success
    assert_line --regexp '^(score: 10 of 10|得分：10/10)'
    LC_ALL=$locale run --separate-stderr scripts/labs/lab list
    assert_line --regexp '^  03-tiny +██████████ 10/10 '
  done
}

@test "a disk that fills up in the middle is reported, whatever the check does" {
  can_remount
  mkdir "$BIN/tmp"
  export TMPDIR=$BIN/tmp
  # shellcheck disable=SC2016 # for the check
  sed -i 's/^  expect_nothing A/  head -c 200M \/dev\/zero >$WORK\/fill || true\n&/' "$LAB/checks.bash"
  run --separate-stderr remounted "mount -t tmpfs -o size=100m none $BIN/tmp" scripts/labs/lab run 03-tiny
  assert_equal "$status" 125
  [[ $stderr =~ nothing\ was\ graded:\ .*(No\ space\ left\ on\ device|only\ [0-9]+\ MB\ are\ free) ]] || fail "said: $stderr"
  refute_output --partial score
}

@test "a check that ends by a mistake of its own is no result, neither bad nor good" {
  local mistake
  # One that goes on after it, one that bash ends, one that cannot be read.
  # shellcheck disable=SC2016 # for the check
  for mistake in 's/^  expect_nothing A/  conect A/' 's/^  expect_nothing A/  echo "$NOTHING"/' 's/^  expect_nothing A/  if/'; do
    cp "$LAB/checks.bash" "$BIN/checks"
    sed -i "$mistake" "$LAB/checks.bash"
    run --separate-stderr scripts/labs/lab run 03-tiny
    assert_equal "$status" 125
    [[ $stderr =~ conect:\ command\ not\ found|NOTHING:\ unbound|syntax\ error ]] || fail "said: $stderr"
    refute_output --partial score
    # Nor is it a wrong program that is caught.
    run --separate-stderr scripts/labs/teacher/test-labs tiny
    assert_equal "$status" 125
    mkdir -p "$BIN/in/ann" && cp "$MINE" "$BIN/in/ann"
    LABS=03-tiny run --separate-stderr scripts/labs/teacher/grade "$BIN/in" "$BIN/grades"
    assert_failure
    cp "$BIN/checks" "$LAB/checks.bash"
  done
}

@test "a folder where no result can be written is reported" {
  can_remount
  mkdir -p build/labs
  run --separate-stderr remounted "mount -t tmpfs -o ro none build/labs" scripts/labs/lab run 03-tiny
  assert_equal "$status" 125
  assert_equal "$stderr" "lab: cannot write build/labs/03-tiny/results: is the disk full, or does the folder belong to somebody else? Nothing was checked."
}

@test "a machine that was found sound is not proved again, until it changes" {
  scripts/labs/check --check
  run bash -c 'PS4="+ " bash -x scripts/labs/check --check 2>&1 | grep -c probe.c'
  assert_output 0
  can_remount
  mkdir "$BIN/empty"
  run --separate-stderr remounted "mount --bind $BIN/empty /usr/include/event2" scripts/labs/check --check
  assert_equal "$status" 125
}

@test "a machine on which everything takes long is not reported as broken" {
  rm -f build/labs/.machine-*
  PATIENCE=0 run scripts/labs/check --check
  assert_success
}

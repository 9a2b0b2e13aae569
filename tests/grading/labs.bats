# labs.bats -- the student's side of the labs.

setup_file() {
  load ../lib/labs
  make_course "$BATS_FILE_TMPDIR/course"
}

setup() {
  load ../lib/labs
  enter_course
}

teardown() {
  [[ ! ${BIN-} ]] || rm -r "$BIN"
}

# What is written in the language of a reader.
chinese() {
  LANG=zh_CN.UTF-8 "$@"
}

@test "make labs lists each lab with its title, points and what was reached" {
  run make -s labs
  assert_success
  assert_line --regexp '^  03-tiny +░░░░░░░░░░  0/10  make \* +20 min  a title$'
  hand_in
  scripts/labs/lab run 03-tiny
  run make -s labs
  assert_line --regexp '^  03-tiny +██████████ 10/10 '
  assert_line --partial '10 of 10 points'
}

@test "make lab-03 puts the starter there, says that red is expected, and fails" {
  PATIENCE=5 run make -s lab-03
  assert_failure
  assert_line 'The first run is meant to be red: it shows what is to be done.'
  assert_line "The starter is in $MINE: this file is yours now."
  assert_line --partial '✗ a client gets its line back  (0 of 4 points)'
  assert_line --regexp '^score: 0 of 10 \(0 %\)$'
  run cmp "$MINE" <(scripts/labs/source starter "$LAB")
  assert_success
}

@test "the second run says no more that red is expected, and keeps the student's file" {
  PATIENCE=5
  scripts/labs/lab run 03 || true
  echo '/* mine */' >>"$MINE"
  run scripts/labs/lab run 03
  refute_line --partial 'meant to be red'
  run tail -n 1 "$MINE"
  assert_output '/* mine */'
}

@test "make lab-03-tiny succeeds for a right solution" {
  hand_in
  run make -s lab-03-tiny
  assert_success
  assert_line 'score: 10 of 10 (100 %)'
}

# A program that answers with the wrong fourth byte.
hand_in_wrong() {
  hand_in 's/^    if \(bufferevent_write_buffer.*/    if (bufferevent_write(bev, "help!\\n", 6) < 0)/'
}

@test "a failed check shows the steps before it, what was sent, expected and came, and where to read" {
  hand_in_wrong
  run scripts/labs/lab run 03-tiny
  assert_failure 1
  run sed -n '/gets its line back  (/,/read on/p' <<<"$output"
  assert_output '  ✗ a client gets its line back  (0 of 4 points)
      ✓ the server listens
      ✗ A sends a line and gets it back
          sent      hello\n
          expected  hello\n
          received  help!\n
                       ^ byte 4 of 6
      read on: chapters/03-event/README.md, "How it works"'
}

@test "the tool speaks Chinese where LANG does, to the same end" {
  hand_in_wrong
  run chinese scripts/labs/lab run 03-tiny
  assert_failure 1
  run sed -n '/收回自己发出的一行  (/,/参考/p' <<<"$output"
  assert_output '  ✗ 客户端能收回自己发出的一行  (0/4 分)
      ✓ 服务器开始监听
      ✗ A 发出一行并原样收回
          发送  hello\n
          期望  hello\n
          收到  help!\n
                   ^ 第 4 字节，共 6 字节
      参考：chapters/03-event/README.zh.md，“工作原理”'
  run chinese scripts/labs/lab list
  assert_line --partial '标题'
  run chinese scripts/labs/lab --help
  assert_line --index 0 '用法：scripts/labs/lab list | summary'
  hand_in 's/^    event_base_loopbreak\(arg\);/    exit(0);/'
  run chinese scripts/labs/lab run 03-tiny
  assert_line '          sanitizer:  LeakSanitizer：有内存一直没有释放'
  assert_line '得分：8/10（80%）'
}

@test "a hint a time, three in all, in both languages" {
  run scripts/labs/lab hint 03-tiny
  assert_line --index 0 '03-tiny: hint 1 of 3'
  assert_line --index 1 'where to look'
  run chinese scripts/labs/lab hint 03-tiny
  assert_line --index 0 '03-tiny：提示 2/3'
  assert_line --index 1 '用哪个函数'
  scripts/labs/lab hint 03-tiny
  run scripts/labs/lab hint 03-tiny
  assert_line --index 0 'There is no further hint. Once more, from the first:'
  assert_line --index 1 '03-tiny: hint 1 of 3'
  assert_line --index 5 '03-tiny: hint 3 of 3'
}

@test "a long hint is folded at its spaces, and no line ends in one" {
  sed -i "0,/^where to look/s//& $(printf 'word %.0s' {1..40})/" "$LAB/HINTS.md"
  run scripts/labs/lab hint 03-tiny
  assert_success
  assert_line --index 1 --regexp '^where to look( word)+$'
  assert_line --index 2 --regexp '^(word )+word$'
  refute_line --regexp '.{79}'
}

@test "make reset-03-tiny keeps the student's file before it puts the starter back" {
  hand_in
  cp "$MINE" "$BATS_TEST_TMPDIR/before"
  run make -s reset-03-tiny
  assert_success
  cmp labs/03-tiny/tiny.c.*.bak "$BATS_TEST_TMPDIR/before"
  cmp "$MINE" <(scripts/labs/source starter "$LAB")
  run scripts/labs/lab reset 03-tiny
  assert_output "$MINE is the starter already."
  # The box's user can read it, also where an editor has closed it to others.
  chmod 600 "$MINE"
  PATIENCE=5 run scripts/labs/lab run 03-tiny
  refute_output --partial "does not compile"
}

@test "make watch-03-tiny runs the lab again when the file is saved" {
  scripts/labs/lab run 03-tiny >/dev/null || true
  scripts/labs/lab watch 03-tiny >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
  watcher=$!
  # entr watches once it has run the lab.
  for ((i = 0; i < 1000; i++)); do
    ! grep -q '^score: 0 of 10' "$BATS_TEST_TMPDIR/log" || break
    sleep 0.05
  done
  for ((i = 0; i < 1000; i++)); do
    ((i % 40)) || hand_in
    ! grep -q '^score: 10 of 10' "$BATS_TEST_TMPDIR/log" || break
    sleep 0.05
  done
  kill "$watcher"
  run cat "$BATS_TEST_TMPDIR/log"
  assert_line 'score: 10 of 10 (100 %)'
}

@test "make watch-03-tiny says at each run that it watches, how to stop, and when it ran" {
  hand_in
  LAB_WATCHED=yes run scripts/labs/lab run 03-tiny
  assert_line --regexp "^Last run at [0-9:]{8}. Watching $MINE: save it to run again; Ctrl-C ends this\.$"
  LAB_WATCHED=yes run chinese scripts/labs/lab run 03-tiny
  assert_line --regexp "^最近一次运行：[0-9:]{8}。正在监视 $MINE：保存即重新运行"
  run scripts/labs/lab run 03-tiny
  refute_output --partial 'Watching'
}

@test "each run says how to run the program by hand, and the command works" {
  hand_in
  scripts/labs/lab run 03-tiny
  run scripts/labs/lab run 03-tiny
  run sed -n 's/^Run it by hand: //p' <<<"$output"
  assert_equal "${#lines[@]}" 1
  run timeout 5 sh -c "$output 99999"
  assert_output 'usage: tiny [PORT]'
}

@test "make labs keeps the best score beside the last, and says what its words mean" {
  hand_in
  scripts/labs/lab run 03-tiny
  run scripts/labs/lab list
  refute_output --partial '(best'
  hand_in 's/SIGTERM/SIGUSR2/'
  scripts/labs/lab run 03-tiny || true
  run scripts/labs/lab list
  assert_line --regexp '^  03-tiny +████████░░  8/10  ?\(best 10\)  make \* '
  assert_line --partial 'mend: find the mistake in a program and mend it; make: write what is missing in one.'
  assert_line --partial '* is easy, ***** is hard; min:'
  run chinese scripts/labs/lab list
  assert_line --regexp '  03-tiny .* 8/10 （最高 10）'
  # A file that an earlier version wrote has no best score.
  echo '03-tiny 6 10 1' >labs/.progress
  run scripts/labs/lab list
  assert_line --regexp '^  03-tiny +██████░░░░  6/10  make'
}

@test "make compare-03-tiny shows the solution once the lab is passed, and not before" {
  hand_in 's/SIGTERM/SIGUSR2/'
  scripts/labs/lab run 03-tiny || true
  run make -s compare-03-tiny
  assert_failure
  assert_line --index 0 '03-tiny is not passed yet. Once it is, this shows the reference solution beside your file. A hint: make hint-03-tiny'
  hand_in 's/conn_free/end_of_conn/'
  run scripts/labs/lab run 03-tiny
  assert_line 'Passed. make compare-03-tiny shows the reference solution beside yours; make labs shows what is left.'
  run make -s compare-03-tiny
  assert_success
  assert_line --index 0 "- $MINE (yours)   + the reference solution: one way among others"
  assert_line '-static void end_of_conn(struct conn *conn)'
  assert_line '+static void conn_free(struct conn *conn)'
  hand_in
  run scripts/labs/lab compare 03-tiny
  assert_output 'Your file is the same as the reference solution.'
  # A student's copy of the course has none.
  scripts/labs/source starter "$LAB" >"$LAB/tiny.c"
  rm -r "$LAB/solution"
  run scripts/labs/lab compare 03-tiny
  assert_failure
  assert_output 'This copy of the course holds no solutions: ask your teacher.'
  run scripts/labs/lab run 03-tiny
  assert_line 'Passed. make labs shows what is left.'
}

@test "the solution does not lie where the task is, and who opens it is warned" {
  run find "$ROOT"/chapters/*/labs/*/ -maxdepth 1 -name '*.c'
  assert_output ""
  for file in "$ROOT"/chapters/*/labs/*/solution/*.c "$COURSE/$LAB/solution/tiny.c"; do
    run head -n 1 "$file"
    assert_output '/* Starter and solution in one: look once you have passed (make compare-NN). */'
  done
  run grep -rlE '\(.*solution/' "$ROOT"/chapters --include='TASK*.md' --include='README*.md'
  assert_output ""
}

@test "the same crash under several checks is told once" {
  hand_in 's/^    if \(bufferevent_write_buffer.*/    *(volatile int *)arg = *(volatile int *)8;\n&/'
  run scripts/labs/lab run 03-tiny
  assert_equal "$(grep -c 'sanitizer:  AddressSanitizer: SEGV' <<<"$output")" 1
  assert_equal "$(grep -c '^          the same crash as above$' <<<"$output")" 3
  run chinese scripts/labs/lab run 03-tiny
  assert_line '          与上面相同的崩溃'
  # A grader's machine may show each check alone.
  run scripts/labs/report --json "$LAB" build/labs/03-tiny/results
  assert_equal "$(jq '[.checks[].output | select(contains("SEGV"))] | length' <<<"$output")" 4
}

@test "a lab that is not there is an error that lists those that are" {
  run --separate-stderr scripts/labs/lab run 03-nothing
  assert_failure 2
  assert_equal "${stderr_lines[0]}" "lab: no lab '03-nothing'. There are:"
  assert_equal "${stderr_lines[1]}" "  03-tiny"
}

@test "a chapter's number stands for its lab that was checked last, or the first that is not passed" {
  scripts/labs/teacher/new-lab 03 other
  scripts/labs/lab run 03-tiny || true
  run scripts/labs/lab hint 03
  assert_line --index 0 '03-tiny: hint 1 of 3'
  hand_in
  scripts/labs/lab run 03-tiny
  run scripts/labs/lab hint 03
  assert_line --index 0 '03-other: hint 1 of 3'
  run scripts/labs/lab hint 3-tiny
  assert_line --index 0 '03-tiny: hint 2 of 3'
  run scripts/labs/lab hint tiny
  assert_line --index 0 '03-tiny: hint 3 of 3'
}

@test "a program that does not compile is reported with the compiler's words" {
  hand_in 's/^int main\(.*/int main(int argc, char **argv, what)/'
  run scripts/labs/lab run 03-tiny
  assert_failure 1
  assert_line '  ✗ the program does not compile  (0 of 10 points)'
  assert_line --regexp '\| labs/03-tiny/tiny.c:[0-9]+:[0-9]+: error: '
  assert_line 'score: 0 of 10 (0 %)'
}

@test "a program that hangs, crashes, is killed or ends early is reported as such" {
  hand_in 's/^(static void read_cb.*)$/\1/; s/^    if \(bufferevent_write_buffer.*/    for (volatile int i = 1; i;);\n&/'
  run scripts/labs/lab run 03-tiny
  assert_failure 1
  assert_line --partial 'received  nothing'
  hand_in 's/^    if \(bufferevent_write_buffer.*/    *(volatile int *)arg = *(volatile int *)8;\n&/'
  run scripts/labs/lab run 03-tiny
  assert_line --partial 'sanitizer:  AddressSanitizer: SEGV'
  hand_in 's/^    if \(bufferevent_write_buffer.*/    raise(SIGKILL);\n&/'
  run scripts/labs/lab run 03-tiny
  assert_line --partial 'the program was ended by SIGKILL'
  hand_in 's/^    if \(bufferevent_write_buffer.*/    exit(7);\n&/'
  run scripts/labs/lab run 03-tiny
  assert_line --partial 'the program had ended, with exit status 7'
}

@test "what a program prints itself is kept, and told where" {
  hand_in 's/^    if \(bufferevent_write_buffer.*/    fprintf(stderr, "here I am\\n");\n    printf("and here\\n");\n    exit(7);/'
  run scripts/labs/lab run 03-tiny
  assert_line "The program's own output: build/labs/03-tiny/results.output"
  run cat build/labs/03-tiny/results.output
  assert_line --index 0 '=== a client gets its line back'
  assert_line --index 3 'and here'
  assert_line --index 5 'here I am'
}

@test "the sanitizer's report shows the line of the student's file" {
  hand_in 's/^    conn_free\(arg\);$/&\n    ((struct conn *)arg)->bev = NULL;/'
  run scripts/labs/lab run 03-tiny
  assert_failure 1
  assert_line --partial 'sanitizer:  AddressSanitizer: heap-use-after-free'
  assert_line --regexp '^          labs/03-tiny/tiny.c:[0-9]+  \(\(struct conn \*\)arg\)->bev = NULL;$'
  hand_in 's/^    conn_free\(arg\);$/&\n    free(arg);/'
  run scripts/labs/lab run 03-tiny
  assert_line '          sanitizer:  AddressSanitizer: attempting double-free'
}

@test "one that leaves by exit or _exit in a callback, or hides its leaks, has not freed all" {
  local way hidden='#include <sanitizer/lsan_interface.h>'
  for way in 'exit(0);' '_exit(0);' '__lsan_disable(); exit(0);'; do
    hand_in "s/^    event_base_loopbreak\(arg\);/    $way/; s|^#include <stdlib.h>|&\n#include <unistd.h>\n$hidden|"
    run scripts/labs/lab run 03-tiny
    assert_failure 1
    assert_line '          sanitizer:  LeakSanitizer: memory is never freed'
    assert_line 'score: 8 of 10 (80 %)'
  done
  hand_in '/^int main/i int __lsan_is_turned_off(void) { return 1; }'
  run scripts/labs/lab run 03-tiny
  assert_line --partial 'multiple definition of'
}

@test "a program that gives up says why, whatever it still holds" {
  hand_in 's/^    print_ready\(.*/    errx(1, "no more");/'
  sed -i '0,/^answers() {/s//&\n  find_all_leaks/' "$LAB/checks.bash"
  run scripts/labs/lab run 03-tiny
  assert_failure 1
  assert_line '          the program had ended, with exit status 1'
  assert_line '          | tiny: no more'
  refute_output --partial 'LeakSanitizer'
}

@test "a program that uses up memory, writes or forks without end is stopped, with a message" {
  boxed
  mkdir -p labs/03-tiny
  cp "$ROOT/tests/hostile/memory-eater.c" "$MINE"
  run scripts/labs/lab run 03-tiny
  assert_line --partial 'the program used more than 400 MB of memory and was stopped'
  cp "$ROOT/tests/hostile/endless-output.c" "$MINE"
  run scripts/labs/lab run 03-tiny
  assert_line --partial 'the program wrote more than 1 MB of output and was stopped'
  cp "$ROOT/tests/hostile/fork-bomb.c" "$MINE"
  run scripts/labs/lab run 03-tiny
  assert_line --partial 'the program started more than 24 processes and was stopped'
}

@test "a check that waits for ever is ended, and says so" {
  sed -i 's/^  expect_nothing A/  tail -f \/dev\/null/; s/^lab .*/&\nCHECK_S=1/' "$LAB/checks.bash"
  hand_in
  run scripts/labs/lab run 03-tiny
  assert_failure 1
  assert_line --partial '✗ nothing else comes back'
  assert_line '          the check took too long and was ended'
  assert_line --partial '✓ a line in two pieces comes back whole'
}

@test "a program in an endless loop is reported as such" {
  hand_in 's/^    if \(bufferevent_write_buffer.*/    for (volatile int i = 1; i;);\n&/'
  run scripts/labs/lab run 03-tiny
  assert_failure 1
  assert_line '          the program is busy all the time: is there a loop that does not end?'
}

@test "what is used after it was freed is told with the place that freed it" {
  hand_in 's/^    conn_free\(arg\);$/&\n    ((struct conn *)arg)->bev = NULL;/'
  run scripts/labs/lab run 03-tiny
  assert_line --regexp '^          freed at labs/03-tiny/tiny.c:[0-9]+  free\(conn\);$'
}

@test "Ctrl-C leaves no folder and no process behind" {
  # The user of the box has to reach it.
  BIN=$(mktemp -d)
  chmod 755 "$BIN"
  sed -i 's/^  expect_nothing A/  tail -f \/dev\/null/' "$LAB/checks.bash"
  hand_in
  # With a process group of its own, as on a terminal, where SIGINT is not ignored.
  TMPDIR=$BIN perl -e '$SIG{INT} = "DEFAULT"; setpgrp; exec @ARGV' scripts/labs/lab run 03-tiny >"$BATS_TEST_TMPDIR/words" 2>&1 3>&- &
  for ((i = 0; i < 1000; i++)); do
    ! compgen -G "$BIN/*/work/A.out" >/dev/null || break
    sleep 0.05
  done
  kill -INT -- -$!
  wait $! || true
  for ((i = 0; i < 200; i++)); do
    [[ $(ls "$BIN") ]] || break
    sleep 0.05
  done
  run cat "$BATS_TEST_TMPDIR/words"
  refute_output --partial 'score'
  run ls "$BIN"
  assert_output ""
  run pgrep -f "$COURSE/scripts/labs/check"
  assert_failure
}

@test "without a box nothing runs, unless it is asked for" {
  # The user of the box has to find the stand-ins too.
  BIN=$(mktemp -d)
  printf '#!/bin/sh\nexit 1\n' | tee "$BIN/bwrap" >"$BIN/unshare"
  chmod -R 755 "$BIN"
  hand_in
  if ((EUID == 0)); then
    PATH=$BIN:$PATH run scripts/labs/check --check
    assert_output user
    PATH=$BIN:$PATH run scripts/labs/lab run 03-tiny
    assert_success
  else
    PATH=$BIN:$PATH run --separate-stderr scripts/labs/lab run 03-tiny
    assert_failure 125
    assert_equal "$output" ""
    [[ $stderr == *"SANDBOX=no runs it without a box"* ]]
    PATH=$BIN:$PATH run --separate-stderr chinese scripts/labs/lab run 03-tiny
    [[ $stderr == *"SANDBOX=no 表示不用沙箱"* ]]
  fi
  SANDBOX=no PATH=$BIN:$PATH run scripts/labs/lab run 03-tiny
  assert_success
}

@test "the processes of a program are found, also while some of them end" {
  cat >"$BATS_TEST_TMPDIR/look" <<'END'
(for ((i = 0; i < 400; i++)); do bash -c 'true & true & wait'; done) &
until [[ ! $(jobs -r) ]]; do
  for ((j = 0; j < 50; j++)); do find_family $$; done
done
echo "${FAMILY[0]}"
END
  run timeout 60 bash -c "$(
    cat "$ROOT/scripts/lib/process.bash"
    cat "$BATS_TEST_TMPDIR/look"
  )"
  assert_success
  assert_output --regexp '^[0-9]+$'
}

@test "as another user, a program is graded only if it cannot read the hidden checks" {
  ((EUID == 0)) || skip "for root alone"
  BIN=$(mktemp -d)
  printf '#!/bin/sh\nexit 1\n' | tee "$BIN/bwrap" >"$BIN/unshare"
  cp -r "$COURSE" "$BIN/course"
  chmod -R 755 "$BIN"
  hand_in
  PATH=$BIN:$PATH run "$BIN/course/scripts/labs/check" --hidden "$BIN/course/$LAB" "$MINE" "$BATS_TEST_TMPDIR/results"
  assert_failure 125
  assert_output --partial "every user can read the hidden checks; chmod 700 '$BIN/course'"
  chmod 700 "$BIN/course"
  PATH=$BIN:$PATH run "$BIN/course/scripts/labs/check" --hidden "$BIN/course/$LAB" "$MINE" "$BATS_TEST_TMPDIR/results"
  assert_success
}

@test "for root, each run is another user's, who is not root" {
  ((EUID == 0)) || skip "for root alone"
  sed -i "s|^  expect_nothing A|&\n  stat -c %u /proc/\$PID >>$BATS_TEST_TMPDIR/users|" "$LAB/checks.bash"
  hand_in
  scripts/labs/lab run 03-tiny
  scripts/labs/lab run 03-tiny
  run sort -u "$BATS_TEST_TMPDIR/users"
  assert_equal "${#lines[@]}" 2
  refute_line 0
}

@test "time limits grow with PATIENCE" {
  hand_in 's/^    if \(bufferevent_write_buffer.*/    usleep(1500000);\n&/; s/^#include <stdlib.h>/&\n#include <unistd.h>/'
  # It sleeps in the middle of its work: not to be taken for one at rest.
  sed -i 's/^lab .*/&\nLIMIT_MS=500 STILL_MS=4000/' "$LAB/checks.bash"
  PATIENCE=10 run scripts/labs/lab run 03-tiny
  assert_failure
  PATIENCE=60 run scripts/labs/lab run 03-tiny
  assert_line --partial '✓ a client gets its line back'
}

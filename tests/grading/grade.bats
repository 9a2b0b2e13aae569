# grade.bats -- grading: right, wrong and hostile submissions in one run, whose
# results the tests look at. A hostile one costs its own points only.

# Whom the run grades: ann is right, bob handed in the starter, carl knows the
# visible values, and each of the others is a program of tests/hostile.
setup_file() {
  load ../lib/labs
  boxed
  COURSE=$BATS_FILE_TMPDIR/course
  export COURSE SUBMISSIONS=$BATS_FILE_TMPDIR/in RESULTS="$BATS_FILE_TMPDIR/out dir"
  make_course "$COURSE"
  local lab=$COURSE/chapters/03-event/labs/tiny file name
  mkdir -p "$SUBMISSIONS"/{ann/labs/03-tiny,bob/tiny,carl,"dora <b>&=",=sum,link,linked-folder,hard-link,nothing,grades.csv,child,misnamed/src}
  solution "$COURSE" >"$SUBMISSIONS/ann/labs/03-tiny/tiny.c"
  "$COURSE/scripts/labs/source" starter "$lab" >"$SUBMISSIONS/bob/tiny/tiny.c"
  solution "$COURSE" | sed -E 's/^    if \(bufferevent_write_buffer.*/    evbuffer_drain(bufferevent_get_input(bev), 99);\n    if (bufferevent_write(bev, "hello\\n", 6) < 0)/' >"$SUBMISSIONS/carl/tiny.c"
  solution "$COURSE" >"$SUBMISSIONS/dora <b>&=/tiny.c"
  echo 'int main(void) { return }' >"$SUBMISSIONS/=sum/tiny.c"
  ln -s ../ann/labs/03-tiny/tiny.c "$SUBMISSIONS/link/tiny.c"
  ln -s ../ann/labs "$SUBMISSIONS/linked-folder/labs"
  mkdir -p "$SUBMISSIONS"/{__MACOSX/ann,..x}
  touch "$SUBMISSIONS/.DS_Store"
  ln -s ann "$SUBMISSIONS/ln-ann"
  solution "$COURSE" | tee "$SUBMISSIONS/misnamed/Tiny.c" >"$SUBMISSIONS/misnamed/src/tiny.c"
  mkdir -p "$RESULTS/last-year"
  touch "$RESULTS/last-year/"{results.json,junit.xml,report.txt}
  ln "$lab/hidden.bash" "$SUBMISSIONS/hard-link/tiny.c"
  solution "$COURSE" >"$SUBMISSIONS/grades.csv/tiny.c"
  leave_it_to_a_child >"$SUBMISSIONS/child/tiny.c"
  for file in "$ROOT"/tests/hostile/*.c; do
    name=$(basename "$file" .c)
    mkdir "$SUBMISSIONS/$name"
    sed -e "s|SECRETS}|\"$lab/hidden.bash\", \"$lab/solution/tiny.c\", \"$SUBMISSIONS/ann/labs/03-tiny/tiny.c\"}|" \
      -e "s|^#include SECRET|#include \"$lab/hidden.bash\"|" \
      -e "s|INCBIN|\"\\\\\"$SUBMISSIONS/ann/labs/03-tiny/tiny.c\\\\\"\"|" \
      -e 's/PORT)/47113)/' -e 's/, PORT/, 47113/' "$file" >"$SUBMISSIONS/$name/tiny.c"
  done
  # Whether the port that one of them opens is ever seen out here.
  while sleep 0.1; do
    ! (exec 3<>/dev/tcp/127.0.0.1/47113) 2>/dev/null || echo seen >"$BATS_FILE_TMPDIR/port"
  done 3>&- 4>&- >/dev/null 2>&1 &
  local watcher=$!
  (cd "$COURSE" && TEACHER=secret make -s grade SUBMISSIONS="$SUBMISSIONS" OUT="$RESULTS") >"$BATS_FILE_TMPDIR/words" 2>&1 3>&- ||
    echo "$?" >"$BATS_FILE_TMPDIR/status"
  kill "$watcher"
}

# A program that keeps the descriptors of all its clients, in a child. It is the
# child's parent that one sees.
leave_it_to_a_child() {
  cat <<'END'
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static pid_t child;
static void pass_on(int signum)
{
    kill(child, signum);
}
__attribute__((constructor)) static void hide(void)
{
    int status;

    child = fork();
    if (child <= 0)
        return;
    signal(SIGTERM, pass_on);
    while (waitpid(child, &status, 0) < 0)
        ;
    _exit(0);
}
END
  solution "$COURSE" | sed 's/^    conn_free(arg);$/    ;/'
}

setup() {
  load ../lib/labs
  boxed
}

points_of() { # STUDENT
  awk -F , -v student="\"$1\"" '$1 == student { print $(NF - 2) "/" $(NF - 1) }' "$RESULTS/grades.csv"
}

# It got nothing, and its report says why.
assert_costs_its_own_points() { # STUDENT REASON
  run points_of "$1"
  assert_output --regexp '^0/'
  run cat "$RESULTS/$1/report.txt"
  assert_output --partial "$2"
}

@test "a run with broken and hostile submissions goes through to its end" {
  [[ ! -e $BATS_FILE_TMPDIR/status ]]
  run cat "$BATS_FILE_TMPDIR/words"
  assert_line --regexp "^graded [0-9]+ students, 1 labs, in [0-9]+ s: $RESULTS/grades.csv, $RESULTS/grades.html$"
}

@test "the right solution gets all points, whoever was graded beside it" {
  run points_of ann
  assert_output 20/20
  run points_of 'dora <b>&='
  assert_output 20/20
}

@test "the starter and a file that is missing or does not compile get none" {
  for student in bob nothing "'=sum"; do
    run points_of "$student"
    assert_output 0/20
  done
}

@test "who knows only the visible values fails the hidden checks" {
  run jq -r '.tests[] | select(.score < .max_score) | .visibility' "$RESULTS/carl/results.json"
  refute_output ""
  run jq -r '.tests[] | select(.name | test("gets its line back")) | "\(.name): \(.visibility) \(.status)"' "$RESULTS/carl/results.json"
  assert_output '03-tiny: a client gets its line back: visible passed
03-tiny: a client gets its line back [hidden]: after_published failed'
}

@test "files with another name or in another place are not graded, but reported" {
  run points_of misnamed
  assert_output 0/20
  run cat "$BATS_FILE_TMPDIR/words"
  assert_line 'grade: not looked at, since no lab that was graded has such a file there:'
  assert_line '  misnamed/Tiny.c'
  assert_line '  misnamed/src/tiny.c'
  refute_line --partial 'ann/labs'
}

@test "what a system or an archive leaves is no student, and a folder left out is named" {
  run cat "$BATS_FILE_TMPDIR/words"
  assert_line 'grade: no folders of students, so not looked at:'
  assert_line '  ..x'
  assert_line '  ln-ann'
  refute_line --regexp '(__MACOSX|DS_Store)'
  run cut -d , -f 1 "$RESULTS/grades.csv"
  refute_line --regexp '(__MACOSX|DS_Store|\.\.x|ln-ann)'
}

@test "results of students who are not in this run are removed" {
  [[ ! -e $RESULTS/last-year ]]
}

@test "endless output is stopped" {
  assert_costs_its_own_points endless-output 'the program wrote more than 1 MB of output and was stopped'
}

@test "a fork bomb is stopped" {
  assert_costs_its_own_points fork-bomb 'the program started more than 24 processes and was stopped'
}

@test "a program that eats memory is stopped" {
  assert_costs_its_own_points memory-eater 'the program used more than 400 MB of memory and was stopped'
}

@test "a program that kills its parent and everybody kills only itself" {
  assert_costs_its_own_points kills-parent 'the program was ended by SIG'
}

@test "solutions, hidden checks and others' folders cannot be read" {
  assert_costs_its_own_points reads-secrets 'the program did not print "listening on ADDRESS port PORT"'
  run grep -rl -e "$COURSE" -e 'another word' "$RESULTS/reads-secrets/report.txt"
  assert_failure
}

@test "the compiler reads no solution, hidden check or others' file either" {
  assert_costs_its_own_points includes-secret 'No such file or directory'
  run cat "$RESULTS/includes-secret/report.txt"
  refute_output --partial 'WORD='
}

@test "a port that is opened is not seen outside" {
  run points_of opens-ports
  assert_output --regexp '^[0-4]/20$'
  [[ ! -e $BATS_FILE_TMPDIR/port ]]
}

@test "a report that the program writes is not the report" {
  assert_costs_its_own_points fakes-report 'the program had ended, with exit status 0'
  run jq .score "$RESULTS/fakes-report/results.json"
  assert_output 0
}

@test "words with the characters that separate records make no points, and no orders for a terminal" {
  assert_costs_its_own_points forges-records 'the program had ended, with exit status 1'
  assert_costs_its_own_points forges-in-the-compiler 'the program does not compile'
  run jq -c '[.score, (.tests | length)]' "$RESULTS/forges-records/results.json"
  assert_output '[0,8]'
  run grep -rlP '[\x00-\x08\x0b-\x1f\x7f]' "$RESULTS"
  assert_output ""
}

@test "what a child does for the program is measured too" {
  run jq -r '.tests[] | select(.score < .max_score) | .name' "$RESULTS/child/results.json"
  assert_line '03-tiny: clients that have left hold no descriptor'
}

@test "files in memory are bounded" {
  assert_costs_its_own_points fills-memory-files 'the program did not print "listening on ADDRESS port PORT"'
}

@test "bombs for the compiler are stopped" {
  assert_costs_its_own_points compiler-bomb 'the program does not compile'
  assert_costs_its_own_points includes-without-end 'the program does not compile'
}

@test "symbolic links out of the folder are not followed" {
  assert_costs_its_own_points link 'there is no plain file tiny.c'
  assert_costs_its_own_points linked-folder 'there is no plain file tiny.c'
  assert_costs_its_own_points hard-link 'there is no plain file tiny.c'
}

@test "a student whose name is that of a result is graded like others" {
  run points_of grades.csv
  assert_output 20/20
  [[ -f $RESULTS/grades.csv.student/report.txt ]]
}

@test "names in the tables are text, no formula and no markup" {
  run grep -c "^\"'=sum\"," "$RESULTS/grades.csv"
  assert_output 1
  run grep -c 'dora &lt;b&gt;&amp;=' "$RESULTS/grades.html"
  assert_output 2
  run grep -cE '<b>|https?:|src=|<link|<script' "$RESULTS/grades.html"
  assert_output 0
}

@test "nothing is left of a run: no process, no folder" {
  run pgrep -f "$COURSE/scripts/labs/check"
  assert_failure
  # Another test may grade at the same time: its folder goes when it ends.
  for ((i = 0; i < 600; i++)); do
    run bash -c 'find /tmp -maxdepth 1 -name "grade.*" -newer "$1" 2>/dev/null' - "$COURSE/Makefile"
    [[ $output ]] || break
    sleep 0.1
  done
  assert_output ""
}

@test "each results.json fits Gradescope's format" {
  command -v jsonschema >/dev/null || skip "jsonschema is not installed"
  for file in "$RESULTS"/*/results.json; do
    jsonschema -i "$file" "$ROOT/tests/schemas/gradescope.schema.json"
  done
  echo '{"tests": [{"score": "ten"}]}' >"$BATS_TEST_TMPDIR/bad.json"
  run jsonschema -i "$BATS_TEST_TMPDIR/bad.json" "$ROOT/tests/schemas/gradescope.schema.json"
  assert_failure
}

@test "each junit.xml fits the schema" {
  command -v xmllint >/dev/null || skip "xmllint is not installed"
  for file in "$RESULTS"/*/junit.xml; do
    xmllint --noout --schema "$ROOT/tests/schemas/junit.xsd" "$file" 2>"$BATS_TEST_TMPDIR/errors" ||
      fail "$(cat "$BATS_TEST_TMPDIR/errors")"
  done
  echo '<testsuites><testsuite><testcase/></testsuite></testsuites>' >"$BATS_TEST_TMPDIR/bad.xml"
  run xmllint --noout --schema "$ROOT/tests/schemas/junit.xsd" "$BATS_TEST_TMPDIR/bad.xml"
  assert_failure
}

@test "make grade says what is wrong with its arguments" {
  cd "$COURSE"
  run --separate-stderr scripts/labs/teacher/grade "$BATS_TEST_TMPDIR/nowhere"
  assert_failure 2
  assert_equal "$stderr" "grade: no folder $BATS_TEST_TMPDIR/nowhere"
  mkdir -p "$BATS_TEST_TMPDIR/empty" "$BATS_TEST_TMPDIR/one/ann"
  run --separate-stderr scripts/labs/teacher/grade "$BATS_TEST_TMPDIR/empty"
  assert_failure 2
  assert_equal "$stderr" "grade: no folder of a student in $BATS_TEST_TMPDIR/empty"
  run --separate-stderr scripts/labs/teacher/grade "$BATS_TEST_TMPDIR/one"
  assert_failure 2
  assert_equal "$stderr" "grade: nobody handed in a file of a lab"
  LIMIT=x run --separate-stderr scripts/labs/teacher/grade "$BATS_TEST_TMPDIR/one"
  assert_failure 2
  assert_equal "$stderr" "grade: LIMIT is a number of seconds, not x"
  run --separate-stderr scripts/labs/teacher/grade --all
  assert_failure 2
  assert_equal "${stderr_lines[0]}" "usage: scripts/labs/teacher/grade [--afresh] SUBMISSIONS [OUT]"
  LABS=03-no run --separate-stderr scripts/labs/teacher/grade "$BATS_TEST_TMPDIR/one"
  assert_failure 2
  assert_equal "$stderr" "grade: no lab 03-no"
}

@test "a submission that could not be graded has no points, and the run says that it failed" {
  mkdir -p "$BATS_TEST_TMPDIR/in/ann"
  cp "$SUBMISSIONS/ann/labs/03-tiny/tiny.c" "$BATS_TEST_TMPDIR/in/ann"
  cd "$COURSE"
  PATH=$BATS_TEST_TMPDIR:$PATH
  printf '#!/bin/sh\nexit 3\n' >"$BATS_TEST_TMPDIR/timeout"
  chmod +x "$BATS_TEST_TMPDIR/timeout"
  run scripts/labs/teacher/grade "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
  assert_failure 1
  assert_line --partial 'grade: something could not be graded'
  run tail -n 1 "$BATS_TEST_TMPDIR/out/grades.csv"
  assert_output '"ann",0,0,20,0'
}

@test "the table and the words are Chinese where LANG is" {
  mkdir -p "$BATS_TEST_TMPDIR/in/ann"
  cp "$SUBMISSIONS/ann/labs/03-tiny/tiny.c" "$BATS_TEST_TMPDIR/in/ann"
  cd "$COURSE"
  LANG=zh_CN.UTF-8 run scripts/labs/teacher/grade "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
  assert_output --partial '已评 1 名学生、1 个实验'
  run grep -c '客户端能收回自己发出的一行' "$BATS_TEST_TMPDIR/out/grades.html"
  refute_output 0
}

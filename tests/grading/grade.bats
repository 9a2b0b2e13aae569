# grade.bats -- grading: right, wrong and hostile submissions in one run, whose
# results the tests look at. A hostile one costs its own points only.

# Whom the run grades: ann is right, bob handed in the starter, carl knows the
# visible values, and each of the others is a program of tests/hostile.
setup_file() {
  load ../lib/labs
  boxed
  COURSE=$BATS_FILE_TMPDIR/course
  export COURSE SUBMISSIONS=$BATS_FILE_TMPDIR/in RESULTS=$BATS_FILE_TMPDIR/out
  make_course "$COURSE"
  local lab=$COURSE/chapters/03-event/labs/tiny file name
  mkdir -p "$SUBMISSIONS"/{ann/labs/03-tiny,bob/tiny,carl,"dora <b>&=",=sum,link,linked-folder,nothing}
  solution "$COURSE" >"$SUBMISSIONS/ann/labs/03-tiny/tiny.c"
  unifdef -x2 -USOLUTION "$lab/tiny.c" >"$SUBMISSIONS/bob/tiny/tiny.c"
  solution "$COURSE" | sed -E 's/^    if \(bufferevent_write_buffer.*/    evbuffer_drain(bufferevent_get_input(bev), 99);\n    if (bufferevent_write(bev, "hello\\n", 6) < 0)/' >"$SUBMISSIONS/carl/tiny.c"
  solution "$COURSE" >"$SUBMISSIONS/dora <b>&=/tiny.c"
  echo 'int main(void) { return }' >"$SUBMISSIONS/=sum/tiny.c"
  ln -s ../ann/labs/03-tiny/tiny.c "$SUBMISSIONS/link/tiny.c"
  ln -s ../ann/labs "$SUBMISSIONS/linked-folder/labs"
  for file in "$ROOT"/tests/hostile/*.c; do
    name=$(basename "$file" .c)
    mkdir "$SUBMISSIONS/$name"
    sed -e "s|SECRETS}|\"$lab/hidden.bash\", \"$lab/tiny.c\", \"$SUBMISSIONS/ann/labs/03-tiny/tiny.c\"}|" \
      -e "s|^#include SECRET|#include \"$lab/hidden.bash\"|" \
      -e "s|INCBIN|\"\\\\\"$SUBMISSIONS/ann/labs/03-tiny/tiny.c\\\\\"\"|" \
      -e 's/PORT)/47113)/' -e 's/, PORT/, 47113/' "$file" >"$SUBMISSIONS/$name/tiny.c"
  done
  # Whether the port that one of them opens is ever seen out here.
  while sleep 0.1; do
    ! (exec 3<>/dev/tcp/127.0.0.1/47113) 2>/dev/null || echo seen >"$BATS_FILE_TMPDIR/port"
  done 3>&- 4>&- >/dev/null 2>&1 &
  local watcher=$!
  (cd "$COURSE" && make -s grade SUBMISSIONS="$SUBMISSIONS" OUT="$RESULTS") >"$BATS_FILE_TMPDIR/words" 2>&1 3>&- ||
    echo "$?" >"$BATS_FILE_TMPDIR/status"
  kill "$watcher"
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
  run jq -r '.tests[] | select(.name | test("gets its line back")) | "\(.visibility) \(.status)"' "$RESULTS/carl/results.json"
  assert_output 'visible passed
after_published failed'
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
  assert_costs_its_own_points reads-secrets 'no line "listening on ADDRESS port PORT" came'
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

@test "bombs for the compiler are stopped" {
  assert_costs_its_own_points compiler-bomb 'it does not compile'
  assert_costs_its_own_points includes-without-end 'it does not compile'
}

@test "symbolic links out of the folder are not followed" {
  assert_costs_its_own_points link 'there is no plain file tiny.c'
  assert_costs_its_own_points linked-folder 'there is no plain file tiny.c'
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
  run pgrep -f "$COURSE/scripts/lab-check"
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
  run --separate-stderr scripts/grade "$BATS_TEST_TMPDIR/nowhere"
  assert_failure 2
  assert_equal "$stderr" "grade: no folder $BATS_TEST_TMPDIR/nowhere"
  mkdir -p "$BATS_TEST_TMPDIR/empty" "$BATS_TEST_TMPDIR/one/ann"
  run --separate-stderr scripts/grade "$BATS_TEST_TMPDIR/empty"
  assert_failure 2
  assert_equal "$stderr" "grade: no folder of a student in $BATS_TEST_TMPDIR/empty"
  run --separate-stderr scripts/grade "$BATS_TEST_TMPDIR/one"
  assert_failure 2
  assert_equal "$stderr" "grade: nobody handed in a file of a lab"
  LABS=03-no run --separate-stderr scripts/grade "$BATS_TEST_TMPDIR/one"
  assert_failure 2
  assert_equal "$stderr" "grade: no lab 03-no"
}

@test "the table and the words are Chinese where LANG is" {
  mkdir -p "$BATS_TEST_TMPDIR/in/ann"
  cp "$SUBMISSIONS/ann/labs/03-tiny/tiny.c" "$BATS_TEST_TMPDIR/in/ann"
  cd "$COURSE"
  LANG=zh_CN.UTF-8 run scripts/grade "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
  assert_output --partial '已评 1 名学生、1 个实验'
  run grep -c '客户端能收回自己发出的一行' "$BATS_TEST_TMPDIR/out/grades.html"
  refute_output 0
}

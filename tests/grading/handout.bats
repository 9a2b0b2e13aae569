# handout.bats -- what students and graders' machines get: it works by itself,
# and holds no answer.

setup_file() {
  load ../lib/labs
  make_course "$BATS_FILE_TMPDIR/course"
}

setup() {
  load ../lib/labs
  COURSE=$BATS_FILE_TMPDIR/course
  OUT=$BATS_TEST_TMPDIR/out
}

# The lines that only the solutions of the course have: no starter, no program of a
# chapter, and no sample.
lines_of_solutions() {
  local source
  for source in "$ROOT"/chapters/*/labs/*/solution/*.c; do
    comm -23 \
      <(unifdef -x2 -DSOLUTION "$source" | sed 's/^[[:space:]]*//' | grep -E '[a-z].*[a-z].{8,}' | sort -u) \
      <(unifdef -x2 -USOLUTION "$source" | sed 's/^[[:space:]]*//' | sort -u)
  done | sort -u | comm -23 - <(known_lines)
}

# What anyone may see: programs and starters.
known_lines() {
  {
    cat "$ROOT"/{chapters,samples}/*/*.[ch] "$ROOT"/chapters/17-*/*/*.[ch] "$ROOT"/chapters/*/labs/*/programs/*.[ch] "$ROOT"/tests/{bench,reactor,samples}/*.[ch] "$ROOT"/{chapters,samples}/*/*.md
    for source in "$ROOT"/chapters/*/labs/*/solution/*.c; do unifdef -x2 -USOLUTION "$source" || true; done
  } | sed 's/^[[:space:]]*//' | sort -u
}

@test "a handout of this course holds no line that only the solutions have" {
  "$ROOT/scripts/labs/teacher/handout" "$OUT"
  lines_of_solutions >"$BATS_TEST_TMPDIR/lines"
  (($(wc -l <"$BATS_TEST_TMPDIR/lines") > 100)) || fail "there are hardly any lines to look for"
  run bash -c 'cd "$1" && find . -type f -exec sed "s/^[[:space:]]*//" {} + | sort -u | comm -12 - "$2"' - "$OUT" "$BATS_TEST_TMPDIR/lines"
  assert_output ""
}

@test "a handout holds no mutant, no hidden check and no tool of the teacher" {
  "$ROOT/scripts/labs/teacher/handout" "$OUT"
  run find "$OUT" -name mutants -o -name solution -o -name 'hidden*' -o -name 'TEACHING*' -o -name 'CONTRIBUTING*' -o -name 'grade*' -o -name teaching.mk
  assert_output ""
  run grep -rlE 'ifn?def SOLUTION|DSOLUTION' "$OUT" --include='*.c'
  assert_output ""
}

@test "a handout holds the task, the hints and the visible checks of every lab" {
  "$ROOT/scripts/labs/teacher/handout" "$OUT"
  for lab in "$ROOT"/chapters/*/labs/*; do
    for file in TASK.md TASK.zh.md HINTS.md HINTS.zh.md checks.bash; do
      cmp "$lab/$file" "$OUT/${lab#"$ROOT/"}/$file"
    done
    [[ -f $OUT/${lab#"$ROOT/"}/${lab##*/}.c ]]
    [[ ! -d $lab/programs ]] || diff -r "$lab/programs" "$OUT/${lab#"$ROOT/"}/programs"
  done
}

@test "a handout builds and runs by itself: make, make labs, a lab in red and in green" {
  "$COURSE/scripts/labs/teacher/handout" "$OUT"
  cd "$OUT"
  make -s -j 2 >/dev/null
  [[ -x build/echo-server ]]
  run make -s labs
  assert_line --partial '03-tiny'
  PATIENCE=5 run make -s lab-03
  assert_failure
  assert_line --regexp '^score: 0 of 10'
  solution "$COURSE" >labs/03-tiny/tiny.c
  run make -s lab-03
  assert_success
}

# A copy of the small course, as it is where git cannot or need not tell what belongs
# to it; what is generated and a student's own labs are there as well.
copy_course() { # DIR
  cp -r "$COURSE" "$1"
  rm -rf "$1/.git" "$1/build"
  mkdir -p "$1/build" "$1/labs/03-tiny"
  touch "$1/build/old" "$1/labs/03-tiny/tiny.c"
}

assert_whole() { # DIR
  for file in Makefile README.md chapters/03-event/echo-server.c chapters/03-event/labs/tiny/{tiny.c,TASK.md,checks.bash} scripts/labs/lab; do
    [[ -s $1/$file ]] || fail "there is no $file"
  done
  [[ ! -e $1/build && ! -e $1/labs ]] || fail "what is not the course's was handed out"
  run find "$1" -name mutants -o -name 'hidden*'
  assert_output ""
}

@test "a handout of a course without .git, as from a ZIP, is whole" {
  copy_course "$BATS_TEST_TMPDIR/zip"
  "$BATS_TEST_TMPDIR/zip/scripts/labs/teacher/handout" "$OUT"
  assert_whole "$OUT"
}

@test "a handout is whole where git is not installed" {
  mkdir "$BATS_TEST_TMPDIR/bin"
  ln -s /usr/bin/* "$BATS_TEST_TMPDIR/bin"
  rm "$BATS_TEST_TMPDIR/bin/git"
  copy_course "$BATS_TEST_TMPDIR/zip"
  PATH=$BATS_TEST_TMPDIR/bin "$BATS_TEST_TMPDIR/zip/scripts/labs/teacher/handout" "$OUT"
  assert_whole "$OUT"
}

@test "a handout is whole inside of a repository that ignores the course" {
  mkdir "$BATS_TEST_TMPDIR/outer"
  git init -q "$BATS_TEST_TMPDIR/outer"
  echo '*' >"$BATS_TEST_TMPDIR/outer/.gitignore"
  copy_course "$BATS_TEST_TMPDIR/outer/course"
  "$BATS_TEST_TMPDIR/outer/course/scripts/labs/teacher/handout" "$OUT"
  assert_whole "$OUT"
}

@test "a handout of a tree that belongs to another user is whole" {
  ((EUID == 0)) || skip "only root can give a folder away"
  cp -r "$COURSE" "$BATS_TEST_TMPDIR/theirs"
  chown -R 61000 "$BATS_TEST_TMPDIR/theirs"
  HOME=$BATS_TEST_TMPDIR "$BATS_TEST_TMPDIR/theirs/scripts/labs/teacher/handout" "$OUT"
  assert_whole "$OUT"
}

@test "a handout that lacks a file, or does not build, fails and says so" {
  copy_course "$BATS_TEST_TMPDIR/zip"
  : >"$BATS_TEST_TMPDIR/zip/chapters/03-event/labs/tiny/TASK.md"
  run --separate-stderr "$BATS_TEST_TMPDIR/zip/scripts/labs/teacher/handout" "$OUT"
  assert_failure 1
  assert_output ""
  assert_equal "$stderr" "handout: what was written to $OUT is not fit to be handed out: it lacks chapters/03-event/labs/tiny/TASK.md"
  rm -r "$OUT" "$BATS_TEST_TMPDIR/zip"
  copy_course "$BATS_TEST_TMPDIR/zip"
  echo 'no C' >>"$BATS_TEST_TMPDIR/zip/chapters/03-event/echo-server.c"
  run --separate-stderr "$BATS_TEST_TMPDIR/zip/scripts/labs/teacher/handout" "$OUT"
  assert_failure 1
  assert_output ""
  assert_equal "${stderr_lines[-1]}" "handout: what was written to $OUT is not fit to be handed out: it does not build"
}

@test "a handout that finds no file of the course fails" {
  copy_course "$BATS_TEST_TMPDIR/zip"
  rm -r "$BATS_TEST_TMPDIR/zip/chapters"
  run --separate-stderr "$BATS_TEST_TMPDIR/zip/scripts/labs/teacher/handout" "$OUT"
  assert_failure 1
  refute_output --partial wrote
}

# (make install is libevent's own.)
@test "a handout names no target that it has not" {
  "$ROOT/scripts/labs/teacher/handout" "$OUT"
  run bash -c 'grep -hoE "\`make [a-z0-9-]+" "$1"/README*.md "$1"/chapters/*/README*.md | sed "s/.*make //; /^install\$/d" | sort -u' - "$OUT"
  (("${#lines[@]}" > 10))
  cd "$OUT"
  for target in "${lines[@]}"; do
    run make -s -n "$target"
    refute_output --partial "no target"
  done
}

@test "a handout goes into an empty folder only" {
  mkdir "$OUT"
  touch "$OUT/mine"
  run --separate-stderr "$COURSE/scripts/labs/teacher/handout" "$OUT"
  assert_failure 1
  assert_equal "$stderr" "handout: $OUT is there already, and not empty"
  run ls "$OUT"
  assert_output mine
}

@test "the GitHub form has a workflow whose commands check the labs that are begun" {
  make -s -C "$COURSE" handout OUT="$OUT" FORMAT=github
  cd "$OUT"
  run sed -n 's/^        run: //p' .github/workflows/labs.yml
  assert_line --index 0 './scripts/setup'
  local check=${lines[1]}
  mkdir -p labs/03-tiny
  solution "$COURSE" >labs/03-tiny/tiny.c
  GITHUB_STEP_SUMMARY=$BATS_TEST_TMPDIR/summary run sh -c "$check"
  assert_success
  run cat "$BATS_TEST_TMPDIR/summary"
  assert_output '| lab | | % |
|---|---|---|
| 03-tiny | 10/10 | 100 |'
  sed -i 's/SIGTERM/SIGUSR2/' labs/03-tiny/tiny.c
  GITHUB_STEP_SUMMARY=$BATS_TEST_TMPDIR/summary run sh -c "$check"
  assert_failure
  run tail -n 1 "$BATS_TEST_TMPDIR/summary"
  assert_output '| 03-tiny | 8/10 | 80 |'
}

# Unpack the zip as Gradescope does, with one submission.
unpack() { # SUBMISSION [LABS]
  make -s -C "$COURSE" handout OUT="$OUT" FORMAT=gradescope LABS="${2-}"
  export AUTOGRADER=$BATS_TEST_TMPDIR/autograder
  mkdir -p "$AUTOGRADER"/{source,submission,results}
  (cd "$AUTOGRADER/source" && unzip -q "$OUT/autograder.zip")
  cp "$1" "$AUTOGRADER/submission/tiny.c"
}

@test "the Gradescope form is a zip that grades a submission" {
  solution "$COURSE" >"$BATS_TEST_TMPDIR/tiny.c"
  unpack "$BATS_TEST_TMPDIR/tiny.c"
  [[ -x $AUTOGRADER/source/setup.sh ]]
  run "$AUTOGRADER/source/run_autograder"
  assert_success
  run jq -c '[.score, (.tests | length), (.tests | map(.visibility) | unique)]' "$AUTOGRADER/results/results.json"
  assert_output '[20,8,["after_published","visible"]]'
}

@test "the Gradescope zip holds hidden checks, but no solution and no mutant" {
  unpack /dev/null
  [[ -f $AUTOGRADER/source/chapters/03-event/labs/tiny/hidden.bash ]]
  run grep -rl -e SOLUTION -e 'cannot queue an answer' "$AUTOGRADER/source/chapters/03-event/labs"
  assert_output ""
  run find "$AUTOGRADER/source" -name mutants
  assert_output ""
}

@test "the Gradescope zip can make the certificates that labs need" {
  unpack /dev/null
  run -0 "$AUTOGRADER/source/scripts/certificates" "$BATS_TEST_TMPDIR/certificates"
  [[ -s $BATS_TEST_TMPDIR/certificates/expired.pem ]]
}

@test "a Gradescope submission without the file of the lab gets none of its points" {
  unpack /dev/null 03-tiny
  rm "$AUTOGRADER/submission/tiny.c"
  touch "$AUTOGRADER/submission/other.c"
  run "$AUTOGRADER/source/run_autograder"
  assert_success
  run jq -c '[.score, .tests[].output]' "$AUTOGRADER/results/results.json"
  assert_output '[0,""]'
}

@test "make handout says what is wrong with its arguments" {
  run --separate-stderr "$COURSE/scripts/labs/teacher/handout"
  assert_failure 2
  assert_equal "${stderr_lines[0]}" 'usage: scripts/labs/teacher/handout [--github | --gradescope] OUT'
  run --separate-stderr "$COURSE/scripts/labs/teacher/handout" --moodle "$OUT"
  assert_failure 2
  LABS=03-tiny run --separate-stderr "$COURSE/scripts/labs/teacher/handout" "$OUT"
  assert_failure 2
  assert_equal "$stderr" 'handout: LABS goes with FORMAT=gradescope; students get all labs'
  LABS=03-no run --separate-stderr "$COURSE/scripts/labs/teacher/handout" --gradescope "$OUT"
  assert_failure 2
  assert_equal "$stderr" 'handout: no lab 03-no; make labs lists them'
}

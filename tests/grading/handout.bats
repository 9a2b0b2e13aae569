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
    cat "$ROOT"/{chapters,samples}/*/*.c "$ROOT"/tests/bench/*.c "$ROOT"/{chapters,samples}/*/*.md
    for source in "$ROOT"/chapters/*/labs/*/solution/*.c; do unifdef -x2 -USOLUTION "$source" || true; done
  } | sed 's/^[[:space:]]*//' | sort -u
}

@test "a handout of this course holds no line that only the solutions have" {
  "$ROOT/scripts/handout" "$OUT"
  lines_of_solutions >"$BATS_TEST_TMPDIR/lines"
  (($(wc -l <"$BATS_TEST_TMPDIR/lines") > 100)) || fail "there are hardly any lines to look for"
  run bash -c 'cd "$1" && find . -type f -exec sed "s/^[[:space:]]*//" {} + | sort -u | comm -12 - "$2"' - "$OUT" "$BATS_TEST_TMPDIR/lines"
  assert_output ""
}

@test "a handout holds no mutant, no hidden check and no tool of the teacher" {
  "$ROOT/scripts/handout" "$OUT"
  run find "$OUT" -name mutants -o -name solution -o -name 'hidden*' -o -name 'TEACHING*' -o -name 'grade*' -o -name teaching.mk
  assert_output ""
  run grep -rlE 'ifn?def SOLUTION|DSOLUTION' "$OUT" --include='*.c'
  assert_output ""
}

@test "a handout holds the task, the hints and the visible checks of every lab" {
  "$ROOT/scripts/handout" "$OUT"
  for lab in "$ROOT"/chapters/*/labs/*; do
    for file in TASK.md TASK.zh.md HINTS.md HINTS.zh.md checks.bash; do
      cmp "$lab/$file" "$OUT/${lab#"$ROOT/"}/$file"
    done
    [[ -f $OUT/${lab#"$ROOT/"}/${lab##*/}.c ]]
  done
}

@test "a handout builds and runs by itself: make, make labs, a lab in red and in green" {
  "$COURSE/scripts/handout" "$OUT"
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

# (make install is libevent's own.)
@test "a handout names no target that it has not" {
  "$ROOT/scripts/handout" "$OUT"
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
  run --separate-stderr "$COURSE/scripts/handout" "$OUT"
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
  run --separate-stderr "$COURSE/scripts/handout"
  assert_failure 2
  assert_equal "${stderr_lines[0]}" 'usage: scripts/handout [--github | --gradescope] OUT'
  run --separate-stderr "$COURSE/scripts/handout" --moodle "$OUT"
  assert_failure 2
  LABS=03-tiny run --separate-stderr "$COURSE/scripts/handout" "$OUT"
  assert_failure 2
  assert_equal "$stderr" 'handout: LABS goes with FORMAT=gradescope; students get all labs'
  LABS=03-no run --separate-stderr "$COURSE/scripts/handout" --gradescope "$OUT"
  assert_failure 2
  assert_equal "$stderr" 'handout: no lab 03-no; make labs lists them'
}

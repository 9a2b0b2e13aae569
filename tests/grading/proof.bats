# proof.bats -- the teacher's side of the labs: scripts/labs/teacher/test-labs, which proves
# them, and scripts/labs/teacher/new-lab.

setup_file() {
  load ../lib/labs
  make_course "$BATS_FILE_TMPDIR/course"
  # Where its mutants fail, and what it says, once for all tests that compare with it.
  (cd "$BATS_FILE_TMPDIR/course" && PATIENCE=20 scripts/labs/teacher/test-labs --update tiny && rm -r build &&
    git add -A && git -c user.name=a -c user.email=b commit -qm proved) >/dev/null
}

setup() {
  load ../lib/labs
  enter_course
}

@test "make test-labs proves a lab, and ends with a table and a count" {
  run make -s test-labs LABS=tiny
  assert_success
  assert_line --index 0 'lab                    checks  starter  solution  mutants caught'
  assert_line --index 1 'tiny                        4  fails    passes    5 of 5'
  assert_line --index 2 '8 passed, 0 failed, 0 skipped'
}

# Of its mutants the lab keeps only this one: a run is shorter.
keep_mutant() { # NAME
  find "$LAB/mutants" -type f ! -name "$1.*" ! -name 'reports.*' -delete
}

@test "make test-labs fails for a mutant that fails at another step, or for another reason" {
  keep_mutant says-hello
  sed -i 's/^Fails: .*/Fails: answers, at "the server listens"/' "$LAB"/mutants/says-hello.patch
  run scripts/labs/teacher/test-labs tiny
  assert_failure
  assert_line --regexp '^tiny +. +[a-zA-Z]+ +passes    0 of 1$'
  assert_line '  it fails the check answers at another step: nothing else comes back'
  sed -i 's/^Fails: .*/Fails: answers, at "nothing else\n  comes back"\nSays:  nothing received/' "$LAB"/mutants/says-hello.patch
  run scripts/labs/teacher/test-labs tiny
  assert_line '  the report of answers does not say: nothing received'
}

@test "make test-labs fails for a mutant that another check catches than the one it names" {
  keep_mutant leaks-clients
  sed -i 's/^Fails: [a-z_]*/Fails: answers/' "$LAB"/mutants/leaks-clients.patch
  run scripts/labs/teacher/test-labs tiny
  assert_failure
  assert_line '  it passes the check answers'
}

@test "make test-labs fails for words of the starter, of a step or of a reason that are not kept" {
  sed -i 's/gets its line back/gets a line back/' "$LAB"/checks.bash
  sed -i 's/原样收回/收回/' "$LAB"/mutants/reports.zh.txt
  sed -i '/^# Reasons/,$d' "$LAB"/mutants/reports.en.txt
  run scripts/labs/teacher/test-labs tiny
  assert_failure
  assert_line '✗ tiny: starter'
  assert_line --partial '+  ✗ a client gets a line back'
  assert_line '✗ tiny: words'
  assert_line --partial '+  A 发出一行并原样收回'
  assert_line --partial 'not in mutants/reports.en.txt: the program left descriptors open'
}

@test "make test-labs --update names in a mutant the check that it fails, and keeps all that is said" {
  add_mutant "$LAB" says-bye 's/(cannot queue an answer.*)$/\1\n    bufferevent_write(bev, "bye", 3);/'
  run scripts/labs/teacher/test-labs --update tiny
  assert_success
  run sed '/^---/,$d' "$LAB/mutants/says-bye.patch"
  assert_output 'the server says bye

Fails: answers, at "nothing else comes back"'
  run scripts/labs/teacher/test-labs tiny
  assert_success
  run git status --short
  assert_output "?? $LAB/mutants/says-bye.patch"
}

@test "make test-labs tries a mutant once more that does not fail as it should" {
  mv scripts/labs/check scripts/labs/real-check
  # shellcheck disable=SC2016 # for the script
  printf '#!/bin/bash\n[[ $1 == --only ]] && mkdir "%s" 2>/dev/null && exit 1\nexec "${0%%/*}/real-check" "$@"\n' \
    "$BATS_TEST_TMPDIR/once" >scripts/labs/check
  chmod +x scripts/labs/check
  run scripts/labs/teacher/test-labs tiny
  assert_success
  assert [ -d "$BATS_TEST_TMPDIR/once" ]
}

@test "make test-labs QUICK=1 tries a fifth of the labs, each with its starter, its solution and one mutant" {
  rm -r chapters && cp -r "$ROOT/chapters" .
  # In place of what tries them: their names.
  mkdir "$BATS_TEST_TMPDIR/bin"
  # shellcheck disable=SC2016 # for the script
  printf '%s\n' '#!/bin/bash' 'tr "\0" "\n" | while read -r lab name; do echo "${lab##*/} $name ok 1 0"; done' \
    >"$BATS_TEST_TMPDIR/bin/xargs"
  chmod +x "$BATS_TEST_TMPDIR/bin/xargs"
  PATH=$BATS_TEST_TMPDIR/bin:$PATH run make -s test-labs QUICK=1
  labs=(chapters/*/labs/*/)
  (($(grep -c ' fails    passes    1 of 1$' <<<"$output") == ${#labs[@]} / 5)) || fail "$output"
}

@test "make test-labs fails for a mutant that passes" {
  add_mutant "$LAB" right 's/bev, EV_READ\)/bev, EV_READ | EV_WRITE)/'
  keep_mutant right
  run scripts/labs/teacher/test-labs --update tiny
  assert_failure
  assert_line --regexp '0 of 1$'
}

@test "make test-labs fails for a starter that passes, a solution that fails, a mutant that does not compile" {
  sed -i 's/^#ifdef SOLUTION/#ifndef SOLUTION/' "$LAB/solution/tiny.c"
  keep_mutant none
  echo 'int main(void) { return }' | tee "$LAB"/mutants/{a,b,c,d,prints-only}.c
  run scripts/labs/teacher/test-labs --update tiny
  assert_failure
  assert_line --regexp '^tiny +4  BAD      BAD       0 of 5$'
}

@test "make test-labs fails for a lab whose helper differs from another lab's" {
  cp -r "$ROOT/chapters/03-event/labs/shared-event" chapters/03-event/labs
  keep_mutant leaks-clients
  sed -i '/^static int parse_port/,/^}/s/port > 65535/port >= 65536/' "$LAB/solution/tiny.c"
  run scripts/labs/teacher/test-labs tiny
  assert_failure
  assert_line --regexp "^  $LAB/solution/tiny.c: parse_port differs from the one in chapters/03-event/labs/"
}

@test "make test-labs fails for a lab with a TODO, with too few mutants, or with the engine's variables" {
  echo TODO >>"$LAB/TASK.md"
  sed -i 's/COUNT/ARRIVED/g; s/^check 4 "How it works"/check 3 "How it runs"/' "$LAB"/*.bash
  keep_mutant leaks-clients
  sed -i '/^Fails/d; 1s/.*/TODO/' "$LAB"/mutants/leaks-clients.patch
  run scripts/labs/teacher/test-labs tiny
  assert_failure
  assert_line --partial 'TODO'
  assert_line --partial 'mutants/leaks-clients.patch: the first line does not say what is wrong'
  assert_line --partial 'mutants/leaks-clients.patch: no line "Fails: CHECK, at ..."'
  assert_line --partial 'no mutant has to fail the check answers'
  assert_line --partial 'there are fewer than five mutants'
  assert_line --partial 'the points of checks.bash sum up to 9, not to 10 or 20'
  assert_line --partial 'the chapter has no heading "How it runs"'
  assert_line --partial 'calls a value ARRIVED, which is a variable of scripts/labs/steps.bash'
}

@test "scripts/labs/teacher/demands lists each demand with its checks" {
  run scripts/labs/teacher/demands tiny
  assert_success
  assert_line --index 0 '03-tiny'
  assert_line --index 1 '  what it has to do, to the byte.'
  assert_line --index 2 '      → answers answers_in_pieces'
  run -0 env LANG=zh_CN.UTF-8 scripts/labs/teacher/demands tiny
  assert_line --index 1 '  程序必须做什么，精确到字节。'
}

@test "scripts/labs/teacher/demands fails for a demand without a check, a check without a demand, and pages that differ" {
  sed -i 's/ <!-- checks: answers -->//; $a- it sings.' "$LAB/TASK.md"
  sed -i 's/checks: ends_well/checks: ends_bell/' "$LAB"/TASK*.md
  run scripts/labs/teacher/demands --check 03-tiny
  assert_failure 1
  assert_output "$LAB/TASK.md:15: a demand that no check looks at, or no comment: - what the checks look at;
$LAB/TASK.md:17: there is no check ends_bell
$LAB/TASK.md:18: a demand that no check looks at, or no comment: - it sings.
$LAB/TASK.md: no demand names the check ends_well: it asks what the task does not say
$LAB/TASK.zh.md:17: there is no check ends_bell
$LAB/TASK.zh.md: no demand names the check ends_well: it asks what the task does not say
$LAB: TASK.md and TASK.zh.md do not name the same checks in the same order"
  # So does the proof of the lab. What demands nothing says so.
  sed -i 's/^- it sings\./- it sings: <!-- no demand -->/' "$LAB/TASK.md"
  run scripts/labs/teacher/demands --check
  refute_output --partial 'sings'
  keep_mutant says-hello
  run scripts/labs/teacher/test-labs tiny
  assert_line --partial "TASK.zh.md:17: there is no check ends_bell"
}

@test "scripts/labs/teacher/demands refuses a task in which no comment names a check" {
  sed -i 's/ <!--.*-->//' "$LAB"/TASK*.md
  run scripts/labs/teacher/demands --check tiny
  assert_failure 1
  assert_line --partial "$LAB/TASK.md:7: a demand that no check looks at, or no comment: what it has to do"
  assert_line "$LAB/TASK.zh.md: no demand names the check answers: it asks what the task does not say"
  # It still lists what it finds.
  run scripts/labs/teacher/demands tiny
  assert_failure 1
  assert_line --index 0 '03-tiny'
  run scripts/labs/teacher/test-labs tiny
  assert_failure 1
  assert_line --partial "a demand that no check looks at"
}

@test "scripts/labs/teacher/test-labs --times runs the solution again and again" {
  run scripts/labs/teacher/test-labs --times 3 tiny
  assert_success
  assert_line --regexp '^tiny +3 of 3 runs passed$'
}

@test "make new-lab refuses a chapter that is not there, a lab that is, and a bad name" {
  run scripts/labs/teacher/new-lab 99 new
  assert_failure 2
  run scripts/labs/teacher/new-lab 03 tiny
  assert_failure 1
  run scripts/labs/teacher/new-lab 03 'A b'
  assert_failure 2
}

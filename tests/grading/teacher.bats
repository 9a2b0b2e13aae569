# teacher.bats -- what a teacher sees of make grade beside the grades: how far it is,
# what was kept of an earlier run, who is alike, and what was not looked at.

setup_file() {
  load ../lib/labs
  boxed
  make_course "$BATS_FILE_TMPDIR/course"
  # Who has the starter waits for what does not come: not for long.
  export PATIENCE=10
  submit
  (cd "$BATS_FILE_TMPDIR/course" && scripts/labs/teacher/grade "$BATS_FILE_TMPDIR/in" "$BATS_FILE_TMPDIR/out") \
    >"$BATS_FILE_TMPDIR/words" 2>&1 3>&- || echo "$?" >"$BATS_FILE_TMPDIR/status"
}

# In a course whose lab asks little, so that it is graded at once.
setup() {
  load ../lib/labs
  boxed
  enter_course
  OUT=$BATS_TEST_TMPDIR/out
  IN=$BATS_TEST_TMPDIR/in
  # The user of the box has to pass through.
  ROOM=$(mktemp -d) && chmod 755 "$ROOM"
  cat >"$LAB/checks.bash" <<'END'
lab mend 1 20
check 10 "How it works" only "it listens" "能监听"
only() {
  step "it listens" "监听"
  start
}
END
  rm "$LAB/hidden.bash"
}

teardown() {
  rm -rf "$ROOM"
}

submit() {
  local lab=$BATS_FILE_TMPDIR/course/chapters/03-event/labs/tiny in=$BATS_FILE_TMPDIR/in
  mkdir -p "$in"/{ann,bob,cei,dan,eve,fay,张三,gus/src,__MACOSX/ann,..x}
  cp "$BATS_TEST_DIRNAME/alike/events.c" "$in/ann/tiny.c"
  # Other names, another layout, no comments; other order.
  sed -E 's/\b(peer|peers|loop|watch|drop|queue|filled|from|door|bell|sock|got|gone)\b/my_\1/g; s/ROOM/SPACE/g
    s/^    /\t/; s/^(.*) \{$/\1\n{/; /^ ?\/?\*/d' "$in/ann/tiny.c" >"$in/bob/tiny.c"
  awk 'BEGIN { RS = ""; ORS = "\n\n" } /^static void watch/ { w = $0; next } { print } /memset/ { print w }' \
    "$in/ann/tiny.c" >"$in/cei/tiny.c"
  cp "$BATS_TEST_DIRNAME/alike/buffers.c" "$in/dan/tiny.c"
  # Like dan's, this one stands on the starter; what was added is another thing.
  "$ROOT/scripts/labs/source" solution "$lab" |
    sed "/^static void read_cb/e cat '$BATS_TEST_DIRNAME/alike/addition.c'" >"$in/eve/tiny.c"
  "$ROOT/scripts/labs/source" starter "$lab" | tee "$in/fay/tiny.c" >"$in/张三/tiny.c"
  cp "$in/ann/tiny.c" "$in/gus/src/tiny.c"
  touch "$in"/{.DS_Store,=ann.zip}
  ln -s ann "$in/ln-ann"
}

# Three students, who are right.
three() {
  local name
  for name in ann bob cei; do
    mkdir -p "$IN/$name"
    solution "$COURSE" >"$IN/$name/tiny.c"
  done
}

table() {
  run cat "$OUT/grades.csv"
}

# Wait until the first result of a run is kept.
await_record() {
  local i
  for ((i = 0; i < 1200; i++)); do
    ! compgen -G "$OUT/.graded/*/03-tiny" >/dev/null || return 0
    sleep 0.05
  done
  fail "nothing was kept"
}

# --- similar submissions ---

@test "copies with other names or in another order are found, and the pairs are sorted" {
  [[ ! -e $BATS_FILE_TMPDIR/status ]] || fail "$(cat "$BATS_FILE_TMPDIR/words")"
  command -v sim_c >/dev/null || skip "sim_c is not installed"
  run cat "$BATS_FILE_TMPDIR/out/similar.csv"
  assert_output --regexp '^"lab","student","like","percent"
"03-tiny","ann","bob",100
"03-tiny","ann","cei",9[0-9]
"03-tiny","bob","cei",9[0-9]$'
  run cat "$BATS_FILE_TMPDIR/words"
  assert_line "grade: pairs of submissions that are alike, which is a hint and not a verdict: 3, see $BATS_FILE_TMPDIR/out/similar.csv"
}

@test "who wrote on his own is not told as alike, nor are two untouched starters" {
  command -v sim_c >/dev/null || skip "sim_c is not installed"
  run cat "$BATS_FILE_TMPDIR/out/similar.csv"
  refute_line --regexp '"(dan|eve|fay|张三)"'
  # Those two had enough of their own to be compared.
  run jq -c '.similar.labs[] | [.lab, .compared, .why_not]' "$BATS_FILE_TMPDIR/out/grades.json"
  assert_output '["03-tiny",5,null]'
}

@test "without the starter taken out, the two would be told" {
  command -v sim_c >/dev/null || skip "sim_c is not installed"
  three
  cp "$BATS_FILE_TMPDIR/in/dan/tiny.c" "$IN/ann" && cp "$BATS_FILE_TMPDIR/in/eve/tiny.c" "$IN/bob"
  sed -i 's/^STARTER_RUN=12 /STARTER_RUN=9999 /' scripts/labs/teacher/grade-similar.bash
  scripts/labs/teacher/grade "$IN" "$OUT"
  run cat "$OUT/similar.csv"
  assert_line --regexp '^"03-tiny","ann","bob",[5-9][0-9]$'
}

@test "the page says that it is a hint, in both languages, and escapes names" {
  command -v sim_c >/dev/null || skip "sim_c is not installed"
  run grep -c 'A hint, not a verdict' "$BATS_FILE_TMPDIR/out/grades.html"
  assert_output 1
  three
  mv "$IN/bob" "$IN/<b>" && mv "$IN/cei" "$IN/=cei"
  cp "$BATS_FILE_TMPDIR/in/ann/tiny.c" "$IN/<b>" && cp "$BATS_FILE_TMPDIR/in/bob/tiny.c" "$IN/=cei"
  LANG=zh_CN.UTF-8 run scripts/labs/teacher/grade "$IN" "$OUT"
  assert_line --partial '相似的提交 1 对（只是线索，不是结论）'
  run cat "$OUT/grades.html"
  assert_output --partial '这只是线索，不是结论'
  assert_output --partial '<td>&lt;b&gt;</td><td>=cei</td><td>100 %</td>'
  run tail -n 1 "$OUT/similar.csv"
  assert_output "\"03-tiny\",\"<b>\",\"'=cei\",100"
}

@test "a limit of one's own is taken" {
  command -v sim_c >/dev/null || skip "sim_c is not installed"
  three
  cp "$BATS_FILE_TMPDIR/in/ann/tiny.c" "$IN/ann" && cp "$BATS_FILE_TMPDIR/in/cei/tiny.c" "$IN/bob"
  SIMILAR=100 scripts/labs/teacher/grade "$IN" "$OUT"
  run grep -c . "$OUT/similar.csv"
  assert_output 1
  SIMILAR=x run scripts/labs/teacher/grade "$IN" "$OUT"
  assert_failure 2
  assert_output 'grade: SIMILAR is a number of per cent, not x'
}

@test "without sim_c there are grades, no report, and a line that says why" {
  mkdir "$BATS_TEST_TMPDIR/bin"
  ln -s /usr/bin/* "$BATS_TEST_TMPDIR/bin"
  rm -f "$BATS_TEST_TMPDIR/bin/sim_c"
  three
  PATH=$BATS_TEST_TMPDIR/bin run scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  assert_line "grade: no similarity report: sim_c is missing (Debian's similarity-tester); ./scripts/setup all installs it"
  run grep -c 'Not compared: sim_c is missing' "$OUT/grades.html"
  assert_output 1
  table
  assert_line --index 1 '"ann",20,20,20,100'
}

@test "a file made to keep the comparison busy does not stop the report" {
  command -v sim_c >/dev/null || skip "sim_c is not installed"
  three
  cp "$BATS_FILE_TMPDIR/in/ann/tiny.c" "$IN/ann" && cp "$BATS_FILE_TMPDIR/in/bob/tiny.c" "$IN/bob"
  { cat "$IN/cei/tiny.c" && echo '/*' && yes '*/ int a = 1 + 2; /* \0' | head -c 200000 && echo '*/'; } >"$IN/cei/more"
  mv "$IN/cei/more" "$IN/cei/tiny.c"
  scripts/labs/teacher/grade "$IN" "$OUT"
  run tail -n +2 "$OUT/similar.csv"
  assert_output '"03-tiny","ann","bob",100'
}

# --- what was not looked at ---

@test "what was not looked at stands in the page, in a table of its own and in the JSON" {
  run cat "$BATS_FILE_TMPDIR/out/not-looked-at.csv"
  assert_line --partial '"name","reason"'
  assert_line '"..x","a hidden name"'
  assert_line '"__MACOSX","made by a system or an archive program"'
  assert_line '".DS_Store","made by a system or an archive program"'
  assert_line '"ln-ann","a symbolic link"'
  assert_line "\"'=ann.zip\",\"a file, and no folder of a student\""
  assert_line '"gus/src/tiny.c","no lab that was graded has such a file there"'
  run jq -r '.not_looked_at[] | "\(.name): \(.reason)"' "$BATS_FILE_TMPDIR/out/grades.json"
  assert_equal "${#lines[@]}" 6
  assert_line 'ln-ann: a symbolic link'
  run grep -c '<tr><td>ln-ann</td><td>a symbolic link</td></tr>' "$BATS_FILE_TMPDIR/out/grades.html"
  assert_output 1
  # The table of grades is as it was.
  run cut -d , -f 1 "$BATS_FILE_TMPDIR/out/grades.csv"
  assert_line '"ann"'
  refute_line --regexp '(__MACOSX|DS_Store|\.\.x|ln-ann|zip)'
}

@test "grades.json fits its schema" {
  command -v jsonschema >/dev/null || skip "jsonschema is not installed"
  jsonschema -i "$BATS_FILE_TMPDIR/out/grades.json" "$ROOT/tests/schemas/grades.schema.json"
  echo '{"students": []}' >"$BATS_TEST_TMPDIR/bad.json"
  run jsonschema -i "$BATS_TEST_TMPDIR/bad.json" "$ROOT/tests/schemas/grades.schema.json"
  assert_failure
}

@test "names with any byte come through" {
  three
  mv "$IN/bob" "$IN/"$'new\nline' && mv "$IN/cei" "$IN/"$'\xff "quoted" %s'
  touch "$IN/"$'tab\there'
  run scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  run jq -c '[.students[].student | length], .not_looked_at' "$OUT/grades.json"
  assert_line --index 0 '[3,8,13]'
  assert_line --index 1 '[{"name":"tab\there","reason":"a file, and no folder of a student"}]'
}

# --- progress ---

@test "off a terminal, how far it is stands in whole lines without colour" {
  three
  PROGRESS_S=0 JOBS=1 run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  [[ ${stderr_lines[0]} =~ ^grade:\ 1\ of\ 3\ graded,\ about\ [0-9]+\ s\ left:\ ann\ 03-tiny$ ]] || fail "$stderr"
  [[ ${stderr_lines[2]} == 'grade: 3 of 3 graded, about 0 s left: cei 03-tiny' ]] || fail "$stderr"
  [[ $stderr != *[$'\r\e']* ]]
  # Not more often than every half minute, otherwise.
  run --separate-stderr scripts/labs/teacher/grade --afresh "$IN" "$OUT"
  [[ $stderr != *'of 3'* ]]
}

@test "on a terminal one line is written again and again, and gone at the end" {
  need_terminal
  three
  mv "$IN/ann" "$IN/$(printf '长%.0s' {1..60})"
  run on_terminal "stty cols 60; JOBS=1 LANG=zh_CN.UTF-8 scripts/labs/teacher/grade '$IN' '$OUT'"
  assert_success
  assert_output --regexp $'\r\e\\[K已评 1/3，大约还需 [0-9]+ 秒：bob 03-tiny\r\e\\[K已评 2/3'
  refute_output --regexp '长{25}'
  assert_output --regexp $'\r\e\\[K已评 3/3.*\r\e\\[K已评 3 名学生、1 个实验'
}

# --- a run that is interrupted ---

@test "a second run reuses unchanged results, and says how many" {
  three
  scripts/labs/teacher/grade "$IN" "$OUT"
  cp "$OUT/grades.csv" "$BATS_TEST_TMPDIR/first" && cp "$OUT/ann/report.txt" "$BATS_TEST_TMPDIR/report"
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  assert_equal "$stderr" "grade: 3 of 3 results are kept from an earlier run; --afresh (make: AFRESH=1) grades all anew"
  cmp "$OUT/grades.csv" "$BATS_TEST_TMPDIR/first" && cmp "$OUT/ann/report.txt" "$BATS_TEST_TMPDIR/report"
  LANG=zh_CN.UTF-8 run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_equal "$stderr" "" # its words would be English
  LANG=zh_CN.UTF-8 run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_equal "$stderr" "grade：3 个结果中有 3 个沿用上次的；--afresh（make：AFRESH=1）表示全部重新评分"
}

@test "what has changed is graded anew: a file, a check, the grader; or all, if asked to" {
  three
  scripts/labs/teacher/grade "$IN" "$OUT"
  "$ROOT/scripts/labs/source" starter "$LAB" | sed 's/print_ready(ev/(void)(ev/' >"$IN/bob/tiny.c"
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  [[ $stderr == 'grade: 2 of 3 results are kept'* ]] || fail "$stderr"
  table
  assert_line '"bob",0,0,20,0'
  assert_line '"cei",20,20,20,100'
  sed -i 's/^check 10/check 20/' "$LAB/checks.bash"
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  refute [ "$stderr" ]
  table
  assert_line '"cei",40,40,40,100'
  echo '# changed' >>scripts/labs/steps.bash
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  refute [ "$stderr" ]
  run --separate-stderr make -s grade SUBMISSIONS="$IN" OUT="$OUT" AFRESH=1
  assert_success
  refute [ "$stderr" ]
}

@test "a record that is not whole is not taken, nor one that was put there by a link" {
  local record=$OUT/.graded/ann/03-tiny
  three
  scripts/labs/teacher/grade "$IN" "$OUT"
  cp "$record" "$BATS_TEST_TMPDIR/record"
  head -c 300 "$BATS_TEST_TMPDIR/record" >"$record"
  : >"$OUT/.graded/bob/03-tiny"
  rm "$OUT/.graded/cei/03-tiny" && ln -s "$BATS_TEST_TMPDIR/record" "$OUT/.graded/cei/03-tiny"
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  assert_equal "$stderr" ""
  cmp "$record" "$BATS_TEST_TMPDIR/record"
}

@test "what could not be graded is not kept, and the rest is" {
  three
  # shellcheck disable=SC2016 # for the check
  sed -i 's/^  start$/  [[ $(grep -c "bob" $SOURCE) == 0 ]] || conect\n  start/' "$LAB/checks.bash"
  echo '/* bob */' >>"$IN/bob/tiny.c"
  run scripts/labs/teacher/grade "$IN" "$OUT"
  assert_failure 125
  [[ ! -e $OUT/grades.csv ]]
  sed -i 's/bob/_/' "$IN/bob/tiny.c"
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  [[ $stderr == 'grade: 2 of 3 results are kept'* ]] || fail "$stderr"
}

@test "after an interrupted run, the same command goes on" {
  three
  JOBS=1 TMPDIR=$ROOM scripts/labs/teacher/grade "$IN" "$OUT" >"$BATS_TEST_TMPDIR/words" 2>&1 3>&- &
  await_record
  kill -TERM "$!"
  status=0
  wait "$!" || status=$?
  assert_equal "$status" 130
  run cat "$BATS_TEST_TMPDIR/words"
  assert_output "grade: stopped. What was graded is kept in $OUT/.graded: the same command goes on from there."
  # Nothing goes on, or is left.
  run pgrep -f "$COURSE/scripts/labs/check"
  assert_failure
  run compgen -G "$ROOM/grade.*"
  assert_output ""
  [[ ! -e $OUT/grades.csv ]]
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  [[ $stderr =~ ^grade:\ [12]\ of\ 3\ results\ are\ kept ]] || fail "$stderr"
  table
  assert_line --index 1 '"ann",20,20,20,100'
  assert_line --index 3 '"cei",20,20,20,100'
}

@test "Ctrl-C on a terminal ends a run in order, and the same command goes on" {
  need_terminal
  three
  { await_record && printf '\003' && sleep 1; } |
    on_terminal "JOBS=1 scripts/labs/teacher/grade '$IN' '$OUT'; echo status \$?" >"$BATS_TEST_TMPDIR/words"
  run tr -d '\r' <"$BATS_TEST_TMPDIR/words"
  assert_line --partial "grade: stopped. What was graded is kept in $OUT/.graded"
  assert_line 'status 130'
  run pgrep -f "$COURSE/scripts/labs/check"
  assert_failure
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  [[ $stderr =~ ^grade:\ [12]\ of\ 3\ results\ are\ kept ]] || fail "$stderr"
}

@test "after a run that was killed, or a power loss, the same command goes on" {
  three
  JOBS=1 TMPDIR=$ROOM scripts/labs/teacher/grade "$IN" "$OUT" >/dev/null 2>&1 3>&- &
  await_record
  kill -KILL "$!"
  wait "$!" || true
  run compgen -G "$ROOM/grade.*"
  refute_output ""
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  # What was under way came to its end.
  [[ $stderr =~ grade:\ [12]\ of\ 3\ results\ are\ kept ]] || fail "$stderr"
  table
  assert_equal "${#lines[@]}" 4
  # What that run could not remove is removed.
  run compgen -G "$ROOM/grade.*"
  assert_output ""
}

@test "two runs into one folder do not mix" {
  three
  scripts/labs/teacher/grade "$IN" "$OUT" 2>"$BATS_TEST_TMPDIR/first" 3>&- &
  for ((i = 0; i < 400; i++)); do
    [[ ! -s $OUT/.graded/.lock ]] || break
    sleep 0.05
  done
  run --separate-stderr scripts/labs/teacher/grade "$IN" "$OUT"
  assert_success
  assert_equal "${stderr_lines[0]}" "grade: waiting for another run that writes to $OUT"
  assert_equal "${stderr_lines[1]}" "grade: 3 of 3 results are kept from an earlier run; --afresh (make: AFRESH=1) grades all anew"
  wait "$!"
}

@test "records of students who are not in this run are removed" {
  three
  scripts/labs/teacher/grade "$IN" "$OUT"
  rm -r "$IN/cei"
  scripts/labs/teacher/grade "$IN" "$OUT"
  run ls "$OUT/.graded" "$OUT"
  refute_line cei
  assert_line ann
}

# shellcheck disable=SC2016 # for the inner shell
with_results_on() { # MOUNT-OPTION
  unshare --mount sh -c 'mount -t tmpfs -o "$0" none "$1" && shift && exec "$@"' "$1" "$OUT" scripts/labs/teacher/grade "$IN" "$OUT"
}

@test "a folder of results that cannot be written is reported, with status 125" {
  { ((EUID == 0)) && unshare --mount true 2>/dev/null; } || skip "only root can mount"
  three
  mkdir -p "$OUT"
  run with_results_on ro
  assert_failure 125
  assert_line --partial "grade: cannot write in $OUT"
  run with_results_on size=16k
  assert_failure 125
  assert_line --partial "grade: cannot write in $OUT"
}

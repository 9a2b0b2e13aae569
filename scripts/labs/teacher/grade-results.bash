# grade-results.bash -- from what was graded to what a teacher reads.
#
# shellcheck disable=SC2154 # variables of scripts/labs/teacher/grade

# Names that a student's folder of results cannot have.
RESULTS=(grades.csv grades.html grades.json similar.csv not-looked-at.csv)

# What one student gets, from all labs together.
finish_student() { # NUMBER STUDENT-NAME
  local id results=("${LIST[@]/#/$WORK/$1/}")
  local to=$OUT/$2
  [[ " ${RESULTS[*]} " != *" $2 "* ]] || to+=.student
  mkdir -p "$to"
  for id in "${LIST[@]}"; do
    echo "$id" && cat "$WORK/$1/$id.txt" && echo
  done >"$to/report.txt"
  cat "${results[@]/%/.json}" >"$WORK/$1/all"
  "$HERE/../report" --gradescope <"$WORK/$1/all" >"$to/results.json"
  "$HERE/../report" --junit <"$WORK/$1/all" >"$to/junit.xml"
  jq -s --arg student "$2" '{student: $student, labs: .}' <"$WORK/$1/all"
}

# Results of an earlier run, in the same folder, of students who are not in this one.
remove_old() {
  local folder
  for folder in "$OUT"/*/; do
    [[ -f $folder/results.json && -f $folder/junit.xml && -f $folder/report.txt ]] || continue
    rm "$folder"/{results.json,junit.xml,report.txt}
    rmdir --ignore-fail-on-non-empty "$folder"
  done
  forget_others
}

# The words of the page.
words() {
  jq -n --arg chinese "$(is_chinese && echo yes)" --arg note "$(similar_note)" '
    {lang: "en", title: "Grades", students: "students", median: "median", student: "Student", sum: "Sum",
      hidden: "hidden", similar: "Similar submissions", none_made: "Not compared: ", compared: "compared",
      no_pair: "no pair reaches", more: "more, in similar.csv", not_looked_at: "Not looked at"} as $en |
    {lang: "zh", title: "成绩", students: "名学生", median: "中位数", student: "学生", sum: "总分",
      hidden: "隐藏", similar: "相似的提交", none_made: "没有比较：", compared: "参与比较的份数",
      no_pair: "没有一对达到", more: "其余见 similar.csv，还有", not_looked_at: "没有评分的文件和文件夹"} as $zh |
    (if $chinese == "" then $en else $zh end) + {$note}'
}

# A whole file or none: under another name first.
write_result() { # NAME COMMAND...
  { "${@:2}" >"$WORK/result" && cp "$WORK/result" "$OUT/.graded/.new" && mv "$OUT/.graded/.new" "$OUT/$1"; } || cannot_write "$OUT"
}

# Without a mark, a spreadsheet takes what is not ASCII for another encoding.
table() { # grades|similar|not_looked_at
  jq -r -L "$HERE" --arg table "$1" -f "$HERE/grade-table.jq" "$WORK/grades.json" >"$WORK/table" || return 1
  ! LC_ALL=C grep -q '[^ -~]' "$WORK/table" || printf '\xef\xbb\xbf'
  cat "$WORK/table"
}

write_results() {
  local number
  for number in "${!students[@]}"; do
    finish_student "$number" "${students[number]##*/}"
  done | jq -s . >"$WORK/students.json" || cannot_write "$OUT"
  jq '[.[].student]' "$WORK/students.json" >"$WORK/names.json"
  compare_all "$WORK/names.json" >"$WORK/similar.json"
  jq -n --slurpfile students "$WORK/students.json" --slurpfile similar "$WORK/similar.json" \
    --slurpfile not "$WORK/not-looked-at.json" \
    '{students: $students[0], not_looked_at: $not[0], similar: $similar[0]}' >"$WORK/grades.json"
  write_result grades.json cat "$WORK/grades.json"
  write_result grades.csv table grades
  write_result similar.csv table similar
  write_result not-looked-at.csv table not_looked_at
  write_result grades.html jq -r -L "$HERE" --argjson words "$(words)" -f "$HERE/grade-page.jq" "$WORK/grades.json"
  tell_similar "$WORK/similar.json"
}

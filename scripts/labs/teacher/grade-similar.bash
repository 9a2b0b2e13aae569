# grade-similar.bash -- which submissions of a lab are alike, as a hint to the teacher.
#
# sim_c (Debian's similarity-tester) compares tokens: other names, another layout and
# another order of the functions change nothing. What the starter has is taken out
# before. Its two limits are lengths of runs in tokens.
#
# shellcheck disable=SC2154 # variables of scripts/labs/teacher/grade

STARTER_RUN=12               # so much in a row, and it is the starter's
SIMILAR_RUN=24               # so much in a row counts as the same
LEAST_TOKENS=100             # with less of his own, a student is not compared
MOST_BYTES=65536             # nor with a file that no student would write
MOST_SECONDS=120             # for one lab
SIMILAR_LIMIT=${SIMILAR:-50} # per cent

# Why there is no report; nothing if there can be one.
why_not_compared() { # STUDENTS
  if (($1 < 2)); then
    say "there is one submission only" "只有一份提交"
  elif ! command -v sim_c >/dev/null; then
    say "sim_c is missing (Debian's similarity-tester); ./scripts/setup all installs it" \
      "缺少 sim_c（Debian 的 similarity-tester）；请运行 ./scripts/setup all 安装"
  fi
}

# Copy what was handed in for a lab as N.c, N being the student's number: printable
# characters only, since no student chooses what a program of ours reads.
gather() { # ID TO
  local number file
  for number in "${!students[@]}"; do
    file=$(find_file "${students[number]}" "$1") || continue
    [[ -f $file && $(stat -c %s -- "$file") -le $MOST_BYTES ]] || continue
    LC_ALL=C tr -cd '\t\n\r -~' <"$file" >"$2/$number.c"
  done
}

# One lab: the lines of grade-pairs.awk. Fails if it takes too long.
compare_lab() { # ID FOLDER
  local files
  mkdir -p "$2" && gather "$1" "$2" || return 1
  "$HERE/../source" starter "$(folder_of "$1")" >"$2/starter" || return 1
  (
    cd "$2" || exit 1
    compgen -G '*.c' >/dev/null || exit 0
    mapfile -t files < <(printf '%s\n' ./*.c | sed 's|^\./||' | sort -n)
    limited_sim -n -T -S -r "$STARTER_RUN" "${files[@]}" / starter >runs || exit 1
    awk -f "$HERE/grade-own-lines.awk" runs "${files[@]}" || exit 1
    mapfile -t files < <(printf '%s\n' ./*.own | sed '/[*]/d; s|^\./||' | sort -n)
    ((${#files[@]} > 1)) || exit 0
    limited_sim -ae -p -t "$SIMILAR_LIMIT" -r "$SIMILAR_RUN" "${files[@]}" >percentages || exit 1
    awk -v least="$LEAST_TOKENS" -f "$HERE/grade-pairs.awk" percentages
  )
}

limited_sim() { # ARG...
  timeout "$MOST_SECONDS" prlimit --as=2147483648 --core=0 sim_c "$@" </dev/null
}

# All labs, as JSON: {limit, why_not, labs: [{lab, compared, pairs: [{students: [name,
# name], percent}]}]}, with why_not for a lab that reached the time limit.
compare_all() { # STUDENTS-AS-JSON
  local id why
  why=$(why_not_compared "${#students[@]}")
  for id in "${LIST[@]}"; do
    [[ ! $why ]] || break
    if compare_lab "$id" "$WORK/similar/$id" >"$WORK/similar.now" 2>/dev/null; then
      jq -R -n --arg lab "$id" --slurpfile names "$1" '[inputs | split(" ")] |
        {lab: $lab, compared: (map(select(.[0] == "compared") | .[1] | tonumber) | add // 0),
         pairs: map(select(.[0] == "pair") | {students: (.[1:3] | map($names[0][tonumber])), percent: (.[3] | tonumber)})}' \
        "$WORK/similar.now"
    else
      jq -n --arg lab "$id" --arg why "$(say "the comparison took too long or failed" "比较耗时过长或出错")" \
        '{lab: $lab, compared: 0, pairs: [], why_not: $why}'
    fi
  done | jq -s --argjson limit "$SIMILAR_LIMIT" --arg why "$why" \
    '{limit: $limit, why_not: (if $why == "" then null else $why end), labs: .}'
}

# What a teacher has to know to read the percentages.
similar_note() {
  say "A hint, not a verdict: of a student's own code (without what the starter has), so much stands in another's too, whatever the names, the layout and the order of the functions. Those who wrote on their own can have much in common in a small lab, and those who copied can have hidden it. Read both, and talk to both." \
    "这只是线索，不是结论：百分比表示一名学生自己的代码（不含起始代码）中有多少也出现在另一名学生的代码里，与命名、排版和函数顺序无关。小实验里各自独立完成的代码也可能很像，抄袭的也可能改得面目全非。请把两份代码都读一遍，并与两名学生谈一谈。"
}

# A summary on the terminal; the pairs stand in the results.
tell_similar() { # JSON
  local why count
  why=$(jq -r '.why_not // empty' "$1")
  count=$(jq '[.labs[].pairs | length] | add // 0' "$1")
  if [[ $why ]]; then
    ((${#students[@]} < 2)) || say "grade: no similarity report: $why" "grade：没有相似度报告：$why"
  elif ((count > 0)); then
    say "grade: pairs of submissions that are alike, which is a hint and not a verdict: $count, see $OUT/similar.csv" \
      "grade：相似的提交 $count 对（只是线索，不是结论），见 $OUT/similar.csv"
  fi >&2
  jq -r '.labs[] | select(.why_not) | "\(.lab): \(.why_not)"' "$1" | sed 's/^/grade: /' >&2
}

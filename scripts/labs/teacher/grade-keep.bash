# grade-keep.bash -- what was graded is kept as it is made, so that a run that was
# interrupted goes on where it stopped.
#
# OUT/.graded/STUDENT/NN-NAME is the record of one lab of one student: a line with its
# key, the lab as JSON in one line, the text of the report, and the key again. It is
# written under another name first, so there is a whole record or none. The key holds
# the checksums of all that the result depends on: it is used again for nothing else.
#
# shellcheck disable=SC2034,SC2154 # variables of scripts/labs/teacher/grade

# One run at a time writes to a folder. Jobs of a run that was killed may still be at
# work: they hold the lock until they end.
lock_results() {
  local status=0 old=''
  { mkdir -p "$OUT/.graded" && : >>"$OUT/.graded/.lock"; } 2>/dev/null || cannot_write "$OUT"
  exec {LOCK}<>"$OUT/.graded/.lock"
  flock -n "$LOCK" || status=$?
  if ((status == 1)); then
    say "grade: waiting for another run that writes to $OUT" "grade：等待另一个写入 $OUT 的评分结束" >&2
    flock "$LOCK"
  fi
  # The folder of a run that could not remove it.
  read -r old <"$OUT/.graded/.lock" || true
  [[ $old != /*/grade.?????? || ! -O $old ]] || rm -rf "$old"
}

# To be called once the folder of this run is made.
note_work() {
  echo "$WORK" >"$OUT/.graded/.lock" || cannot_write "$OUT"
}

# Two checksums: of what grades, and of each lab.
find_keys() {
  local id folder
  GRADER=$({
    cat "$HERE"/grade* "$HERE"/../*.* "$HERE"/../{check,report,source} "$HERE"/../../lib/*
    cc -dumpfullversion -dumpmachine
    pkg-config --modversion libevent
    echo "$1 $LAB_LANGUAGE ${SANDBOX-} ${PATIENCE-}"
  } 2>&1 | sha256sum | cut -c 1-16)
  for id in "${LIST[@]}"; do
    folder=$(folder_of "$id")
    LAB_KEY["$id"]=$({
      cat "$folder"/{checks,hidden}.bash "$folder"/programs/* "$folder"/TASK* "$("$HERE/../source" file "$folder")" || true
      grep -hE '^##+ ' "$folder"/../../README*.md
    } 2>/dev/null | sha256sum | cut -c 1-16)
  done
}

# The key of a lab of a student; empty for what is no plain file, which is graded at
# once anyway.
key_of() { # FILE ID
  local sum
  sum=$(sum_of "$1") && echo "$GRADER.${LAB_KEY[$2]}.$sum"
}

sum_of() { # FILE
  local sum
  [[ -f $1 && ! -L $1 && $(stat -c %h -- "$1") == 1 ]] || return 1
  sum=$(sha256sum <"$1") && echo "${sum%% *}"
}

# Take the result that was kept, if it is one of the same key.
recall() { # KEY STUDENT ID TO
  local key='' json='' text='' record=$OUT/.graded/$2/$3
  [[ $1 && -f $record && ! -L $record ]] || return 1
  { IFS= read -r key && IFS= read -r json && IFS= read -r -d '' text || [[ $text ]]; } 2>/dev/null <"$record" || return 1
  [[ $key == "$1" && $text == *$'\n'"$1"$'\n' ]] || return 1
  text=${text%"$1"$'\n'}
  printf '%s\n' "$json" >"$4/$3.json"
  printf '%s' "$text" >"$4/$3.txt"
}

# Keep the result of a file that is still the same as before. What cannot be kept is
# graded again the next time.
keep() { # KEY STUDENT ID FILE FROM
  local folder=$OUT/.graded/$2 new
  [[ $1 && $(sum_of "$4") == "${1##*.}" ]] || return 0
  { mkdir -p "$folder" && new=$(mktemp "$folder/.XXXXXX"); } || return 0
  { echo "$1" && jq -c . "$5/$3.json" && cat "$5/$3.txt" && echo "$1"; } >"$new" &&
    sync "$new" && mv "$new" "$folder/$3" && return
  rm -f "$new"
} 2>/dev/null

# Records of students who are not in this run.
forget_others() {
  local folder
  for folder in "$OUT"/.graded/*/; do
    folder=${folder%/}
    [[ -d $folder && ! -d $SUBMISSIONS/${folder##*/} ]] || continue
    rm -r "$folder"
  done
}

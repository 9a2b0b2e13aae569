# grade-progress.bash -- how far a run is: on a terminal one line that is written
# again and again, elsewhere a whole line from time to time.

# Reads a line for each result: who it was.
progress() { # TOTAL
  local n=0 who text began=$EPOCHSECONDS shown=$EPOCHSECONDS width=0
  if [[ -t 2 && ${TERM-} != dumb ]]; then
    width=$(stty size <&2 2>/dev/null) || width=80
    width=${width#* } # after the number of lines
  fi
  while IFS= read -r who; do
    n=$((n + 1))
    if ((width > 0)); then
      text=$(how_far "$n" "$1" "$began")
      printf '\r\033[K%s' "$(cut_to "$((width - 1))" "$text$(say ": " "：")${who//[^[:print:]]/?}")" >&2
    elif ((EPOCHSECONDS - shown >= ${PROGRESS_S:-30})); then
      shown=$EPOCHSECONDS
      echo "grade$(say ": " "：")$(how_far "$n" "$1" "$began")$(say ": " "：")${who//[^[:print:]]/?}" >&2
    fi
  done
  ((width == 0)) || printf '\r\033[K' >&2
}

how_far() { # DONE TOTAL SINCE
  local left=$(((EPOCHSECONDS - $3) * ($2 - $1) / $1))
  if ((left >= 90)); then
    say "$1 of $2 graded, about $(((left + 30) / 60)) min left" "已评 $1/$2，大约还需 $(((left + 30) / 60)) 分钟"
  else
    say "$1 of $2 graded, about $left s left" "已评 $1/$2，大约还需 $left 秒"
  fi
}

# A line that wraps could not be written over. A Chinese character is two wide.
cut_to() { # WIDTH TEXT
  local i used=0
  for ((i = 0; i < ${#2}; i++)); do
    [[ ${2:i:1} == [\ -~] ]] && used=$((used + 1)) || used=$((used + 2))
    ((used <= $1)) || break
  done
  echo "${2:0:i}"
}

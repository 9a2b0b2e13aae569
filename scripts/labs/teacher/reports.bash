# reports.bash -- what a lab says, in both languages, kept beside its mutants:
#   mutants/reports.en.txt, mutants/reports.zh.txt
# The report of the starter; the checks and their steps, as the solution passes them;
# and the reasons that the checks give for a failure. What is kept is compared with
# what a run says, so that no text changes unseen.
#
# shellcheck disable=SC2154 # variables of scripts/labs/teacher/test-labs

# The report of the starter, as it is kept.
starter_report() { # LAB RESULTS LANGUAGE
  # How much of an answer that is cut short comes depends on the kernel.
  LAB_LANGUAGE=$3 "$HERE/../report" "$1" "$2" |
    sed -E 's/^( +(received|收到) +)[0-9]+ (bytes|字节)$/\1N \3/'
}

# A part of what is kept: 1 the starter's report, 2 the steps, 3 the reasons.
kept_part() { # LAB LANGUAGE PART
  [[ -f $1/mutants/reports.$2.txt ]] || return 0
  awk -v part="$3" '/^# / { n++; next } n == part && NF' "$1/mutants/reports.$2.txt"
}

same_starter() { # LAB FOLDER
  local language
  for language in en zh; do
    starter_report "$1" "$2/results" "$language" >"$2/report.$language"
    [[ $UPDATE ]] || diff -u <(kept_part "$1" "$language" 1) "$2/report.$language" || return 1
  done
}

# From the records of a run to what was said, both languages between a tab: the checks
# and steps into FOLDER/steps, the reasons into FOLDER/reasons. (A number in a reason
# is mostly measured.)
keep_words() { # RESULTS FOLDER
  [[ -f $1 ]] || return 0
  awk -F '\t' '
    $1 == "check" { print $6 "\t" $7 }
    $1 == "pass" { print "  " $2 "\t  " $3 }' "$1" | awk '!seen[$0]++' >"$2/steps"
  awk -F '\t' '
    $1 == "why" || ($1 ~ /^(sent|expected|came)$/ && $2 != $3) {
      gsub(/[0-9]+/, "N")
      print $2 "\t" $3
    }' "$1" | sort -u >"$2/reasons"
}

# Compare what the variants of a lab have said with what is kept, or keep it.
same_words() { # LAB FOLDER
  local language column=0 status=0 reasons
  reasons=$(sort -u "$2"/*/reasons)
  for language in en zh; do
    column=$((column + 1))
    if [[ $UPDATE ]]; then
      write_reports "$1" "$2" "$language" "$column" "$reasons"
      continue
    fi
    diff -u <(kept_part "$1" "$language" 2) <(cut -f "$column" "$2/solution/steps") || status=1
    # Not every run gives each reason; with all checks there are more of them.
    [[ ! $WHOLE ]] || continue
    comm -13 <(kept_part "$1" "$language" 3 | sort -u) <(cut -f "$column" <<<"$reasons" | sort -u) |
      grep . | sed "s|^|not in mutants/reports.$language.txt: |" && status=1
  done
  return "$status"
}

write_reports() { # LAB FOLDER LANGUAGE COLUMN REASONS
  {
    printf '# The report of the starter\n\n'
    cat "$2/starter/report.$3"
    printf '\n# The checks and their steps\n\n'
    cut -f "$4" "$2/solution/steps"
    printf '\n# Reasons for a failure\n\n'
    cut -f "$4" <<<"$5"
  } >"$1/mutants/reports.$3.txt"
}

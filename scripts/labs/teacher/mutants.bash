# mutants.bash -- the wrong programs of a lab, for test-labs: what is wrong with each,
# which check it has to fail, and where. All of that stands in the mutant's own file
# (see mutant.awk).
#
# shellcheck disable=SC2154 # variables of scripts/labs/teacher/test-labs

# The file of a mutant.
mutant_file() { # LAB VARIANT
  if [[ -f $1/mutants/$2.c ]]; then echo "$1/mutants/$2.c"; else echo "$1/mutants/$2.patch"; fi
}

# Read its preamble into MUTANT: mistake, fails, kind, step, says.
read_mutant() { # FILE
  local name value
  MUTANT=([mistake]='' [fails]='' [kind]=visible [step]='' [says]='')
  while IFS=$'\t' read -r name value; do MUTANT["$name"]=$value; done < <(awk -f "$HERE/mutant.awk" "$1")
}

# What the check that has to fail has recorded, a line each.
records_of_check() { # RESULTS
  awk -F '\t' -v kind="${MUTANT[kind]}" -v name="${MUTANT[fails]}" '
    $1 == "check" { wanted = $2 == kind && $3 == name }
    wanted' "$1"
}

# Whether the check failed at the step, and for the reason, that the mutant's file
# names; what is different goes to standard output.
fails_as_said() { # RESULTS
  local records step
  [[ ${MUTANT[fails]} ]] || { echo "its file names no check that it has to fail" && return 1; }
  records=$(records_of_check "$1")
  if ! grep -qx failed <<<"$records"; then
    echo "it does not fail the ${MUTANT[kind]} check ${MUTANT[fails]}"
    return 1
  fi
  step=$(awk -F '\t' '$1 == "fail" { print $2 }' <<<"$records")
  if [[ $step != "${MUTANT[step]}" ]]; then
    echo "it fails the check ${MUTANT[fails]} at another step: $step"
    return 1
  elif [[ ${MUTANT[says]} ]] && ! grep -qxF -- "${MUTANT[says]}" <(reasons "$records"); then
    echo "the report of ${MUTANT[fails]} does not say: ${MUTANT[says]}"
    return 1
  fi
}

# What a check says of a failure, beside what was sent and expected.
reasons() { # RECORDS
  awk -F '\t' '
    $1 == "why" || $1 == "report" { print $2 }
    $1 == "came" && $2 == "" { print "nothing received" }' <<<"$1"
}

# Name in its file the check that the mutant fails, the step and the reason: the
# check that stood there, or the first that fails.
rewrite_mutant() { # FILE RESULTS
  local records step says
  [[ ${MUTANT[fails]} ]] ||
    IFS=$'\t' read -r _ "MUTANT[kind]" "MUTANT[fails]" < <(awk -F '\t' '$1 == "check" { last = "x\t" $2 "\t" $3 } $1 == "failed" { print last; exit }' "$2")
  records=$(records_of_check "$2")
  step=$(awk -F '\t' '$1 == "fail" { print $2 }' <<<"$records")
  says=$(reasons "$records" | grep -v 'busy all the time' | head -n 1) || true
  [[ $step ]] || return 0
  {
    printf '%s\n\n' "${MUTANT[mistake]:-TODO: what is wrong}"
    wrap "Fails: ${MUTANT[fails]}$([[ ${MUTANT[kind]} == visible ]] || echo ' (hidden)'), at \"$step\""
    [[ ! $says ]] || wrap "Says:  $says"
  } >"$2.preamble"
  replace_preamble "$1" "$2.preamble"
}

# Fold a line at 76 columns; what goes on is indented.
wrap() { # TEXT
  fold -s -w 74 <<<"$1" | sed 's/ *$//; 2,$s/^/  /'
}

replace_preamble() { # FILE PREAMBLE
  local rest=$2.rest name=${1##*/}
  if [[ $1 == *.c ]]; then
    sed '0,/\*\/ *$/d' "$1" >"$rest"
    {
      sed "1s|^|/* $LAB_NAME.c -- |; 1s|\$|.|; 2,\$s|^| * |; s| *\$||" "$2"
      printf ' */\n'
      cat "$rest"
    } >"$2.new"
  else
    { cat "$2" && sed -n '/^--- /,$p' "$1"; } >"$2.new"
  fi
  cp "$2.new" "$1"
}

# same-helpers.awk -- compares functions of the same name, see same-helpers.
#
# own:      a pattern of names: what stands under them is each program's own
# apart:    "FILE:NAME" words; a helper that has to differ there. All files of
#           that name still have to agree
# of_labs:  a pattern of the names that are compared in a lab's files

function base_of(path) {
  sub(/.*\//, "", path)
  sub(/\.[ch]$/, "", path)
  return path
}

# The name of the function that a line at the margin begins, or "".
function name_in(line) {
  sub(/^__attribute__\(\(.*\)\) /, "", line)
  if (line !~ /^[a-z][a-zA-Z0-9_ *]*\(/ || line ~ /;$/)
    return ""
  sub(/\(.*/, "", line)
  sub(/.*[ *]/, "", line)
  return line
}

function is_compared(helper) {
  if (FILENAME ~ /\/labs\//)
    return helper ~ of_labs
  return helper !~ own
}

# Remember a whole function, or compare it with the first one of its name.
function see(helper, words, key) {
  key = base_of(FILENAME) ":" helper
  if (index(" " apart " ", " " key " ") == 0)
    key = helper
  seen++
  if (!(key in first)) {
    first[key] = words
    where[key] = FILENAME
  } else if (first[key] != words) {
    print FILENAME ": " helper " differs from the one in " where[key]
    bad = 1
  }
}

BEGIN {
  own = "^(" own ")$"
  of_labs = "^(" of_labs ")$"
  name = text = ""
  seen = bad = 0
}

FNR == 1 || /^\/\*/ { comment = "" }

/^(\/\*| \*)/ {
  comment = comment $0 "\n"
  next
}

name == "" && /^[a-z_]/ && (name = name_in($0)) != "" { text = comment }

name != "" { text = text $0 "\n" }

name != "" && /;$/ && text !~ /\n\{\n/ { name = "" } # it was a prototype

name != "" && /^}/ {
  if (is_compared(name))
    see(name, text)
  name = ""
}

{ comment = "" }

END { exit bad || seen == 0 }

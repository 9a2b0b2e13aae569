# same-helpers.awk -- compares functions of the same name, see same-helpers.
#
# own:      a pattern of names: functions that may differ in each program
# apart:    "FILE:NAME" words; a helper that has to differ there. All files of
#           that name still have to agree
# of_labs:  a pattern of the names that are compared in a lab's files
# own_lines: 1 to print instead how many lines of each file are its own, which
#           stand in no other file: "LINES FILE"

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

# Remember a whole function, or compare it with the first one of its name. A small
# lab has no print_line: what it prints, printf(3) and warn(3) do.
function see(helper, words, key) {
  key = base_of(FILENAME) ":" helper
  if (index(" " apart " ", " " key " ") == 0)
    key = helper
  if (helper == "print_line")
    has_print_line = FILENAME
  else if (helper ~ /^(print_ready|set_nodelay)$/ && has_print_line != FILENAME)
    key = helper " without print_line"
  seen++
  files_of[key]++
  lines_of[FILENAME, key] = gsub(/\n/, "\n", words) + 1
  if (own_lines)
    return
  if (!(key in first)) {
    first[key] = words
    where[key] = FILENAME
  } else if (first[key] != words) {
    print FILENAME ": " helper " differs from the one in " where[key]
    bad = 1
  }
}

function print_own_lines(    place, part, file) {
  for (place in lines_of) {
    split(place, part, SUBSEP)
    if (files_of[part[2]] > 1)
      lines[part[1]] -= lines_of[place]
  }
  for (file in lines)
    print lines[file], file
}

BEGIN {
  own = "^(" own ")$"
  of_labs = "^(" of_labs ")$"
  name = text = has_print_line = ""
  seen = bad = 0
}

{ lines[FILENAME]++ }

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

END {
  if (own_lines)
    print_own_lines()
  exit bad || seen == 0
}

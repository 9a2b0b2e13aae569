# api-report.awk -- reports which public functions of libevent the programs call
#
#   awk -v what=page|numbers|missing -f api-report.awk FACTS
#
# The facts are what api-declared.awk and api-called.awk have printed.

# A link to the chapter or sample, unless the program before was there too,
# and the program.
function place(file, before,    parts, parts_before, folder, program) {
  split(file, parts, "/")
  split(before, parts_before, "/")
  folder = parts[2]
  program = parts[3]
  sub(/\.c$/, "", program)
  if (folder == parts_before[2])
    return program
  if (parts[1] == "chapters")
    return "[" substr(folder, 1, index(folder "-", "-") - 1) "](" folder "/README.md) " program
  return "[" folder "](../samples/" folder "/README.md)" (program == folder ? "" : " " program)
}

function numbers(    h, n) {
  printf "%d of %d public functions shown (%d %%)\n", all_good, total, total ? 100 * all_good / total : 0
  for (h = 1; h <= headers; h++)
    if ((n = count["function", order[h]]))
      printf "  %-24s %3d of %3d\n", "event2/" order[h] ".h", good[h], n
}

function missing(    h, i, name) {
  for (h = 1; h <= headers; h++)
    for (i = 1; i <= count["function", order[h]]; i++) {
      name = names["function", order[h], i]
      if (!(name in shown))
        print "event2/" order[h] ".h: " name
    }
}

function page(    h) {
  print "# API"
  print ""
  print "<!-- one language -->"
  print ""
  printf "%d of %d functions are shown: the public functions of libevent %s,\n", all_good, total, version
  print "header by header, each with the first programs of this course that call it."
  print "What is deprecated, and the RPC and tagging headers, are left out."
  for (h = 1; h <= headers; h++) {
    if (!count["function", order[h]] && !count["macro", order[h]])
      continue
    print ""
    print "## event2/" order[h] ".h"
    if (count["function", order[h]]) {
      print ""
      printf "%d of %d functions are shown.\n", good[h], count["function", order[h]]
      table("function", order[h], "Function")
    }
    if (count["macro", order[h]])
      table("macro", order[h], "Macro")
  }
}

function table(kind, header, title,    i, name) {
  print ""
  print "| " title " | Shown in |"
  print "|---|---|"
  for (i = 1; i <= count[kind, header]; i++) {
    name = names[kind, header, i]
    print "| `" name "` |" (name in shown ? " " shown[name] : "") " |"
  }
}

# Counts all functions, and those that are shown, in good by header.
function sum_up(    h, n, i) {
  for (h = 1; h <= headers; h++) {
    n = count["function", order[h]]
    total += n
    for (i = 1; i <= n; i++)
      if (names["function", order[h], i] in shown)
        good[h]++
    all_good += good[h]
  }
}

$1 == "header" { order[++headers] = $2 }
$1 == "version" { version = $2 }
$1 == "function" || $1 == "macro" {
  names[$1, $2, ++count[$1, $2]] = $3
  wanted[$3] = 1
}
$1 == "call" && wanted[$3] {
  if (!uses[$3]++)
    shown[$3] = place($2, "")
  else if (uses[$3] <= 3)
    shown[$3] = shown[$3] ", " place($2, last[$3])
  last[$3] = $2
}
END {
  sum_up()
  if (what == "page")
    page()
  else if (what == "missing")
    missing()
  else
    numbers()
}

# grade-own-lines.awk -- RUNS FILE...: writes into FILE.own the lines of FILE that no
# run of sim_c -n covers. A run is a line such as
#
#   12.c: line 27-133          |starter.c: line 27-133     [565]

function cover(run, part, range, i) {
  if (split(run, part, ": line ") < 2 || split(part[2], range, "-") < 2) return
  for (i = range[1] + 0; i <= range[2] + 0; i++) covered[part[1], i] = 1
}

FNR == 1 { number++ }
number == 1 && /^[^ |]+: line [0-9]+-[0-9]+ *\|/ { cover($0) }
number > 1 && !((FILENAME, FNR) in covered) { print > (FILENAME ".own") }

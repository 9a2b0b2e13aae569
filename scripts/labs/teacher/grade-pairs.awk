# grade-pairs.awk -- reads what sim_c -p says of files N.c.own, where N is the number
# of a student, and prints the pairs of them, the most alike first. Its lines are
#
#   File 3.c.own: 302 tokens, 84 lines
#   3.c.own consists for 97 % of 5.c.own material
#
# Prints "pair N N PERCENT" for each pair, and "compared N". A file with fewer tokens
# than LEAST is left out: a few lines are soon the same.

function number(name) { return name + 0 }

function note(a, b, percent,    both) {
  if (tokens[a] < least || tokens[b] < least) return
  both = a < b ? a " " b : b " " a
  if (percent > alike[both] + 0) alike[both] = percent
}

$1 == "File" && $4 ~ /^tokens/ {
  tokens[number($2)] = $3 + 0
  if ($3 + 0 >= least) compared++
}
/ consists for [0-9]+ % of / { note(number($1), number($7), $4 + 0) }

END {
  print "compared", compared + 0
  for (pair in alike) print "pair", pair, alike[pair] | "sort -k 4nr -k 2n -k 3n"
}

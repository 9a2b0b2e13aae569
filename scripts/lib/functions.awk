# functions.awk -- prints what is wrong with the functions of bash and awk files: one
# that has more than 40 lines, and one of bash that has the name of a builtin (builtins:
# their names, between blanks), which would no longer do what it says.

function begin(name) {
  current = name
  began = FNR
  if (FILENAME !~ /\.awk$/ && index(" " builtins " ", " " name " "))
    complain(name " is a builtin of bash")
}

function complain(what) {
  print FILENAME ":" began ": " what
  bad = 1
}

# A text that is printed unchanged is not code.
/<<-?'?[A-Z]+'?/ { text = $0; sub(/.*<<-?'?/, "", text); sub(/[^A-Z].*/, "", text); quoted = text; next }
quoted != "" { if ($0 == quoted) quoted = ""; else skipped++; next }

/^[a-z_]+\(\) [{(]/ { skipped = 0; begin(substr($0, 1, index($0, "(") - 1)) }
/^function [a-z_]+\(/ { skipped = 0; begin(substr($2, 1, index($2 "(", "(") - 1)) }
/^[})]/ && current != "" {
  if (FNR - began + 1 - skipped > 40)
    complain(current " has " FNR - began + 1 - skipped " lines, more than 40")
  current = ""
}
END { exit bad }

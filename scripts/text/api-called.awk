# api-called.awk -- prints "call FILE NAME" once for each function that a C file calls
#
#   awk -f api-called.awk FILE...

# A line without its comments, strings and characters.
function bare(text,    code, at, start) {
  while (text != "") {
    if (in_comment) {
      at = index(text, "*/")
      text = at ? substr(text, at + 2) : ""
      in_comment = !at
    } else if (match(text, /\/\*|\/\/|"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/)) {
      code = code substr(text, 1, RSTART - 1) " "
      start = substr(text, RSTART, 2)
      text = start == "//" ? "" : substr(text, RSTART + RLENGTH)
      in_comment = start == "/*"
    } else {
      code = code text
      text = ""
    }
  }
  return code
}

function print_calls(code,    name) {
  while (match(code, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
    name = substr(code, RSTART, RLENGTH - 1)
    code = substr(code, RSTART + RLENGTH)
    sub(/[ \t]+$/, "", name)
    if (!seen[FILENAME, name]++)
      print "call", FILENAME, name
  }
}

FNR == 1 { in_comment = 0 }
{ print_calls(bare($0)) }

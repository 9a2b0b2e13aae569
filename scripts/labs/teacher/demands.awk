# demands.awk -- the paragraphs, list items and tables of a lab's task, a line each,
# between tabs: its line, the checks that are named there ("-": no demand; "?": nothing
# is said), and its text. Left out: the lines before the first section, code, and the
# sections whose numbers, from 1, are in skip.

function flush() {
  if (text != "") {
    gsub(/[ \t]+/, " ", text)
    printf "%d\t%s\t%s\n", from, marks == "" ? "?" : marks, text
  }
  text = marks = ""
}

# Take the comments out of a line, and keep what they say.
function take_marks(line, comment) {
  while (match(line, /<!-- (checks:[^>]*|no demand) -->/)) {
    comment = substr(line, RSTART, RLENGTH)
    line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
    if (comment ~ /no demand/) comment = "-"
    gsub(/<!-- checks: *| *-->/, "", comment)
    marks = marks (marks == "" ? "" : " ") comment
  }
  sub(/[ \t]+$/, "", line)
  return line
}

BEGIN { n = split(skip, number, " "); for (i = 1; i <= n; i++) left_out[number[i]] = 1 }
/^```/ || /^ +```/ { code = !code; next }
code { next }
/^<!-- English, Chinese, section/ { flush(); exit }
/^## / { flush(); section++; next }
section == 0 || section in left_out { next }
/^<!-- (checks:|no demand)/ { take_marks($0); ended = 0; next }
/^[ \t]*$/ { ended = 1; next }
{
  # A comment of its own belongs to what stands before it, so a block is only
  # over when the next one begins.
  if (ended || /^ *([-*]|[0-9]+\.) /) flush()
  ended = 0
  if (text == "") from = NR
  text = text (text == "" ? "" : " ") take_marks($0)
}
END { flush() }

# transcripts-report.awk -- turns clitest's report on a page into complaints
#
#   awk -v dir=DIR -v name=NAME -v columns=WIDTH -f transcripts-report.awk REPORT
#
# They go to stderr, with the command as the page has it (DIR/LINE.shown) and the
# lines that differ. On stdout comes how many there are.

# The command in the line of the page, which may go on in the next line.
function command(at,    file, text, more) {
  file = dir "/" at ".shown"
  while ((getline more <file) > 0)
    text = text (text == "" ? "" : "\n  ") more
  close(file)
  return text
}

BEGIN {
  rule = sprintf("%" columns "s", "")
  gsub(/ /, "-", rule)
}
/^\[FAILED #[0-9]+, line [0-9]+\] transcript_/ {
  sub(/^[^]]*\] [^ ]* */, "")
  print name ":" $1 ": $ " command($1) >"/dev/stderr"
  n++
  next
}
$0 != rule && /^[-+ \\]/ { print "  " $0 >"/dev/stderr" }
END { print n + 0 }

# mutant.awk -- what the preamble of a mutant says, a line each: "mistake", "fails" (a
# check), "kind" (visible or hidden), "step" and "says", a tab, and the value.
#
# The preamble is what stands before the "---" of a patch, or the first comment of a
# whole program. A line that begins with two blanks goes on with the one before:
#
#   the listener is not disabled when accept fails
#
#   Fails: rests, at "50 clients connect; then the server sleeps"
#   Says:  the program is busy while there is nothing to do

# The text of a line, without the marks of a comment.
function plain(words) {
    if (FILENAME ~ /\.c$/) {
        over = words ~ /\*\/ *$/
        sub(/ *\*\/ *$/, "", words)
        sub(/^\/\* [^ ]+ -- |^ \* ?/, "", words)
        sub(/\.$/, "", words)
    }
    return words
}

function flush(    at) {
    if (text ~ /^Fails: /) {
        sub(/^Fails: +/, "", text)
        at = index(text, ", at \"")
        if (at == 0)
            at = length(text) + 1
        check = substr(text, 1, at - 1)
        print "kind\t" (sub(/ \(hidden\)$/, "", check) ? "hidden" : "visible")
        print "fails\t" check
        print "step\t" substr(text, at + 6, length(text) - at - 6)
    } else if (sub(/^Says: +/, "", text)) {
        print "says\t" text
    } else if (text != "" && !mistakes++) {
        print "mistake\t" text
    }
    text = ""
}

FILENAME ~ /\.patch$/ && /^--- / { exit }
{
    line = plain($0)
    if (line ~ /^  /) {
        sub(/^ +/, " ", line)
        text = text line
    } else {
        flush()
        text = line
    }
    if (over)
        exit
}
END { flush() }

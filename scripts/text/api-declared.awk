# api-declared.awk -- which public functions and macros libevent's headers declare
#
#   cc -E -C -dD ... | awk -v names="HEADER..." -f api-declared.awk
#
# It reads the preprocessed headers with their comments and macros, in which
# EVENT2_EXPORT_SYMBOL still stands before what is public. On stdout come
# "header NAME" for each of the names, one a line; then "version V",
# "function HEADER NAME" and "macro HEADER NAME". What is deprecated is left out.

# The header that "# LINE "FILE"" names: where the next line comes from.
function header_of(text) {
  sub(/^[^"]*"/, "", text)
  sub(/".*/, "", text)
  if (text !~ /\/event2\/[^\/]*\.h$/)
    return ""
  sub(/.*\//, "", text)
  sub(/\.h$/, "", text)
  return text
}

function print_new(kind, name) {
  if (!seen[name]++)
    print kind, header, name
}

# A line without its comments; the last of them is kept in comment.
function without_comments(text,    code, at, piece) {
  while (text != "") {
    at = index(text, in_comment ? "*/" : "/*")
    piece = at ? substr(text, 1, at - 1) : text
    text = at ? substr(text, at + 2) : ""
    if (in_comment)
      comment = comment " " piece
    else
      code = code piece
    if (at) {
      if (!in_comment)
        comment = ""
      in_comment = !in_comment
    }
  }
  sub(/\/\/.*/, "", code)
  return code
}

# The word before the first parenthesis; that of a function which returns
# a pointer to a function stands inside it: int (*name(void))(int).
function declared_name(text) {
  if (match(text, /\([ \t]*\*/) && index(text, "(") == RSTART)
    text = substr(text, RSTART + RLENGTH)
  if (!match(text, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/))
    return ""
  text = substr(text, RSTART, RLENGTH - 1)
  sub(/[ \t]+$/, "", text)
  return text
}

# A declaration goes on to its semicolon.
function read_code(code,    name) {
  if (!declaring && code ~ /EVENT2_EXPORT_SYMBOL/) {
    declaring = 1
    sub(/.*EVENT2_EXPORT_SYMBOL/, "", code)
    declaration = ""
    # One of them is called so without the @.
    deprecated = tolower(comment) ~ /deprecated/
  }
  if (declaring) {
    declaration = declaration " " code
    if (index(code, ";")) {
      declaring = 0
      name = declared_name(declaration)
      if (name != "" && !deprecated)
        print_new("function", name)
    }
  }
  # A comment belongs to the declaration right below it.
  if (code ~ /[^ \t]/ && !in_comment)
    comment = ""
}

function print_headers(    list, n, i) {
  n = split(names, list, "\n")
  for (i = 1; i <= n; i++) {
    counts[list[i]] = 1
    print "header", list[i]
  }
}

BEGIN { print_headers() }
!in_comment && /^# [0-9]+ "/ { header = header_of($0); next }
!in_comment && /^#define EVENT__VERSION "/ { gsub(/"/, "", $3); print "version", $3 }
!(header in counts) { next }
!in_comment && match($0, /^#define [a-z][a-z0-9_]*\(/) { print_new("macro", substr($0, 9, RLENGTH - 9)) }
!in_comment && /^#/ { next }
{ read_code(without_comments($0)) }

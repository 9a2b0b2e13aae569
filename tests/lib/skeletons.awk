# skeletons.awk -- compares the skeletons of the pages with the programs
#
#   awk -f tests/lib/skeletons.awk PAGE.md PAGE.zh.md ...
#
# A skeleton is a text block below the comment "<!-- skeleton: NAME.c -->":
#
#   main                            // what stands here is for the reader
#       event_base_new
#       listen_on
#           evconnlistener_new_bind -> accept_cb
#   accept_cb: conn_new             // the same as conn_new in a line below
#
# A name at the left is a function of the program. What stands farther in, or
# behind a colon, is called in that function; what an arrow points to is handed
# over in that call. Each callback (NAME_cb) stands at the left once, and an
# arrow points to it. Both languages have the same names. Anything else is
# listed on stderr, and the status is 1.

function complain(what) {
  print FILENAME ":" FNR ": " what >"/dev/stderr"
  bad = 1
}

# A line of a program without its comments; one may go on in the next line.
function bare(text) {
  if (in_comment && !sub(/^.*\*\//, "", text))
    return ""
  gsub(/\/\*[^*]*\*\/|\/\/.*/, "", text)
  in_comment = sub(/\/\*.*/, "", text)
  return text
}

# Reads a program into body[file, FUNCTION], each in one line.
function load(file,    text, name, status) {
  while ((status = (getline text <file)) > 0) {
    text = bare(text)
    sub(/^__attribute__\(\(.*\)\) /, "", text)
    if (text ~ /^[A-Za-z_].*\(/ && text !~ /;$/) {
      sub(/\(.*/, "", text)
      match(text, /[A-Za-z0-9_]+$/)
      name = substr(text, RSTART)
      is_function[file, name] = 1
      if (name ~ /_cb$/)
        callbacks[file] = callbacks[file] " " name
      text = ""
    }
    if (text ~ /^}/)
      name = ""
    if (name != "")
      body[file, name] = body[file, name] " " text
  }
  close(file)
  if (status < 0)
    complain("cannot read " file)
}

function has_word(text, word) {
  return text ~ "(^|[^A-Za-z0-9_])" word "([^A-Za-z0-9_]|$)"
}

# Whether a statement of the function calls a name, and holds another too.
function has_call(owner, name, other,    statement, n, i) {
  n = split(body[program, owner], statement, /[;{}]/)
  for (i = 1; i <= n; i++)
    if (statement[i] ~ "(^|[^A-Za-z0-9_])" name "\\(" &&
        (other == "" || has_word(statement[i], other)))
      return 1
  return 0
}

# The calls behind an owner: "a, b" or "a -> b, c".
function check_calls(owner, text,    side, call, target, n, m, i, k) {
  if (!((program, owner) in is_function)) {
    complain(owner " is not a function of " program)
    return
  }
  split(text, side, / *-> */)
  n = split(side[1], call, /, */)
  m = split(side[2], target, /, */)
  for (i = 1; i <= n; i++) {
    if (!has_call(owner, call[i]))
      complain(owner " does not call " call[i])
    for (k = 1; k <= m; k++) {
      if (!has_call(owner, call[i], target[k]))
        complain(owner " does not hand " target[k] " to " call[i])
      is_handed[target[k]] = 1
    }
  }
}

# A line at the left: "a, b" or "a, b: calls".
function check_owners(text,    names, n, i, calls) {
  calls = ""
  if (match(text, /: */)) {
    calls = substr(text, RSTART + RLENGTH)
    text = substr(text, 1, RSTART - 1)
  }
  n = split(text, names, /, */)
  for (i = 1; i <= n; i++) {
    if (!((program, names[i]) in is_function))
      complain(names[i] " is not a function of " program)
    is_shown[names[i]]++
    if (calls != "")
      check_calls(names[i], calls)
  }
  stack[0] = names[1]
}

function check_line(text,    depth, first) {
  sub(/ *\/\/.*/, "", text)
  code[FILENAME] = code[FILENAME] text "\n"
  match(text, /^ */)
  depth = RLENGTH / 4
  text = substr(text, RLENGTH + 1)
  if (depth == 0) {
    check_owners(text)
  } else {
    check_calls(stack[depth - 1], text)
    first = text
    sub(/[^A-Za-z0-9_].*/, "", first)
    stack[depth] = first
  }
}

function begin(    folder, name) {
  name = $0
  gsub(/^<!-- skeleton: | -->$/, "", name)
  folder = FILENAME
  sub(/[^\/]*$/, "", folder)
  program = folder name
  if (!(program in loaded))
    load(program)
  loaded[program] = 1
  split("", is_shown)
  split("", is_handed)
  lines = 0
}

function end(    names, n, i) {
  n = split(callbacks[program], names, " ")
  for (i = 1; i <= n; i++) {
    if (is_shown[names[i]] != 1)
      complain(names[i] " stands at the left " is_shown[names[i]] + 0 " times")
    if (!(names[i] in is_handed))
      complain("no arrow points to " names[i])
  }
  if (lines > 25)
    complain("a skeleton of " lines " lines: 25 are enough")
  count[FILENAME]++
}

FNR == 1 { inside = 0 }
inside == 2 && /^```/ { end(); inside = 0; next }
inside == 2 { lines++; check_line($0) }
inside == 1 && !/^```text$/ { complain("no text block below the comment") }
inside == 1 { inside = 2 }
/^<!-- skeleton: [^ ]+\.c -->$/ { begin(); inside = 1 }

# Each page has skeletons, the same in both languages.
function compare_pages(    k, page, english, wrong) {
  for (k = 1; k < ARGC; k++) {
    page = english = ARGV[k]
    if (count[page] < 1) {
      print page ": " count[page] + 0 " skeletons" >"/dev/stderr"
      wrong = 1
    }
    if (sub(/\.zh\.md$/, ".md", english) && code[english] != code[page]) {
      print page ": the skeleton differs from that of " english >"/dev/stderr"
      wrong = 1
    }
  }
  return wrong
}

END {
  if (compare_pages())
    bad = 1
  exit bad
}

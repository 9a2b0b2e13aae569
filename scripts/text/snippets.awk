# snippets.awk -- fills the C blocks of pages from the files that they name
#
#   awk -v check=0 -v dir=DIR -f snippets.awk -- PAGE...
#
# Faults of the pages are listed on stderr. Unless check is 1, page N is
# written anew to DIR/N if a block differs, and "N<tab>PAGE" is printed. The
# status is 1 if anything was wrong.

function complain(page, at, what) {
  print page ":" at ": " what >"/dev/stderr"
  bad = 1
}

# Reads a file once into line[file, 1 ...]; gives how many lines it has,
# -1 if it cannot be read.
function load(file,    text, status, n) {
  if (!(file in size)) {
    while ((status = (getline text <file)) > 0)
      line[file, ++n] = text
    close(file)
    size[file] = status < 0 ? -1 : n + 0
  }
  return size[file]
}

# --- The regions of a C file --------------------------------------------------

# Where the comment begins that ends directly above line i; i if none does.
function comment_above(file, i,    k) {
  if (line[file, i - 1] ~ /\*\/[ \t]*$/ && line[file, i - 1] !~ /^[A-Za-z_}]/)
    for (k = i - 1; k > 0; k--)
      if (line[file, k] ~ /^\/\*/)
        return k
  return i
}

# The line of the closing brace in column 0, from line i on; 0 if none is.
function closing(file, i) {
  for (; i <= size[file]; i++)
    if (line[file, i] ~ /^}/)
      return i
  return 0
}

# Whether the function whose name stands in line i is defined there, not
# just declared.
function is_definition(file, i) {
  for (; i <= size[file]; i++) {
    if (line[file, i] ~ /;[ \t]*$/)
      return 0
    if (line[file, i] ~ /\{[ \t]*$/)
      return 1
  }
  return 0
}

# The last line of the step that begins in line i: before a blank line, or
# before the brace that ends its function.
function end_of_step(file, i,    nested) {
  nested = line[file, i] ~ /^[ \t]/
  for (; i < size[file]; i++) {
    if (line[file, i + 1] ~ /^[ \t]*$/)
      return i
    if (nested && line[file, i + 1] ~ /^}/)
      return i
  }
  return i
}

# Whether line i is the text mark of the step called name.
function is_mark(file, i, name,    text) {
  text = line[file, i]
  if (text !~ mark)
    return 0
  sub(mark " *", "", text)
  sub(/[ \t]+$/, "", text)
  return text == name
}

# Whether a struct begins in line i; "struct conn" and "conn" both name it.
function is_struct(file, i, name,    text) {
  text = line[file, i]
  if (name ~ /^(struct|union|enum) [A-Za-z_][A-Za-z0-9_]*$/)
    return index(text, name " {") == 1
  return name ~ identifier && text ~ /^(struct|union|enum) / &&
    index(text, name " {") == index(text, " ") + 1
}

function is_function(file, i, name) {
  return name ~ identifier && line[file, i] ~ /^[A-Za-z_]/ &&
    line[file, i] ~ "(^|[^A-Za-z0-9_])" name "\\(" && is_definition(file, i)
}

# Where the function begins whose name is in line i: its type may stand above.
function first_line(file, i, name,    above) {
  above = line[file, i - 1]
  if (index(line[file, i], name) == 1 && above ~ /^[A-Za-z_]/ && above !~ /[;}]/)
    return i - 1
  return i
}

# Finds the part called name in a file: sets from and to, and gives in how
# many places it was found.
function find(file, name,    i, n) {
  from = to = 0
  if (name == "the whole file") {
    from = 1
    to = size[file]
    return 1
  }
  for (i = 1; i <= size[file]; i++) {
    if (is_mark(file, i, name)) {
      from = i + 1
      to = line[file, i + 1] ~ /^[ \t]*$/ ? i : end_of_step(file, i + 1)
    } else if (is_struct(file, i, name)) {
      from = comment_above(file, i)
      to = closing(file, i)
    } else if (is_function(file, i, name)) {
      from = comment_above(file, first_line(file, i, name))
      to = closing(file, i)
    } else {
      continue
    }
    n++
  }
  return n + 0
}

# The lines from ... to of a file as a block shows them: without the text
# marks, moved to the left as far as they go, then in by the margin.
function shown(file, margin,    i, text, least, all) {
  least = 1000
  for (i = from; i <= to; i++) {
    match(line[file, i], /^ */)
    if (line[file, i] != "" && RLENGTH < least)
      least = RLENGTH
  }
  for (i = from; i <= to; i++) {
    text = line[file, i]
    if (text !~ mark)
      all = all (text == "" ? "" : margin substr(text, least + 1)) "\n"
  }
  return all
}

# --- The blocks of a page -----------------------------------------------------

# The block that a comment asks for; "" after a complaint.
function block(page, at, comment, margin,    file, name, n) {
  sub(/^ *<!-- /, "", comment)
  sub(/ *--> *$/, "", comment)
  file = name = comment
  sub(/:.*/, "", file)
  sub(/^[^:]*: */, "", name)
  asked = file ": " name
  if (page ~ /\//)
    file = substr(page, 1, match(page, /[^\/]*$/) - 1) file
  if (load(file) < 0) {
    complain(page, at, "cannot read " file)
    return ""
  }
  n = find(file, name)
  if (n == 0)
    complain(page, at, "there is no \"" name "\" in " file)
  else if (n > 1)
    complain(page, at, "\"" name "\" is in " file " " n " times")
  else if (to < from)
    complain(page, at, "\"" name "\" in " file " is empty or has no end")
  else
    return shown(file, margin)
  return ""
}

# The right text of the block whose fence is line i; old if it is not known.
function contents(page, i, old,    above, text, margin) {
  text = line[page, i]
  if (text !~ /^ *```+ *c([ {]|$)/)
    return old
  above = line[page, i - 1]
  if (above !~ source) {
    if (above !~ /^ *<!-- not from a file: [^ ].* -->$/)
      complain(page, i, "no comment above the c block says its source")
    return old
  }
  match(text, /^ */)
  margin = substr(text, 1, RLENGTH)
  text = block(page, i - 1, above, margin)
  if (text == "" || text == old)
    return old
  if (check)
    complain(page, i, "the block \"" asked "\" has drifted" \
      " from its source; scripts/text/snippets fills it")
  return text
}

# The line that closes the fence in line i; 0 if none does.
function end_of_fence(page, i,    k, text, ticks) {
  match(line[page, i], /```+/)
  ticks = RLENGTH
  for (k = i + 1; k <= size[page]; k++) {
    text = line[page, k]
    if (text !~ /^ *```+ *$/)
      continue
    gsub(/ /, "", text)
    if (length(text) >= ticks)
      return k
  }
  return 0
}

function one_page(page, number,    i, k, end, old, new, all, differs) {
  if (load(page) < 0) {
    complain(page, 1, "cannot read the page")
    return
  }
  for (i = 1; i <= size[page]; i++) {
    all = all line[page, i] "\n"
    if (line[page, i] ~ source && line[page, i + 1] !~ /^ *```+c([ {].*)?$/)
      complain(page, i, "no c block directly below the comment")
    if (line[page, i] !~ /^ *```/)
      continue
    if (!(end = end_of_fence(page, i))) {
      complain(page, i, "the block is never closed")
      return
    }
    old = ""
    for (k = i + 1; k < end; k++)
      old = old line[page, k] "\n"
    new = contents(page, i, old)
    if (new != old)
      differs = 1
    all = all new line[page, end] "\n"
    i = end
  }
  if (differs && !check) {
    print substr(all, 1, length(all) - 1) >(dir "/" number)
    close(dir "/" number)
    print number "\t" page
  }
}

function all_pages(    i) {
  for (i = 1; i < ARGC; i++)
    one_page(ARGV[i], i)
}

BEGIN {
  source = "^ *<!-- [^ ]+\\.[ch]: [^ ].* -->$"
  mark = "^[ \t]*//> "
  identifier = "^[A-Za-z_][A-Za-z0-9_]*$"
  all_pages()
  exit bad
}

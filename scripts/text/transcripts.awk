# transcripts.awk -- takes a page apart into the commands of its console blocks
#
#   awk -v dir=DIR -v name=NAME -v build=BUILD -f transcripts.awk PAGE
#
# For the command in line N it writes DIR/N.command, .shown (the command as the
# page has it), .want (what it is to print), .vary (a sed script), .sort (if there
# is that mark) and .stops (after how many lines ^C comes), and DIR/plan for
# clitest. On stdout: "vary<tab>LINE<tab>SCRIPT", "not<tab>LINE<tab>REASON",
# "count<tab>COMMANDS". The status is 1 if anything was wrong; that is listed on
# stderr.

function complain(at, what) {
  print name ":" at ": " what >"/dev/stderr"
  bad = 1
}

# Takes a note of the comments in a line that stands above a block.
function read_marks(text,    part, n, i) {
  n = split(text, part, /-->/)
  for (i = 1; i < n; i++) {
    sub(/^ *<!-- */, "", part[i])
    sub(/ *$/, "", part[i])
    mark[++marks] = part[i]
    mark_at[marks] = NR
  }
}

function is_ours(text) {
  return text ~ /^(background|sort|vary|not run)(:|$)/
}

# Forgets the marks, which no console block follows.
function drop_marks(    i) {
  for (i = 1; i <= marks; i++)
    if (is_ours(mark[i]))
      complain(mark_at[i], "no console block directly below \"" mark[i] "\"")
  marks = 0
}

function begin_block(    i, text) {
  background = sorted = not_run = 0
  vary = ""
  commands = 0
  for (i = 1; i <= marks; i++) {
    text = mark[i]
    if (text == "background") {
      background = 1
    } else if (text == "sort") {
      sorted = 1
    } else if (sub(/^vary: */, "", text)) {
      vary = vary text "\n"
      print "vary\t" mark_at[i] "\t" text
    } else if (sub(/^not run: */, "", text) && text != "") {
      not_run = 1
      print "not\t" NR "\t" text
    } else {
      complain(mark_at[i], "unknown mark \"" mark[i] "\"")
    }
  }
  marks = 0
}

# The command as it is run: with the programs of the build that is meant.
function built(text,    done) {
  if (build == "")
    return text
  while (match(text, /(^|[^.])\.\/build\//)) {
    done = done substr(text, 1, RSTART - 1)
    if (RLENGTH > 8)
      done = done substr(text, RSTART, 1)
    done = done build "/"
    text = substr(text, RSTART + RLENGTH)
  }
  return done text
}

function file(kind) {
  return dir "/" command "." kind
}

function command_line(text) {
  print text >file("shown")
  print built(text) >file("command")
  unfinished = text ~ /\\$/
}

function begin_command(text) {
  command = NR
  commands++
  lines = 0
  stops = ""
  command_line(text)
  printf "" >file("want")
  if (background)
    servers[++serving] = command
  else
    print "$ transcript_run " command " #=> --eval transcript_want " command >plan
}

function end_command() {
  if (!command)
    return
  printf "%s", vary >file("vary")
  printf "%s", stops >file("stops")
  if (sorted)
    printf "" >file("sort")
  if (background)
    print "$ transcript_start " command >plan
  stopped[command] = stops != ""
  close(file("command"))
  close(file("shown"))
  close(file("want"))
  close(file("vary"))
  close(file("stops"))
  close(file("sort"))
  count++
  command = 0
}

function block_line(text) {
  if (not_run)
    return
  if (unfinished) {
    command_line(text)
  } else if (text ~ /^\$ /) {
    end_command()
    begin_command(substr(text, 3))
  } else if (!commands) {
    complain(NR, "the block does not begin with a command")
    not_run = 1
  } else {
    if (text ~ /^\^C/) {
      if (!background)
        complain(NR, "^C in a block without the mark \"background\"")
      stops = stops lines "\n"
      text = substr(text, 3)
      if (text == "")
        return
    }
    print text >file("want")
    lines++
  }
}

function end_block() {
  end_command()
  if (unfinished)
    complain(NR, "the command goes on, but the block ends")
  if (background && !not_run && commands != 1)
    complain(block_at, "a background block has one command, not " commands)
  unfinished = 0
}

# Compares and ends what runs in the background: first those that ^C ends.
function end_section(    i, turn, all) {
  for (turn = 1; turn >= 0; turn--)
    for (i = 1; i <= serving; i++)
      if (stopped[servers[i]] == turn) {
        print "$ transcript_finish " servers[i] \
          " #=> --eval transcript_want " servers[i] >plan
        all = all " " servers[i]
      }
  if (serving)
    print "$ transcript_stop" all >plan
  serving = 0
}

function begin_fence(text) {
  match(text, /^ */)
  margin = RLENGTH
  match(text, /```+/)
  fence = RLENGTH
  block_at = NR
  console = substr(text, RSTART + RLENGTH) ~ /^ *console *$/
  if (console)
    begin_block()
  else
    drop_marks()
}

# A line behind the one that has opened a block.
function line_in_fence(text,    bare) {
  bare = text
  gsub(/ /, "", bare)
  if (bare ~ /^```+$/ && length(bare) >= fence) {
    fence = 0
    if (console)
      end_block()
  } else if (console) {
    if (substr(text, 1, margin) ~ /^ *$/)
      text = substr(text, margin + 1)
    block_line(text)
  }
}

BEGIN {
  plan = dir "/plan"
  printf "" >plan
}
fence { line_in_fence($0); next }
comment { comment = !/-->/; next }
/^ *<!--/ { comment = !/-->/; read_marks($0); next }
/^ *```/ { begin_fence($0); next }
{ drop_marks() }
/^##* / { end_section() }
END {
  drop_marks()
  if (fence)
    complain(block_at, "the block is never closed")
  end_section()
  close(plan)
  print "count\t" count + 0
  exit bad
}

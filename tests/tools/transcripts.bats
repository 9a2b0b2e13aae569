# transcripts.bats -- scripts/text/transcripts, which runs the console blocks
#
# shellcheck disable=SC2016,SC1003 # the $ and \ are of the pages

setup() {
  load ../lib/course
  cd "$BATS_TEST_TMPDIR" || return
  limit=10 # a test that waits for the limit has a lower one
}

page() { # LINE... -- writes README.md, with >>> for the fences
  printf '%s\n' "$@" | sed 's/^>>>/```/' >README.md
}

transcripts() { # [ARGUMENT]...
  "$ROOT/scripts/text/transcripts" --limit "$limit" "$@" README.md
}

right() { # COMMANDS -- all commands print what README.md says
  run transcripts
  assert_output "README.md: $1"
  assert_success
}

wrong() { # COMMANDS LINE... -- what transcripts says to README.md, whole
  run --separate-stderr transcripts
  assert_failure 1
  assert_output "README.md: $1"
  # shellcheck disable=SC2154 # run sets it
  assert_equal "$stderr" "$(printf '%s\n' "${@:2}")"
}

# A server that says what SIGINT and SIGTERM do to it.
SERVER='trap "echo caught; exit 0" INT; echo ready; while :; do sleep 0.02; done'

@test "transcripts takes commands that print what the page says" {
  page '# A' '>>>console' '$ echo one; echo two >&2' 'one' 'two' '$ true' \
    '$ printf three' 'three' '>>>' '>>>text' '$ false' 'x' '>>>' \
    '>>>console' '$ printf "a \r\n\n"' 'a' '' '>>>'
  right '4 commands'
}

@test "transcripts complains of a command that prints something else" {
  page 'Text.' '' '>>>console' '$ echo one' 'one' '$ echo two' 'to' '' '>>>'
  wrong '2 commands, 1 wrong' 'README.md:6: $ echo two' '  -to' '  -' '  +two'
}

@test "transcripts complains of a command that prints more, or less" {
  page '>>>console' '$ seq 2' '1' '$ seq 1' '1' '2' '>>>'
  wrong '2 commands, 2 wrong' 'README.md:2: $ seq 2' '   1' '  +2' \
    'README.md:4: $ seq 1' '   1' '  -2'
}

@test "transcripts joins the lines of a command" {
  page '>>>console' '$ echo a \' '    b' 'a b' '>>>'
  right '1 command'
  page '>>>console' '$ echo a \' '    b' 'c' '>>>'
  wrong '1 command, 1 wrong' 'README.md:2: $ echo a \' '      b' '  -c' '  +a b'
}

@test "transcripts runs the commands of a page in one shell, in the root, without input" {
  page '>>>console' '$ x=5' '>>>' '# B' '>>>console' '$ echo $x $LANG' \
    '5 C.UTF-8' '$ realpath scripts' "$ROOT/scripts" '$ cat' '$ cd "$TMPDIR"' '$ ls' '$ touch a' \
    '$ echo *' 'a' '>>>'
  right '8 commands'
}

@test "transcripts keeps the margin of a block in a list off the commands" {
  page '1. Do:' '   >>>console' '   $ printf "a\n  b\n"' '   a' '     b' '   >>>'
  sed -i 's/>>>/```/' README.md
  right '1 command'
}

@test "transcripts shows what the shell says as the reader's shell does" {
  page '>>>console' '$ nonesuch' 'bash: nonesuch: command not found' \
    '$ sh -c "kill -SEGV \$\$"' 'Segmentation fault' '>>>'
  right '2 commands'
}

@test "transcripts varies both sides of the next block" {
  page '<!-- vary: s/pid [0-9]+/pid N/ -->' '<!-- vary: s/a/b/ -->' \
    '>>>console' '$ echo "pid $$ a"' 'pid 12 a' '$ echo pid 1' 'pid 2' '>>>'
  right '2 commands'
  page '<!-- vary: s/[0-9]/N/ -->' '>>>console' '$ echo 1' '2' '>>>' \
    '>>>console' '$ echo 1' '2' '>>>'
  wrong '2 commands, 1 wrong' 'README.md:7: $ echo 1' '  -2' '  +1'
}

@test "transcripts complains of a vary that sed does not understand" {
  page '' '<!-- vary: s/x -->' '>>>console' '$ echo 1' '>>>'
  wrong '1 command, 1 wrong' \
    "README.md:2: sed: -e expression #1, char 3: unterminated \`s' command"
}

@test "transcripts sorts the lines where the page says so" {
  page '<!-- sort --><!-- vary: s/x/y/ -->' '>>>console' \
    '$ printf "b\nx\na\n"' 'a' 'b' 'x' '>>>'
  right '1 command'
  page '>>>console' '$ printf "b\na\n"' 'a' 'b' '>>>'
  run transcripts
  assert_failure 1
}

@test "transcripts ends a command that takes too long, and the page with it" {
  limit=3
  page '>>>console' '$ echo a' 'b' '$ echo x; sleep 5' 'x' '$ echo c' 'd' '>>>'
  wrong '3 commands, 2 wrong' 'README.md:2: $ echo a' '  -b' '  +a' \
    'README.md:4: $ echo x; sleep 5' \
    '  [still running after 3 s; the rest was not run]' '  x'
}

@test "transcripts does not run a block that the page shows only, and lists it" {
  page '>>>console' '$ echo a' 'a' '>>>' '<!-- not run: it is slow -->' \
    '>>>console' '$ echo b' 'c' '>>>'
  right '1 command'
  run transcripts --list
  assert_success
  assert_output 'README.md:6: it is slow'
}

@test "transcripts keeps a server running until the section ends" {
  page '<!-- background -->' '<!-- vary: s/(Connection .*) [0-9]+/\1 N/ -->' \
    '>>>console' '$ nc -nlkv 127.0.0.1 9995' 'Listening on 127.0.0.1 9995' \
    'Connection received on 127.0.0.1 1234' 'hello' '>>>' 'Now say something:' \
    '>>>console' '$ echo hello | nc -N 127.0.0.1 9995' '>>>' '## Next' \
    '>>>console' '$ nc -z 127.0.0.1 9995 || echo gone' 'gone' '>>>'
  right '3 commands'
}

@test "transcripts complains of what a server prints, against its own line" {
  page '# A' '<!-- background -->' '<!-- vary: s/[0-9]/N/ -->' '>>>console' \
    '$ echo port 1; echo b; sleep 9' 'port 2' 'c' '>>>' '# B'
  wrong '1 command, 1 wrong' 'README.md:5: $ echo port 1; echo b; sleep 9' \
    '   port N' '  -c' '  +b'
}

@test "transcripts complains of a server that prints more, or less" {
  limit=3
  page '# A' '<!-- background -->' '>>>console' '$ echo a; echo b; sleep 9' \
    'a' '>>>' '# B' '<!-- background -->' '>>>console' '$ echo c; sleep 9' \
    'c' 'd' '>>>'
  wrong '2 commands, 2 wrong' 'README.md:4: $ echo a; echo b; sleep 9' '   a' \
    '  +b' 'README.md:10: $ echo c; sleep 9' '   c' '  -d' \
    '  +[printed no more within 3 s]'
}

@test "transcripts complains of a server that ends before its time" {
  page '<!-- background -->' '>>>console' '$ echo a; sh -c "exit 3"' 'a' 'b' \
    '>>>' '# B' '<!-- background -->' '>>>console' \
    '$ echo c; sh -c "kill -KILL \$\$"' 'c' 'Killed' '>>>'
  wrong '2 commands, 2 wrong' 'README.md:3: $ echo a; sh -c "exit 3"' '   a' \
    '  -b' '  +[ended too early with status 3]' \
    'README.md:10: $ echo c; sh -c "kill -KILL \$\$"' '   c' '   Killed' \
    '  +[ended with status 137]'
}

@test "transcripts sends SIGINT where the page shows ^C" {
  page '<!-- background -->' '>>>console' "\$ sh -c '$SERVER'" 'ready' \
    '^Ccaught' '>>>' '# B' '<!-- background -->' '>>>console' \
    '$ echo a; sleep 9' 'a' '^C' '>>>'
  right '2 commands'
}

@test "transcripts sends SIGINT also where it is ignored itself, as in the background" {
  page '<!-- background -->' '>>>console' "\$ sh -c '$SERVER'" 'ready' '^Ccaught' '>>>'
  run env --ignore-signal=INT,QUIT "$ROOT/scripts/text/transcripts" --limit "$limit" README.md
  assert_output "README.md: 1 command"
  assert_success
}

@test "transcripts sends SIGINT once for each ^C" {
  page '<!-- background -->' '>>>console' \
    "\$ sh -c 'trap \"echo once; trap - INT\" INT; echo a; while :; do sleep 0.02; done'" \
    'a' '^Conce' '^C' '>>>'
  right '1 command'
}

@test "transcripts complains of a server that goes on after ^C" {
  limit=3
  page '<!-- background -->' '>>>console' \
    "\$ sh -c 'trap \"echo no\" INT; echo a; while :; do sleep 0.02; done'" \
    'a' '^Cno' '>>>'
  run --separate-stderr transcripts
  assert_failure 1
  assert_equal "$(tail -n +2 <<<"$stderr")" '   a
   no
  +[did not end within 3 s of ^C]'
}

@test "transcripts complains of a server that has ended before ^C" {
  page '<!-- background -->' '>>>console' '$ echo a' 'a' '^C' '>>>'
  wrong '1 command, 1 wrong' 'README.md:3: $ echo a' '   a' \
    '  +[ended before ^C with status 0]'
}

@test "transcripts waits for what a client prints when ^C ends its server" {
  page '<!-- background -->' '>>>console' \
    '$ echo here; until [ -e "$TMPDIR/end" ]; do sleep 0.02; done; echo over' \
    'here' 'over' '>>>' '<!-- background -->' '>>>console' \
    "\$ sh -c '${SERVER/echo/touch \\\$TMPDIR/end; echo}'" 'ready' '^Ccaught' '>>>'
  right '2 commands'
}

@test "transcripts gives each page a network of its own, and runs pages side by side" {
  "$ROOT/scripts/lib/alone" --check || skip "no namespaces can be made here"
  readlink /proc/self/ns/net >nets
  page '>>>console' "\$ readlink /proc/self/ns/net >>$PWD/nets" \
    "\$ until [ \$(wc -l <$PWD/nets) = 3 ]; do sleep 0.02; done" '>>>'
  cp README.md B.md
  run transcripts -j 2 B.md
  assert_output 'B.md: 2 commands
README.md: 2 commands'
  assert_success
  assert_equal "$(sort -u nets | wc -l)" 3
}

@test "transcripts gives each page files of its own" {
  page '>>>console' '$ touch trace && ls trace' 'trace' \
    "\$ echo >>$PWD/pages; until [ \$(wc -l <$PWD/pages) = 2 ]; do sleep 0.02; done" \
    '$ rm trace' '>>>'
  cp README.md B.md
  run transcripts -j 2 B.md
  assert_output 'B.md: 3 commands
README.md: 3 commands'
  assert_success
  [[ ! -e $ROOT/trace ]]
}

@test "transcripts runs pages one after the other where there is no box, and leaves nothing" {
  limit=3
  mkdir bin
  printf '#!/bin/sh\nexit 1\n' | tee bin/bwrap >bin/unshare
  chmod +x bin/bwrap bin/unshare
  page '>>>console' "\$ mkdir $PWD/busy && sleep 0.2 && rmdir $PWD/busy" \
    "\$ sleep 77 & echo \$! >>$PWD/pids" '>>>'
  cp README.md B.md
  page '>>>console' "\$ mkdir $PWD/busy && sleep 0.2 && rmdir $PWD/busy" '>>>' \
    '<!-- background -->' '>>>console' \
    "\$ sh -c 'echo \$\$ >>$PWD/pids; echo a; exec sleep 78'" 'a' '>>>' \
    '>>>console' '$ sleep 9' '>>>'
  PATH=$PWD/bin:$PATH run transcripts -j 2 B.md
  assert_failure 1
  assert_line 'B.md: 2 commands'
  assert_line 'README.md: 3 commands, 1 wrong'
  while read -r pid; do
    refute is_running "$pid"
  done <pids
  assert_equal "$(wc -l <pids)" 2
}

@test "transcripts leaves its own descriptors to no command" {
  page '>>>console' \
    "\$ sh -c '[ -e /proc/self/fd/9 ] || echo closed'" 'closed' '>>>' \
    '# B' '<!-- background -->' '>>>console' \
    "\$ sh -c '[ -e /proc/self/fd/9 ] || echo closed'" 'closed' '>>>'
  right '2 commands'
}

@test "transcripts runs the programs of another build, and shows the course's" {
  mkdir -p other
  printf '#!/bin/sh\necho "other $1"\n' >other/prog
  chmod +x other/prog
  page '>>>console' '$ x=1 ./build/prog a | cat - && ./build/prog \' \
    '  "$(./build/prog b)" ../build/' 'other a' 'other other c' '>>>'
  export BUILD=$PWD/other
  wrong '1 command, 1 wrong' \
    'README.md:2: $ x=1 ./build/prog a | cat - && ./build/prog \' \
    '    "$(./build/prog b)" ../build/' '   other a' '  -other other c' \
    '  +other other b'
}

@test "transcripts complains of marks that steer nothing" {
  page '<!-- sort -->' '' '>>>console' '$ echo' '' '>>>' \
    '<!-- backgroud -->' '>>>console' '$ echo' '' '>>>' \
    '<!-- not run: -->' '>>>console' '$ echo' '' '>>>' \
    '<!-- background -->' '>>>text' '>>>'
  wrong '3 commands, 1 wrong' \
    'README.md:1: no console block directly below "sort"' \
    'README.md:7: unknown mark "backgroud"' \
    'README.md:12: unknown mark "not run:"' \
    'README.md:17: no console block directly below "background"'
}

@test "transcripts complains of blocks that are not built right" {
  page '>>>console' 'out' '$ echo' '>>>' '<!-- background -->' '>>>console' \
    '$ echo a' 'a' '$ echo b' '>>>' '>>>console' '$ sleep 1' '^C' '>>>' \
    '>>>console' '$ echo \' '>>>' '>>>console' '$ echo'
  run --separate-stderr transcripts
  assert_failure 1
  assert_equal "$stderr" 'README.md:2: the block does not begin with a command
README.md:6: a background block has one command, not 2
README.md:13: ^C in a block without the mark "background"
README.md:17: the command goes on, but the block ends
README.md:18: the block is never closed'
}

@test "transcripts finds the English pages of its repository by itself" {
  mkdir -p scripts/text chapters/01-x samples/y elsewhere
  cp -r "$ROOT/scripts/text" "$ROOT/scripts/lib" scripts
  page '>>>console' '$ echo a' 'a' '>>>'
  for file in README.zh.md chapters/A.md chapters/01-x/README.md \
    samples/y/README.md elsewhere/README.md; do
    cp README.md "$file"
  done
  echo 'No console block.' >chapters/B.md
  run scripts/text/transcripts
  assert_success
  assert_output 'README.md: 1 command
chapters/A.md: 1 command
chapters/01-x/README.md: 1 command
samples/y/README.md: 1 command'
}

@test "transcripts explains itself, and refuses arguments that it does not know" {
  run "$ROOT/scripts/text/transcripts" --help
  assert_success
  assert_line --index 0 \
    'usage: transcripts [--list] [--limit SECONDS] [-j PAGES] [FILE...]'
  for arguments in --nonsense '-j x' --limit; do
    # shellcheck disable=SC2086 # several arguments
    run "$ROOT/scripts/text/transcripts" $arguments
    assert_failure 2
  done
  run "$ROOT/scripts/text/transcripts" nothing.md
  assert_failure 1
  assert_output 'nothing.md:1: there is no such page'
}

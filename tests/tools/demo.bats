# demo.bats -- scripts/demo, on demos and a little server made here
# shellcheck disable=SC2016 # dollars that a test shows are not for this shell

setup_file() {
  # Waiting for a free job is done in whole seconds, longer than a test here.
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true
}

setup() {
  load ../lib/course
  FIXTURE=$BATS_TEST_TMPDIR/course
  mkdir -p "$FIXTURE/build" "$FIXTURE/chapters/03-event" "$FIXTURE/chapters/04-next"
  printf '# 3. An event\n' >"$FIXTURE/chapters/03-event/README.md"
  printf '# 3. 事件\n' >"$FIXTURE/chapters/03-event/README.zh.md"
  make_server
  unset LC_ALL LC_MESSAGES NO_COLOR INTERACTIVE
  export BUILD=build SPEED=0 LIMIT=10 LANG=C.UTF-8 TERM=xterm
}

# An echo server of the shell, which ends with 0 on SIGTERM and SIGINT. Its
# default port is what PORT-FILE says: 0, the kernel's choice, or a taken one.
make_server() {
  printf '0\n' >"$FIXTURE/port"
  cat >"$FIXTURE/build/echo-server" <<'END'
#!/usr/bin/env bash
trap 'echo bye; exit 0' TERM INT
port=${2:-$(<port)}
socat -d -d "TCP-LISTEN:$port,bind=${1:-127.0.0.1},fork" EXEC:cat 2>&1 |
  sed -u -n -e '1,/listening/s/.*listening on AF=2 \(.*\):\([0-9]*\)$/listening on \1 port \2/p' \
    -e 's/.*\(Address already in use\).*/cannot bind: \1/p' \
    -e 's/.*accepting connection.*/client connected/p' &
wait $!
exit 1
END
  chmod +x "$FIXTURE/build/echo-server"
}

# The demo on standard input becomes chapters/03-event/NAME.demo.
make_demo() { # NAME
  cat >"$FIXTURE/chapters/03-event/$1.demo"
}

make_echo_demo() {
  make_demo echo-server <<'END'
say "It says back what it hears." "它把听到的话说回去。"
server echo-server
talk 'hello\nworld\n' "nc -N 127.0.0.1 $PORT"
expect_lines client '^world$'
expect_lines server '^client connected$'
END
}

# A demo that needs no server.
make_small_demo() {
  make_demo small <<'END'
say "Somebody says hello." "有人问好。"
run echo hello
END
}

demo() { # [NAME...]
  "$ROOT/scripts/demo" --root "$FIXTURE" "$@"
}

# Whether no process is left that was started in the fixture's folder.
nothing_left() {
  local cwd
  for cwd in /proc/[0-9]*/cwd; do
    if [[ $cwd -ef $FIXTURE ]]; then
      echo "still running: ${cwd%/cwd}"
      return 1
    fi
  done
}

@test "a demo shows the commands and both sides, and leaves nothing running" {
  make_echo_demo
  run -0 demo echo-server
  assert_line '3. An event'
  assert_line 'It says back what it hears.'
  assert_line '$ ./build/echo-server'
  assert_line --regexp '^server \| listening on 127\.0\.0\.1 port [0-9]+$'
  assert_line --regexp "^\\$ printf 'hello\\\\nworld\\\\n' \\| nc -N 127\\.0\\.0\\.1 [0-9]+$"
  assert_line 'server | client connected'
  assert_line 'client | hello'
  assert_line 'client | world'
  nothing_left
}

@test "two demos run side by side" {
  make_echo_demo
  demo all >"$BATS_TEST_TMPDIR/first" 3>&- &
  local first=$!
  run -0 demo
  wait "$first"
  run -0 grep -c '^client | world$' "$BATS_TEST_TMPDIR/first"
}

@test "an expectation that does not come exits 1, says what came and leaves nothing running" {
  make_demo wrong <<'END'
server echo-server
talk 'hello\n' "nc -N 127.0.0.1 $PORT"
expect_lines client '^HELLO$'
say "never said"
END
  run -1 demo wrong
  assert_line 'demo: wrong: expected from client: ^HELLO$'
  assert_line 'demo: wrong:   hello'
  assert_line 'demo: failed: chapters/03-event/wrong'
  refute_output --partial 'never said'
  nothing_left
}

@test "an expectation of a speaker that goes on is given up after LIMIT" {
  make_demo silent <<'END'
server echo-server
expect_lines server 'nobody says this'
END
  LIMIT=0.2 run -1 demo silent
  assert_line 'demo: silent: expected from server: nobody says this'
  nothing_left
}

@test "several expectations of a speaker must come in their order" {
  make_demo order <<'END'
run 'printf "one\ntwo\nthree\ntwo\n"'
expect_lines printf '^one$' '^two$' '^two$'
expect_lines printf '^three$' '^one$' '^two$'
END
  run -1 demo order
  refute_line 'demo: order: expected from printf: ^three$'
  assert_line 'demo: order: expected from printf: ^one$'
  assert_line 'demo: order: expected from printf: ^two$'
}

@test "an expectation is not met by the command before" {
  make_demo again <<'END'
run echo first
run echo second
expect_lines echo '^first$'
END
  run -1 demo again
  assert_line 'demo: again:   second'
  refute_line 'demo: again:   first'
}

@test "an expected regular expression that is none is named" {
  make_demo bracket <<'END'
run echo hello
expect_lines echo '('
END
  run -1 demo bracket
  assert_line "demo: bracket: '(' is not a regular expression"
}

@test "an exit status that was not expected fails the demo" {
  make_demo status <<'END'
client 'exit 3'
expect_status 3
client 'exit 4'
expect_status 3
END
  run -1 demo status
  assert_line 'demo: status: the command ended with status 4, not 3'
}

@test "a client's answer is not torn apart by the server's lines" {
  cat >"$FIXTURE/build/talker" <<'END'
#!/usr/bin/env bash
echo "listening on 127.0.0.1 port 1"
trap 'exit 0' TERM
for ((i = 0; i < 2000; i++)); do
  echo "tick $i"
  sleep 0.01
done
END
  chmod +x "$FIXTURE/build/talker"
  make_demo talks <<'END'
server talker
expect_lines server tick
client 'echo one; sleep 0.2; echo two'
expect_lines server '^tick 80$'
END
  run -0 demo talks
  assert_output --partial $'client | one\nclient | two\nserver | tick'
}

@test "a client that stays is shown after the server" {
  # A client that says the same as the server, at the same time.
  cat >"$FIXTURE/build/chorus" <<'END'
#!/usr/bin/env bash
echo "listening on 127.0.0.1 port 1"
trap 'exit 0' TERM
until [[ -e go ]]; do sleep 0.01; done
echo "server here"
while :; do sleep 0.01; done
END
  chmod +x "$FIXTURE/build/chorus"
  make_demo stays <<'END'
server chorus
client_start 'until [[ -e go ]]; do sleep 0.01; done; echo "client here"'
: >go
expect_lines client '^client here$'
END
  run -0 demo stays
  assert_output --partial $'server | server here\nclient | client here'
}

@test "an interrupted demo leaves nothing running" {
  make_demo waits <<'END'
server echo-server
run 'echo here; sleep 60'
END
  # As a terminal does it: SIGINT to the whole group.
  setsid env --default-signal=INT "$ROOT/scripts/demo" --root "$FIXTURE" waits >"$BATS_TEST_TMPDIR/out" 3>&- &
  local pid=$! tries=0
  until grep -q 'here$' <(grep '|' "$BATS_TEST_TMPDIR/out"); do
    ((++tries < 200))
    sleep 0.02
  done
  kill -INT -- "-$pid"
  local status=0
  wait "$pid" || status=$?
  assert_equal "$status" 130
  nothing_left
}

@test "a demo whose output is closed leaves no process running" {
  make_demo unread <<'END'
server echo-server
client 'seq 1000'
say "never read"
client 'seq 100000'
say "never read"
END
  run -141 bash -o pipefail -c "'$ROOT/scripts/demo' --root '$FIXTURE' | head -n 8"
  assert_line 'client | 1'
  nothing_left
}

@test "without a terminal there is no colour" {
  make_small_demo
  run -0 demo
  assert_line 'echo   | hello'
  refute_output --partial $'\e'
}

@test "on a terminal labels are coloured and commands are bold" {
  need_terminal
  make_small_demo
  run -0 on_terminal "'$ROOT/scripts/demo' --root '$FIXTURE'" </dev/null
  assert_output --partial $'\e[36mecho   |\e[0m hello'
  assert_output --partial $'\e[1m$ echo hello\e[0m'
}

@test "on a terminal with NO_COLOR there is no colour, nor on a dumb one" {
  need_terminal
  make_small_demo
  run -0 on_terminal "NO_COLOR=1 '$ROOT/scripts/demo' --root '$FIXTURE'" </dev/null
  refute_output --partial $'\e'
  run -0 on_terminal "TERM=dumb '$ROOT/scripts/demo' --root '$FIXTURE'" </dev/null
  refute_output --partial $'\e'
}

@test "the narrator and the headings are Chinese in a Chinese locale" {
  make_small_demo
  LANG=zh_CN.UTF-8 run -0 demo
  assert_line '有人问好。'
  assert_line '3. 事件'
  refute_output --partial 'Somebody'
}

@test "LC_MESSAGES goes before LANG" {
  make_small_demo
  LANG=zh_CN.UTF-8 LC_MESSAGES=C run -0 demo
  assert_line 'Somebody says hello.'
}

@test "a server whose port is taken is started, and shown, on a free one" {
  make_echo_demo
  # The fixture's own server takes the port.
  (cd "$FIXTURE" && exec setsid build/echo-server 127.0.0.1 0) >"$BATS_TEST_TMPDIR/holder" 3>&- &
  local holder=$! tries=0
  until [[ -s $BATS_TEST_TMPDIR/holder ]]; do
    ((++tries < 200))
    sleep 0.02
  done
  sed 's/.* port //' "$BATS_TEST_TMPDIR/holder" >"$FIXTURE/port"
  run -0 demo
  kill -TERM -- "-$holder"
  wait "$holder"
  assert_line '$ ./build/echo-server 127.0.0.1 0'
  refute_line '$ ./build/echo-server'
  refute_output --partial 'Address already in use'
  assert_line 'client | world'
}

@test "a server that ends before it is ready fails the demo" {
  printf '#!/bin/sh\necho "no good" >&2\nexit 3\n' >"$FIXTURE/build/broken"
  chmod +x "$FIXTURE/build/broken"
  make_demo broken <<<'server broken'
  run -1 demo
  assert_line '$ ./build/broken'
  assert_line 'server | no good'
  assert_line 'demo: broken: broken ended with status 3 before it was ready'
}

@test "a server that fails when it is ended fails the demo" {
  cat >"$FIXTURE/build/leaky" <<'END'
#!/usr/bin/env bash
trap 'echo "a leak"; exit 23' TERM
echo "listening on 127.0.0.1 port 1"
sleep 60 &
wait
END
  chmod +x "$FIXTURE/build/leaky"
  make_demo leaky <<<'server leaky'
  run -1 demo
  assert_line 'demo: leaky: leaky ended with status 23; its last lines:'
  assert_line 'a leak'
  nothing_left
}

@test "a server that waits for its clients is asked a second time to end" {
  cat >"$FIXTURE/build/patient" <<'END'
#!/usr/bin/env bash
trap 'if ((asked++)); then exit 0; fi' TERM
echo "listening on 127.0.0.1 port 1"
for ((i = 0; i < 2000; i++)); do sleep 0.01; done
exit 9
END
  chmod +x "$FIXTURE/build/patient"
  make_demo patient <<<'server patient'
  run -0 demo patient
  nothing_left
}

@test "a program that is not built is named" {
  make_demo absent <<<'server absent'
  run -1 demo
  assert_output --partial 'build/absent is missing; run make first'
}

@test "a client that stays is typed to, and a label of each length lines up" {
  make_demo chat <<'END'
server echo-server
as alice
client_start "nc -N 127.0.0.1 $PORT"
as bartholomew
client_start "nc -N 127.0.0.1 $PORT"
as alice
type_line "it's me"
expect_lines alice "it's me"
type_line "and me"
expect_lines bartholomew "and me"
client_end
as alice
client_end
END
  run -0 demo chat
  assert_line "alice       > it's me"
  assert_line "alice       | it's me"
  assert_line 'bartholomew > and me'
  assert_line 'bartholomew | and me'
  assert_line 'alice       > ^D'
  nothing_left
}

@test "run keeps the exit status and labels lines with the program's name" {
  printf '#!/bin/sh\necho "arg $1"\nexit 7\n' >"$FIXTURE/build/probe"
  chmod +x "$FIXTURE/build/probe"
  make_demo probe <<'END'
run ./build/probe 'two words'
expect_lines probe '^arg two words$'
run 'X=1 ./build/probe y; exit 5'
[[ $STATUS == 5 ]]
END
  run -0 demo
  assert_line "\$ ./build/probe 'two words'"
  assert_line 'probe  | arg two words'
  assert_line 'probe  | arg y'
}

@test "a signal is shown and sent, and the exit status compared" {
  make_demo signal <<'END'
server echo-server
send_signal INT
wait_exit 0
expect_lines server '^bye$'
END
  run -0 demo
  assert_line '$ kill -INT $(pidof echo-server)'
  assert_line 'server | bye'
  sed -i 's/wait_exit 0/wait_exit 4/' "$FIXTURE/chapters/03-event/signal.demo"
  run -1 demo
  assert_line 'demo: signal: echo-server ended with status 0, not 4'
}

@test "SPEED=0 makes no pauses, and SPEED=1 does" {
  make_demo words <<<'say "A line of thirty letters: this" "x"'
  local before=${EPOCHREALTIME/./}
  run -0 demo
  local quick=$((${EPOCHREALTIME/./} - before))
  before=${EPOCHREALTIME/./}
  SPEED=1 run -0 demo
  local slow=$((${EPOCHREALTIME/./} - before))
  # 30 letters, 10 ms each
  ((slow >= 300000))
  ((quick < slow))
}

@test "SPEED that is no number is refused" {
  make_small_demo
  SPEED=fast run -2 demo
  assert_output --partial "SPEED is a number such as 2 or 0.5, not 'fast'"
}

@test "all plays the chapters in order, a number one chapter, a name one program" {
  make_demo first <<<'say one'
  make_demo second <<<'say two'
  printf 'say three\n' >"$FIXTURE/chapters/04-next/third.demo"
  run -0 demo
  run -0 grep -E '^(one|two|three|3\. An event|04-next)$' <<<"$output"
  assert_output $'3. An event\none\ntwo\n04-next\nthree'
  run -0 demo 03
  assert_line one
  assert_line two
  refute_line three
  run -0 demo third
  refute_line one
  assert_line three
}

@test "a chapter's programs come in the order in which its text names them" {
  make_demo alpha <<<'say "this is alpha"'
  make_demo beta <<<'say "this is beta"'
  make_demo gamma <<<'say "this is gamma"'
  printf 'First gamma,\nthen alpha.\n' >>"$FIXTURE/chapters/03-event/README.md"
  run -0 demo
  run -0 grep 'this is' <<<"$output"
  assert_output $'this is gamma\nthis is alpha\nthis is beta'
}

@test "an unknown name exits 2 and lists what there is" {
  make_echo_demo
  run -2 demo nonesuch
  assert_line "demo: there is no demo 'nonesuch'; there are:"
  assert_line '  echo-server (chapters/03-event)'
}

@test "an unknown option exits 2, --help exits 0" {
  run -2 demo --nonesuch
  run -0 demo --help
  assert_line --partial 'Usage: scripts/demo'
}

@test "with INTERACTIVE=1 on a terminal the client gets what is typed" {
  need_terminal
  make_demo typed <<'END'
server echo-server
talk 'hello\n' "nc -N 127.0.0.1 $PORT"
expect_lines client '^hello$'
say "done" "done"
END
  run -0 on_terminal "INTERACTIVE=1 '$ROOT/scripts/demo' --root '$FIXTURE'" <<<'typed by a person'
  assert_line --partial 'Ctrl-D ends'
  assert_line --regexp $'\e\\[1m\\$ nc -N 127\\.0\\.0\\.1 [0-9]+\e'
  refute_output --partial 'hello'
  assert_line --partial 'done'
  # Once from the terminal's echo, once from the server.
  run -0 grep -c 'typed by a person' <<<"$output"
  assert_output 2
}

@test "INTERACTIVE=1 without a terminal changes nothing" {
  make_demo talk <<<"talk 'hello\n' cat; expect_lines client hello"
  INTERACTIVE=1 run -0 demo </dev/null
  assert_line "\$ printf 'hello\n' | cat"
  assert_line 'client | hello'
}

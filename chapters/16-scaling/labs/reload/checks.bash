# checks.bash -- a worker process is replaced, and no client notices.

lab mend 4 45
STILL_MS=$LIMIT_MS # what the workers do is not seen in the first process
: "${OLD:=hello}" "${NEW:=salve}" "${TIMES:=3}"

check 2 "Ready, and leaving" keeps_clients \
  "after SIGHUP a client keeps its worker, and a new client gets the new one" \
  "SIGHUP 之后，已有的客户端仍由旧进程服务，新客户端由新进程服务"
keeps_clients() {
  step "A is answered with the word in the file" "A 得到的应答带着文件里的词"
  write_word "$OLD"
  start word.txt 0
  meet A "$OLD"
  step "the file changes; after SIGHUP B is answered with the new word" "文件改了；SIGHUP 之后，B 得到的应答带着新词"
  write_word "$NEW"
  signal HUP
  expect_line '^a new worker serves$' 2
  meet B "$NEW"
  step "A is answered by its old worker as before" "A 仍由原来的进程应答"
  meet_again A "$OLD"
  step "after one more SIGHUP each of A, B and C has its own worker" "再来一次 SIGHUP，A、B、C 各由自己的进程服务"
  write_word third
  signal HUP
  expect_line '^a new worker serves$' 3
  meet C third
  meet_again A "$OLD"
  meet_again B "$NEW"
}

check 3 "Ready, and leaving" nobody_waits \
  "while the new worker gets ready, the old one accepts clients" \
  "新进程就绪之前，旧进程照常接受客户端"
nobody_waits() {
  step "A is answered with the word in the file" "A 得到的应答带着文件里的词"
  write_word "$OLD"
  start word.txt 0
  meet A "$OLD"
  step "SIGHUP; the new worker has to wait for its file, and the old one answers A, and B, who comes now" \
    "SIGHUP；新进程还在等文件的内容，这时旧进程应答 A，也应答新来的 B"
  make_slow
  signal HUP
  until_true has_workers 2 || fail "no new worker starts" "没有启动新进程"
  meet_again A "$OLD"
  meet B "$OLD"
  step "a second SIGHUP in this time starts no second new worker" "这时再来一次 SIGHUP，不会再启动一个"
  signal HUP
  expect_workers_stay 2
  step "then the file is there: C is answered with the new word, and A with the old one" \
    "文件内容来了：C 得到新词，A 仍是旧词"
  printf '%s\n' "$NEW" >&"$SLOW"
  expect_line '^a new worker serves$' 2
  meet C "$NEW"
  meet_again A "$OLD"
}

check 2 "Ready, and leaving" keeps_the_old \
  "if the new worker fails, the old one stays" \
  "新进程启动失败时，旧进程留任"
keeps_the_old() {
  step "A is answered with the word in the file" "A 得到的应答带着文件里的词"
  write_word "$OLD"
  start word.txt 0
  meet A "$OLD"
  step "the file is gone; after SIGHUP A is answered as before, and so is B, who is new" \
    "文件没了；SIGHUP 之后，A 照常得到应答，新来的 B 也一样"
  rm "$FOLDER/word.txt"
  signal HUP
  expect_error 'cannot read word.txt'
  until_true has_workers 1 || true
  meet_again A "$OLD"
  meet B "$OLD"
  step "the file is back; after SIGHUP C is answered with the new word" "文件又有了；SIGHUP 之后，C 得到新词"
  write_word "$NEW"
  signal HUP
  expect_line '^a new worker serves$' 2
  meet C "$NEW"
}

check 1 "The supervisor holds the sockets" waits_in_queue \
  "a client that the old worker has not accepted is served by the new one" \
  "旧进程还没接受的客户端，由新进程服务"
waits_in_queue() {
  step "the worker is stopped; B connects, and sends a line" "工作进程停住；B 连上，发出一行"
  write_word "$OLD"
  start word.txt 0
  meet A "$OLD"
  find_workers
  kill -STOP "${WORKERS[0]}"
  connect B
  send B "in the queue\n"
  step "after SIGHUP B is answered by the new worker" "SIGHUP 之后，B 由新进程应答"
  write_word "$NEW"
  signal HUP
  expect B "$NEW in the queue\n"
  step "the old worker goes on, and answers A" "旧进程恢复运行，应答 A"
  kill -CONT "${WORKERS[0]}"
  meet_again A "$OLD"
}

check 1 "What goes wrong" leaves_nothing \
  "workers without clients end, and leave neither zombies nor descriptors" \
  "没有客户端的旧进程退出，不留僵尸进程和描述符"
leaves_nothing() {
  local i
  step "after $TIMES times SIGHUP there is one worker" "$TIMES 次 SIGHUP 之后，只有一个工作进程"
  write_word "$OLD"
  start word.txt 0
  until_true has_workers 1 || true
  expect_line '^a new worker serves$' 1
  note_resources
  for ((i = 1; i <= TIMES; i++)); do
    signal HUP
    expect_line '^a new worker serves$' $((i + 1))
    until_true has_workers 1 ||
      fail "an old worker, or a zombie, is left" "旧进程没有结束，或者留下了僵尸进程"
  done
  step "no descriptor stays open" "没有留下打开的描述符"
  expect_descriptors_back
}

check 1 "What goes wrong" ends_well \
  "SIGTERM ends all workers, also those that still have clients, and then the program" \
  "SIGTERM 让所有工作进程结束（还有客户端的旧进程也一样），然后程序结束"
ends_well() {
  local worker
  find_all_leaks
  step "A is answered by an old worker, B by the new one" "A 由旧进程应答，B 由新进程应答"
  write_word "$OLD"
  start word.txt 0
  meet A "$OLD"
  write_word "$NEW"
  signal HUP
  expect_line '^a new worker serves$' 2
  meet B "$NEW"
  find_workers
  step "SIGTERM ends the program with status 0, and no process is left" "SIGTERM 使程序以退出码 0 结束，没有留下进程"
  stop_cleanly
  for worker in "${WORKERS[@]}"; do
    has_ended "$worker" || fail "a worker is left when the program has ended" "程序结束了，还留着工作进程"
  done
}

# The new content takes the place of the old one at once.
write_word() { # WORD
  printf '%s\n' "$1" >"$FOLDER/new.txt"
  chmod 644 "$FOLDER/new.txt"
  mv -f "$FOLDER/new.txt" "$FOLDER/word.txt"
}

# The file is a pipe: a worker waits for its content, until it is written to SLOW.
make_slow() {
  rm -f "$FOLDER/new.txt"
  mkfifo -m 644 "$FOLDER/new.txt"
  exec {SLOW}<>"$FOLDER/new.txt"
  mv -f "$FOLDER/new.txt" "$FOLDER/word.txt"
}

meet() { # CLIENT WORD
  connect "$1"
  meet_again "$1" "$2"
}

meet_again() { # CLIENT WORD
  send "$1" "$1\n"
  expect "$1" "$2 $1\n"
}

find_workers() {
  WORKERS=()
  { read -r -a WORKERS <"/proc/$PID/task/$PID/children"; } 2>/dev/null || true
}

has_workers() { # COUNT
  find_workers
  ((${#WORKERS[@]} == $1))
}

expect_workers_stay() { # COUNT
  local i
  for ((i = 0; i < 15; i++)); do
    nap 0.02
    has_workers "$1" || fail "there are ${#WORKERS[@]} workers, not $1" "有 ${#WORKERS[@]} 个工作进程，应为 $1 个"
  done
}

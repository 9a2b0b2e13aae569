# checks.bash -- print as many bytes as were read; an array of N has no element N.

lab mend 1 15
: "${WORDS:=hello}" "${SIZE:=1024}" "${LONG:=3000}" "${ODD:=a\\x00b\\x00\\xff}" "${PERCENT:=100 %% of it}" "${SEED:=1}"

# The program is a client: play its server.
call() {
  step "the client connects" "客户端发起连接"
  listen S
  launch "$PORT"
  accepted S
}

# Whether as many bytes were printed as the file has. If the program has ended, there
# will be no more.
has_printed() { # FILE
  (($(stat -c %s "$WORK/stdout") >= $(stat -c %s "$1"))) || has_ended "$RUN"
}

# The output so far is this file.
expect_printed() { # FILE
  until_true has_printed "$1" || true
  same_bytes "$1" "$WORK/stdout" S || fail
}

# The server sends a line of the size, newline included, in one piece.
reply() { # SIZE
  make_bytes "$WORK/bytes" "$1"
  { base64 -w 0 "$WORK/bytes" | head -c $(($1 - 1)) && echo; } >"$WORK/line"
  send_file S "$WORK/line"
  cat "$WORK/line" >>"$WORK/all"
  expect_printed "$WORK/all"
}

check 1 "Replies" answers \
  "a short reply is printed" \
  "打印短应答"
answers() {
  fast_clock 60
  call
  step "the server sends \"$WORDS\", and the client prints it" "服务器发送“$WORDS”，客户端打印出来"
  send S "$WORDS\n"
  printf '%b' "$WORDS\n" >"$WORK/all"
  expect_printed "$WORK/all"
  step "while the server is silent, the client sleeps" "服务器不发送时，客户端处于休眠"
  expect_idle
  expect_no_wakeups
  step "a minute later the client prints one more reply (the clock runs fast)" "一分钟之后，客户端照样打印下一条应答（时钟调快）"
  send S "$WORDS\n"
  printf '%b' "$WORDS\n" >>"$WORK/all"
  expect_printed "$WORK/all"
}

check 3 "What goes wrong" exact_size \
  "a reply of exactly $SIZE bytes does no harm" \
  "正好 $SIZE 字节的应答不会破坏内存"
exact_size() {
  call
  step "a reply of $((SIZE - 1)) bytes is printed" "打印 $((SIZE - 1)) 字节的应答"
  reply $((SIZE - 1))
  step "a reply of $SIZE bytes is printed" "打印 $SIZE 字节的应答"
  reply "$SIZE"
  step "a reply of $((SIZE + 1)) bytes is printed" "打印 $((SIZE + 1)) 字节的应答"
  reply $((SIZE + 1))
}

check 2 "Replies" long_reply \
  "a longer reply is printed whole" \
  "更长的应答能完整打印"
long_reply() {
  call
  step "a reply of $LONG bytes is printed, without another reply after it" "打印 $LONG 字节的应答，后面没有别的应答"
  reply "$LONG"
  step "a reply of $((LONG * 50)) bytes is printed" "打印 $((LONG * 50)) 字节的应答"
  reply $((LONG * 50))
}

check 2 "What goes wrong" any_byte \
  "any byte is printed as it is" \
  "任何字节都原样打印"
any_byte() {
  call
  step "a reply with percent signs in it" "应答中有百分号"
  send S "$PERCENT\n"
  printf '%b' "$PERCENT\n" >"$WORK/all"
  expect_printed "$WORK/all"
  step "a reply with a NUL byte in it" "应答中有 NUL 字节"
  send S "$ODD\n"
  printf '%b' "$ODD\n" >>"$WORK/all"
  expect_printed "$WORK/all"
}

check 2 "The end" ends_well \
  "the client ends with status 0 when the server closes, and frees all" \
  "服务器关闭连接后，客户端释放全部资源，以退出码 0 结束"
ends_well() {
  find_all_leaks
  call
  step "the server sends a last line without a newline, and closes" "服务器发出最后一行，不带换行，然后关闭连接"
  send S "$WORDS"
  printf '%b' "$WORDS" >"$WORK/all"
  expect_printed "$WORK/all"
  close S
  step "the client ends with status 0; nothing leaks" "客户端以退出码 0 结束，没有泄漏"
  expect_exit 0
  step "nothing else was printed" "没有打印别的内容"
  expect_output "$WORDS"
  step "the server resets the connection: status 1, and a reason on standard error" "服务器以 RST（重置）断开：退出码为 1，标准错误中有原因"
  listen S 0 linger=0
  launch "$PORT"
  accepted S
  send S "$WORDS\n"
  expect_line '.'
  kill -KILL "${CLIENT[S]}"
  reset S
  expect_exit 1
  expect_error '^off-by-one: .'
}

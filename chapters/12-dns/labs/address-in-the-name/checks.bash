# checks.bash -- a name server, asked by dig.

lab make 3 40
: "${ADDRESSES:=10.0.0.1 192.0.2.255}" "${ASKER:=127.0.0.2}" "${TIMES:=20}"

# Ask for a record. ANSWER is the status and each record, with its name as it came.
asks() { # ANSWER DIG-ARGUMENT...
  local came
  SENT[dig]="${*:2}"
  came=$(dig @127.0.0.1 -p "$PORT" +time=2 +tries=1 +noedns "${@:2}" 2>&1 |
    sed -nE 's/.*status: ([A-Z]+),.*/\1/p; s/^([^;[:space:]]+)\.[[:space:]]+([0-9]+)[[:space:]]+[A-Z]+[[:space:]]+([A-Z]+)[[:space:]]+(.*)$/, \1 \2 \3 \4/p' |
    tr -d '\n')
  [[ $came != "$1" ]] || return 0
  detail sent "${*:2}"
  detail expected "$1"
  detail came "${came:-no answer}" "${came:-没有应答}"
  fail
}

check 3 "dns-server" finds_addresses \
  "a name that holds an address has this address" \
  "名字里含有地址，应答就是这个地址"
finds_addresses() {
  local address name
  step "the server says that it listens on 127.0.0.1" "服务器报告正在 127.0.0.1 上监听"
  start
  expect_line '^listening on 127.0.0.1 port [0-9]+$'
  for address in $ADDRESSES 0.0.0.0; do
    name=${address//./-}.ip.test
    step "$name has the address $address, for 300 seconds" "$name 的地址是 $address，有效 300 秒"
    asks "NOERROR, $name 300 A $address" "$name" A
  done
  step "between questions the server sleeps" "没有查询时，服务器处于休眠"
  expect_idle
}

check 2 "A question and its answer" other_names \
  "other names do not exist" \
  "别的名字不存在"
other_names() {
  local name
  start
  for name in 256-0-0-1.ip.test 1-2-3.ip.test 1-2-3-4-5.ip.test a-b-c-d.ip.test 1-2-3-4.test 1-2-3-4.ip.test.example 1-2-3-4x.ip.test you.ip.test; do
    step "$name does not exist" "$name 不存在"
    asks NXDOMAIN "$name" A
    asks NXDOMAIN "$name" MX
  done
}

check 2 "A question and its answer" other_types \
  "names that exist have no records of other types" \
  "存在的名字没有其他类型的记录"
other_types() {
  local type
  start
  for type in AAAA MX TXT PTR; do
    step "1-2-3-4.ip.test exists, and has no $type record" "1-2-3-4.ip.test 存在，但没有 $type 记录"
    asks NOERROR 1-2-3-4.ip.test "$type"
  done
  step "ip.test exists, and has no address" "ip.test 存在，但没有地址"
  asks NOERROR ip.test A
}

check 1 "dns-server" capitals \
  "capitals do not matter, and come back as they were" \
  "大小写无关，并原样返回"
capitals() {
  start
  step "1-2-3-4.iP.TEsT has its address, under the name with these capitals" "1-2-3-4.iP.TEsT 查得到，应答里的名字大小写不变"
  asks "NOERROR, 1-2-3-4.iP.TEsT 300 A 1.2.3.4" 1-2-3-4.iP.TEsT A
  step "Me.Ip.Test has an address" "Me.Ip.Test 查得到"
  asks "NOERROR, Me.Ip.Test 300 A 127.0.0.1" Me.Ip.Test A
}

check 1 "Reference" asker \
  "me.ip.test is the address of the client that asks" \
  "me.ip.test 是查询者自己的地址"
asker() {
  start
  step "a client at 127.0.0.1 gets 127.0.0.1" "127.0.0.1 上的客户端得到 127.0.0.1"
  asks "NOERROR, me.ip.test 300 A 127.0.0.1" me.ip.test A
  step "a client at $ASKER gets $ASKER" "$ASKER 上的客户端得到 $ASKER"
  asks "NOERROR, me.ip.test 300 A $ASKER" -b "$ASKER" me.ip.test A
}

check 1 "dns-server" ends_well \
  "other classes are refused, two questions are an error, and nothing leaks" \
  "别的类被拒绝，两个问题算格式错误，没有泄漏"
ends_well() {
  find_all_leaks
  watch_allocated
  start
  step "the class CH is refused" "类 CH 被拒绝"
  asks REFUSED 1-2-3-4.ip.test A CH
  step "a packet with two questions is answered with a format error" "一个数据包里有两个问题，回答格式错误"
  peer A "UDP4:127.0.0.1:$PORT"
  send A '\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x02me\x02ip\x04test\x00\x00\x01\x00\x01\x02me\x02ip\x04test\x00\x00\x01\x00\x01'
  until_true has_code || fail "no answer with the code of a format error" "没有收到表示格式错误的应答"
  step "$TIMES questions later the program holds no more memory" "又有 $TIMES 次查询，程序占用的内存没有增加"
  asks NXDOMAIN you.ip.test A
  note_allocated
  for ((i = 0; i < TIMES; i++)); do asks NXDOMAIN you.ip.test A; done
  expect_allocated_back 1
  step "SIGTERM ends the program with status 0; nothing leaks" "SIGTERM 使程序以退出码 0 结束，没有泄漏"
  stop_cleanly
}

# The fourth byte of an answer ends with its code: 1 is a format error.
has_code() {
  [[ $(od -An -tx1 -j 3 -N 1 "$WORK/A.out") == *1 ]]
}

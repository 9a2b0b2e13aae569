# checks.bash -- a resolver that gives up: each name is reported, nothing is left.

lab mend 3 30
STILL_MS=$LIMIT_MS # the program has timers
: "${NAMES:=one two three}" "${NUMBER:=192.0.2.7}" "${CROWD:=200}"

# A name server. A name that begins with "silent" is not answered, one that begins with
# "half" only for A, "none" does not exist; all others have the address 192.0.2.1.
# shellcheck disable=SC2016 # perl's own $
NAME_SERVER='
  socket(my $s, PF_INET, SOCK_DGRAM, 0) or die;
  bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die;
  $| = 1;
  print "port ", (sockaddr_in(getsockname $s))[0], "\n";
  while (my $client = recv $s, my $packet, 1500, 0) {
    my ($name, $question) = (lc(substr $packet, 13, 40), substr $packet, 12);
    my $ipv4 = substr($question, -4) eq "\0\1\0\1";
    next if $name =~ /^silent/ || $name =~ /^half/ && !$ipv4;
    my $none = $name =~ /^none/ ? 3 : 0;
    my $count = $ipv4 && !$none ? 1 : 0;
    send $s, substr($packet, 0, 2) . pack("n5", 0x8180 | $none, 1, $count, 0, 0) . $question .
      ("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1" x $count), 0, $client;
  }'

serve_names() {
  : >"$WORK/dns.out"
  (
    # shellcheck disable=SC2119
    close_ours
    exec perl -MSocket=:all -e "$NAME_SERVER" >"$WORK/dns.out" </dev/null
  ) &
  CLIENT[dns]=$!
  until_true has_dns || fail "the name server of this check does not start" "检查用的名字服务器无法启动"
  PORT=$(sed -n 's/^port //p' "$WORK/dns.out")
}

has_dns() {
  grep -q '^port' "$WORK/dns.out"
}

# The program reports exactly these lines, in any order, then "done", and ends well.
expect_report() { # LINE...
  until_true has_ended "$RUN" || fail "the program does not end" "程序没有结束"
  await_status
  printf '%s\n' "$@" | LC_ALL=C sort >"$WORK/wanted"
  head -n -1 "$WORK/stdout" | LC_ALL=C sort >"$WORK/reported"
  [[ $(tail -n 1 "$WORK/stdout") == done ]] || {
    detail expected "done"
    detail came "$(tail -n 1 "$WORK/stdout" | escape)"
    fail
  }
  same_bytes "$WORK/wanted" "$WORK/reported" || fail
  [[ $STATUS == 0 ]] || {
    tell_exit 0
    fail
  }
}

check 1 "Ask" answers \
  "names with an answer are reported" \
  "有应答的名字得到报告"
answers() {
  local name lines=()
  step "the name server knows all names but one, and the program reports each" "名字服务器只有一个名字不知道，程序逐个报告"
  serve_names
  # shellcheck disable=SC2086 # words
  launch "$PORT" $NAMES none.test
  for name in $NAMES; do lines+=("$name: 192.0.2.1"); done
  expect_report "${lines[@]}" "none.test: does not exist"
}

check 2 "Ask" needs_no_question \
  "an address in the place of a name needs no question" \
  "名字的位置上是地址，不需要查询"
needs_no_question() {
  step "the address $NUMBER is its own answer" "地址 $NUMBER 就是它自己的结果"
  serve_names
  launch "$PORT" "$NUMBER"
  expect_report "$NUMBER: $NUMBER"
  step "so it is among names" "和名字混在一起也一样"
  launch "$PORT" ::1 "$NUMBER" one.test
  expect_report "::1: ::1" "$NUMBER: $NUMBER" "one.test: 192.0.2.1"
}

check 3 "Give up" gives_up \
  "when time is up, each open name is reported, and nothing leaks" \
  "时间一到，逐个报告没有结果的名字，没有泄漏"
gives_up() {
  find_all_leaks
  step "two of three names get no answer: they are reported when time is up" "三个名字有两个没有应答：时间到了就报告"
  serve_names
  launch "$PORT" silent-a.test one.test silent-b.test
  expect_report "silent-a.test: no answer" "one.test: 192.0.2.1" "silent-b.test: no answer"
}

check 2 "Give up" many_open \
  "with $CROWD names open, more than evdns asks at a time, each is reported once" \
  "$CROWD 个名字没有结果，比 evdns 同时查询的多，每个都报告一次"
many_open() {
  local i names=() lines=()
  find_all_leaks
  fast_clock 3
  step "$CROWD names get no answer" "$CROWD 个名字没有应答"
  serve_names
  for ((i = 0; i < CROWD; i++)); do
    names+=("silent$i.test")
    lines+=("silent$i.test: no answer")
  done
  launch "$PORT" "${names[@]}"
  expect_report "${lines[@]}"
}

check 1 "Give up" half_answered \
  "an A record whose AAAA record never comes leaves nothing behind" \
  "等不到 AAAA 的 A 记录，什么也不留下"
half_answered() {
  find_all_leaks
  step "the question for AAAA is not answered: the A record is reported" "对 AAAA 的查询没有应答：报告 A 记录"
  serve_names
  launch "$PORT" half.test
  expect_report "half.test: 192.0.2.1"
}

check 1 "Give up" ends_at_a_signal \
  "SIGINT ends the program as the time limit does" \
  "SIGINT 和时间到了一样结束程序"
ends_at_a_signal() {
  find_all_leaks
  step "a name is open when SIGINT comes" "SIGINT 到来时有一个名字没有结果"
  serve_names
  launch "$PORT" silent.test half.test one.test
  expect_line '^one.test: 192.0.2.1$'
  signal INT
  step "it is reported, and nothing leaks" "报告这个名字，没有泄漏"
  until_true has_ended "$RUN" || fail "the program does not end" "程序没有结束"
  expect_line '^silent.test: no answer$'
  expect_exit 0
}

setup() {
  load lib/course
  load lib/dns
}

teardown() {
  course_teardown
}

# --- resolve ---

@test "resolve prints the addresses of several names, IPv4 first, each name once" {
  start_dnsmasq --local=/test/ --host-record=one.test,192.0.2.1,2001:db8::1 --host-record=two.test,192.0.2.2
  run -0 --separate-stderr ask_names one.test two.test
  assert_equal "$(sort <<<"$output")" "one.test: 192.0.2.1
one.test: 2001:db8::1
two.test: 192.0.2.2"
  assert_equal "$stderr" ""
  run -0 ask_names one.test
  assert_output "one.test: 192.0.2.1
one.test: 2001:db8::1"
}

@test "resolve asks for A, AAAA and PTR records with raw calls (V8)" {
  start_dnsmasq --host-record=one.test,192.0.2.1,2001:db8::1,300 --local-ttl=60
  run -0 ask_names -4 one.test
  assert_output --regexp "^one.test: 192.0.2.1, for (60|300) s$"
  run -0 ask_names -6 one.test
  assert_output --regexp "^one.test: 2001:db8::1, for (60|300) s$"
  run -0 ask_names -x 192.0.2.1 2001:db8::1
  assert_equal "$(sort <<<"$output" | sed 's/, for .*//')" "192.0.2.1: one.test
2001:db8::1: one.test"
}

@test "resolve gives libevent's reason for each kind of failure, and exit status 1" {
  start_name_server
  while read -r name reason; do
    run -1 --separate-stderr ask_names -t 5 -4 "$name.test"
    assert_output ""
    assert_equal "${stderr_lines[-1]}" "resolve: $name.test: $reason"
  done <<'END'
nxdomain name does not exist
empty no records in the reply
cut reply truncated or ill-formed
refused refused
notimpl query not implemented
servfail request timed out
END
}

@test "evdns_getaddrinfo says no more than whether the name exists" {
  start_name_server
  run -1 ask_names nxdomain.test
  assert_output "resolve: nxdomain.test: nodename nor servname provided, or not known"
  for name in empty cut; do
    run -1 ask_names $name.test
    assert_output "resolve: $name.test: non-recoverable failure in name resolution"
  done
}

@test "resolve takes a server failure for a lost packet, and asks three times at once" {
  start_name_server
  run -1 ask_names -4 servfail.test
  assert_equal "$(questions servfail)" 3
}

@test "a name that is not found does not keep the others from being printed" {
  start_name_server
  run -1 --separate-stderr ask_names www.test nxdomain.test mail.test
  assert_equal "$(sort -u <<<"$output" | cut -d: -f1 | uniq)" "mail.test
www.test"
}

@test "a name server that tells capitals from small letters is understood (V1)" {
  start_name_server
  for _ in 1 2 3; do
    run -0 ask_names -4 lower.test
    assert_output "lower.test: 192.0.2.1, for 60 s"
  done
  assert_equal "$(questions lower.test)" 3
}

@test "resolve sees what does not answer its question, and goes on waiting" {
  start_name_server
  run -0 ask_names -4 garbage.test
  assert_output "garbage.test: 192.0.2.1, for 60 s"
}

# What the page warns of. If libevent learns better, the page has to say so.
@test "evdns takes an answer from another port, and gives up at one to another question" {
  start_name_server
  run -1 ask_names -4 forged.test
  assert_output "resolve: forged.test: name does not exist"
  run -1 ask_names -4 wrong.test
  assert_output "resolve: wrong.test: unknown"
}

@test "resolve prints 32 addresses of 40: evdns keeps no more" {
  start_name_server
  run -0 ask_names -4 many.test
  assert_equal "${#lines[@]}" 32
  assert_line --index 31 "many.test: 192.0.2.32, for 60 s"
}

@test "resolve asks again when a packet got lost" {
  start_name_server
  run -0 ask_names -t 2 -4 second.test
  assert_output "second.test: 192.0.2.1, for 60 s"
  assert_equal "$(questions second)" 2
}

@test "with -t a silent name server costs that time, and no more (V2)" {
  start_name_server
  within_ms 500 3000 run -1 --separate-stderr ask_names -t 0.5 silent.test
  assert_equal "${stderr_lines[-1]}" "resolve: silent.test: no answer in time"
}

@test "a closed port costs the same: evdns does not notice the refusal" {
  SERVER=127.0.0.1:$(free_port)
  within_ms 500 3000 run -1 --separate-stderr ask_names -t 0.5 www.test
  assert_equal "${stderr_lines[-1]}" "resolve: www.test: no answer in time"
}

@test "with -t the question is sent three times in that time" {
  [[ ! ${UNDER-} ]] || skip "under valgrind the program starts too slowly"
  start_name_server
  run -1 ask_names -t 3 -4 silent.test
  assert_equal "$(questions silent)" 3
}

@test "an A record waits for the AAAA record no longer than 0.4 of the time (V3)" {
  start_name_server
  within_ms 200 2400 run -0 ask_names -t 1 a-only.test
  assert_output "a-only.test: 192.0.2.1"
}

@test "of two name servers the one that answers gives the result" {
  start_name_server
  dead=127.0.0.1:$(free_port)
  run -0 --separate-stderr course resolve -s "$SERVER" -s "$dead" -t 3 -4 one.test
  assert_output "one.test: 192.0.2.1, for 60 s"
  run -0 --separate-stderr course resolve -s "$dead" -s "$SERVER" -t 3 -4 one.test
  assert_output "one.test: 192.0.2.1, for 60 s"
}

@test "200 names are looked up, though evdns has 64 questions open at the most" {
  start_name_server
  mapfile -t names < <(printf 'n%d.test\n' {1..200})
  run -0 ask_names -4 "${names[@]}"
  assert_equal "$(sort -u <<<"$output" | wc -l)" 200
}

@test "resolve frees everything when time is up with 200 questions open (V4)" {
  find_leaks_in resolve
  start_name_server
  mapfile -t names < <(printf 'silent.n%d.test\n' {1..200})
  for kind in "" -4; do
    # shellcheck disable=SC2086 # an option or none
    run -1 --separate-stderr ask_names -t 0.3 $kind "${names[@]}"
    assert_equal "$(grep -c 'no answer in time$' <<<"$stderr")" 200
  done
}

@test "resolve frees everything when an answer did not wait for its other half (V5)" {
  find_leaks_in resolve
  start_name_server
  run -0 ask_names -t 0.5 a-only.test
  assert_output "a-only.test: 192.0.2.1"
}

@test "resolve frees everything at SIGINT and at SIGTERM, with questions open" {
  find_leaks_in resolve
  start_name_server
  for signal in INT TERM; do
    spawn resolve -s "$SERVER" silent.test "silent.$signal"
    wait_for asked "AAAA silent.$signal"
    kill -"$signal" "$PID"
    assert_exit 1
    has_lines 2 "^resolve: silent.*: Request canceled$|^resolve: silent.*cancel"
  done
}

@test "resolve answers itself what needs no question (V6)" {
  find_leaks_in resolve
  SERVER=127.0.0.1:$(free_port)
  run -0 ask_names 192.0.2.9 2001:db8::9
  assert_output "192.0.2.9: 192.0.2.9
2001:db8::9: 2001:db8::9"
}

@test "resolve reads resolv.conf and hosts when it is given no server" {
  alone true
  mkdir "$BATS_TEST_TMPDIR/etc"
  echo "nameserver 127.0.0.1" >"$BATS_TEST_TMPDIR/etc/resolv.conf"
  echo "192.0.2.8 www.test" >"$BATS_TEST_TMPDIR/etc/hosts"
  path=$(program resolve)
  run -0 alone --etc "$BATS_TEST_TMPDIR/etc" timeout "$LIMIT" "$path" www.test
  assert_output "www.test: 192.0.2.8"
  # A raw call does not read the hosts file.
  run -1 alone --etc "$BATS_TEST_TMPDIR/etc" timeout "$LIMIT" "$path" -t 0.2 -4 www.test
  : >"$BATS_TEST_TMPDIR/etc/resolv.conf"
  run -1 alone --etc "$BATS_TEST_TMPDIR/etc" timeout "$LIMIT" "$path" www.test
  assert_output "resolve: cannot find a name server in /etc/resolv.conf"
}

@test "resolve fails for a name that no packet can hold, and for what is no address" {
  find_leaks_in resolve
  start_name_server
  label=$(printf '%064d' 0)
  long=$(printf 'a.%.0s' {1..150})
  for name in "$label.test" "${long%.}"; do
    for kind in "" -4 -6; do
      # shellcheck disable=SC2086 # an option or none
      run -1 --separate-stderr ask_names $kind "$name"
      assert_output ""
      [[ $stderr == "resolve: $name: "* ]] || fail "$stderr"
    done
  done
  for name in www.test 1.2.3 1.2.3.4.5 2001:db8; do
    run -1 ask_names -x "$name"
    assert_output "resolve: $name: not an address"
  done
}

@test "resolve writes unusual bytes of a name as dig does (V7)" {
  start_name_server
  run -0 ask_names -x 192.0.2.7
  assert_output '192.0.2.7: \027[31mred\092.test, for 60 s'
}

@test "resolve refuses servers and times that are none" {
  for arguments in "-s 127.0.0.1:0 a" "-s 127.0.0.1:80x a" "-s 127.0.0.1:65536 a" "-s localhost a" "-s [::1]:5x a" \
    "-t 0 a" "-t -1 a" "-t nan a" "-t 1x a" "-t 1e9 a" "-4 -6 a" "-x -4 a" "-y a" "-t" "-s 127.0.0.1" ""; do
    # shellcheck disable=SC2086 # the arguments are words
    run -2 --separate-stderr course resolve $arguments
    assert_output ""
    assert_equal "${stderr_lines[-1]}" "usage: resolve [-s ADDRESS[:PORT]]... [-t SECONDS] [-4 | -6 | -x] NAME..."
  done
}

@test "resolve says so when its result cannot be written" {
  [[ -w /dev/full ]] || skip "there is no /dev/full"
  status=0
  course resolve -s 127.0.0.1:1 192.0.2.1 >/dev/full 2>"$BATS_TEST_TMPDIR/errors" || status=$?
  assert_equal "$status" 1
  assert_equal "$(<"$BATS_TEST_TMPDIR/errors")" "resolve: cannot write to standard output: No space left on device"
}

# --- dns-server ---

HOSTS=("127.0.0.1 localhost" "192.0.2.1 www.test web.test # and a comment" "2001:db8::1 www.test"
  "" "# nothing" $'\t192.0.2.3\tMixed.Test')

@test "dns-server answers A, AAAA and PTR questions of dig" {
  start_dns_server "${HOSTS[@]}"
  assert_equal "$(dig_it +short www.test)" 192.0.2.1
  assert_equal "$(dig_it +short web.test A)" 192.0.2.1
  assert_equal "$(dig_it +short www.test AAAA)" 2001:db8::1
  assert_equal "$(dig_it +short -x 192.0.2.1)" www.test.
  assert_equal "$(dig_it +short -x 2001:db8::1)" www.test.
  assert_equal "$(dig_header www.test)" "NOERROR qr aa rd 1"
  assert_equal "$(dig_header +norec www.test)" "NOERROR qr aa 1"
  assert_equal "$(dig_it +edns www.test +short)" 192.0.2.1
}

@test "dns-server tells a name that does not exist from one without such a record (N1)" {
  start_dns_server "${HOSTS[@]}"
  for question in nope.test "nope.www.test AAAA" "est A" "-x 192.0.2.9" "ww.test A"; do
    # shellcheck disable=SC2086 # words
    assert_equal "$question: $(dig_header $question)" "$question: NXDOMAIN qr aa rd 0"
  done
  for question in "web.test AAAA" "www.test MX" "www.test TXT" "www.test TYPE65" "test A" ". NS" "2.0.192.in-addr.arpa PTR"; do
    # shellcheck disable=SC2086 # words
    assert_equal "$question: $(dig_header $question)" "$question: NOERROR qr aa rd 0"
  done
}

@test "dns-server finds names whatever their capitals, and repeats the question's (N2)" {
  start_dns_server "${HOSTS[@]}"
  run -0 dig_it +noall +question +answer wWw.TeSt
  assert_line --regexp "^;wWw\.TeSt\."
  assert_line --regexp "^wWw\.TeSt\..*192\.0\.2\.1$"
  assert_equal "$(dig_it +short mixed.test)" 192.0.2.3
  assert_equal "$(dig_it +short -x 192.0.2.3)" Mixed.Test.
}

@test "dns-server refuses other classes, and questions that are not one (N3)" {
  start_dns_server "${HOSTS[@]}"
  assert_equal "$(dig_header version.bind TXT CH)" "REFUSED qr rd 0"
  run -0 send_packets <<<"000101000002000000000000$(printf '037777770474657374%s' 0000010001 0000010001)"
  assert_output "000181010002000000000000$(printf '037777770474657374%s' 0000010001)c00c00010001"
}

@test "an answer that does not fit into 512 bytes has whole records, and is marked (N4)" {
  lines=()
  for i in {1..60}; do lines+=("192.0.2.$i many.test" "2001:db8::$i many.test" "192.0.2.99 many$i.test"); done
  start_dns_server "${lines[@]}"
  while read -r count question; do
    # shellcheck disable=SC2086 # words
    assert_equal "$(dig_header $question)" "NOERROR qr aa tc rd $count"
    run grep -iE "malformed|truncated|extra" "$BATS_TEST_TMPDIR/dig"
    assert_failure
    assert [ "$(grep -o 'rcvd: [0-9]*' "$BATS_TEST_TMPDIR/dig" | cut -d' ' -f2)" -le 512 ]
  done <<'END'
28 many.test A
16 many.test AAAA
19 -x 192.0.2.99
END
  run -1 ask_names -4 many.test
  assert_output "resolve: many.test: reply truncated or ill-formed"
}

@test "dns-server leaves out what it does not understand of its file, and says so (N5)" {
  label=$(printf '%064d' 0)
  start_dns_server "192.0.2.1 $label.test ok.test a..b .c d. a.$label" "x y" "192.0.2.2 www.test" "fe80::1%lo link.test"
  for name in "$label.test" a..b .c d. "a.$label"; do
    has_lines 1 "^dns-server: line 1: not a name: $name$"
  done
  has_lines 1 "^dns-server: line 2: not an address: x$"
  has_lines 1 "^dns-server: line 4: not an address: fe80::1%lo$"
  assert_equal "$(dig_it +short -x 192.0.2.1)" ok.test.
  assert_equal "$(dig_it +short www.test)" 192.0.2.2
}

@test "dns-server takes names of 253 bytes, and labels of 63" {
  label=$(printf '%063d' 0)
  name=$label.$label.$label.${label:2}
  assert_equal "${#name}" 253
  start_dns_server "192.0.2.1 $name" "192.0.2.2 x$name"
  has_lines 1 "not a name: x0"
  assert_equal "$(dig_it +short "$name")" 192.0.2.1
  assert_equal "$(dig_it +short -x 192.0.2.1)" "$name."
}

# A question's packet, cut short everywhere; answers; names that run on for ever.
malformed_packets() {
  local question=000101000001000000000000037777770474657374 length
  question+=0000010001
  for ((length = 0; length < ${#question}; length += 2)); do
    echo "${question:0:length}"
  done
  # An answer; no question; a name that is itself, and two that are each other; 65,535
  # questions; a name of 320 bytes; a label that is a dot.
  echo "${question/00010100/00018180}"
  echo "000101000000000000000000"
  echo "000101000001000000000000c00c00010001"
  echo "000101000001000000000000c00ec00c00010001"
  echo "00010100ffff000000000000037777770474657374000001000103777777"
  printf '000101000001000000000000%s\n' "$(printf '3f%0126d' 0 0 0 0 0)0000010001"
  echo "000101000001000000000000012e0000010001"
}

@test "dns-server ignores malformed packets and answers (N6 N8)" {
  find_leaks_in dns-server
  start_dns_server "${HOSTS[@]}"
  run -0 send_packets < <(malformed_packets)
  assert_output ""
  assert_equal "$(dig_it +short www.test)" 192.0.2.1
}

@test "dns-server ignores 20,000 packets of random bytes" {
  find_leaks_in dns-server
  start_dns_server "${HOSTS[@]}"
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    srand 12;
    socket(my $s, PF_INET, SOCK_DGRAM, 0) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die;
    my $good = pack("n6", 7, 0x100, 1, 0, 0, 0) . "\3www\4test\0\0\1\0\1";
    for (1 .. 20000) {
      my $packet = $good . pack "C*", map { int rand 256 } 1 .. rand 40;
      substr($packet, rand length $packet, 1) = chr rand 256 for 1 .. 3;
      send $s, $packet, 0;
    }' "$PORT"
  settle "$PID"
  assert_equal "$(dig_it +short www.test)" 192.0.2.1
}

@test "dns-server answers 1,000 questions of 20 clients, each with its number" {
  start_dns_server "${HOSTS[@]}"
  # shellcheck disable=SC2016 # perl's own $
  run -0 timeout "$LIMIT" perl -MSocket=:all -e '
    my $port = shift;
    my @clients = map {
      socket(my $s, PF_INET, SOCK_DGRAM, 0) or die;
      connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die;
      $s } 1 .. 20;
    my $good = 0;
    for my $round (1 .. 50) {
      send $clients[$_], pack("n6", $round * 20 + $_, 0x100, 1, 0, 0, 0) . "\3www\4test\0\0\1\0\1", 0 for 0 .. 19;
      for (0 .. 19) {
        recv $clients[$_], my $answer, 1500, 0;
        $good++ if unpack("n", $answer) == $round * 20 + $_ && substr($answer, -4) eq inet_aton("192.0.2.1");
      }
    }
    print $good' "$PORT"
  assert_output 1000
}

@test "dns-server is idle between questions, and ends at SIGINT and SIGTERM (N7)" {
  find_leaks_in dns-server
  for signal in INT TERM; do
    start_dns_server "${HOSTS[@]}"
    assert_equal "$(dig_it +short www.test)" 192.0.2.1
    assert_idle "$PID"
    kill -"$signal" "$PID"
    assert_exit 0
  done
}

@test "resolve and dns-server understand each other" {
  find_leaks_in dns-server
  start_dns_server "${HOSTS[@]}"
  run -0 ask_names www.test
  assert_output "www.test: 192.0.2.1
www.test: 2001:db8::1"
  run -0 ask_names -6 www.test
  assert_output "www.test: 2001:db8::1, for 60 s"
  run -0 ask_names -x 2001:db8::1 192.0.2.3
  assert_equal "$(sort <<<"$output")" "192.0.2.3: Mixed.Test, for 60 s
2001:db8::1: www.test, for 60 s"
  run -1 ask_names -4 nope.test
  assert_output "resolve: nope.test: name does not exist"
  run -1 ask_names -6 web.test
  assert_output "resolve: web.test: no records in the reply"
}

@test "dnsmasq passes questions on to dns-server, and its answers to resolve" {
  start_dns_server "${HOSTS[@]}"
  start_dnsmasq "--server=/test/127.0.0.1#$PORT" "--rev-server=192.0.2.0/24,127.0.0.1#$PORT"
  run -0 ask_names www.test
  assert_output "www.test: 192.0.2.1
www.test: 2001:db8::1"
  run -0 ask_names -x 192.0.2.1
  assert_output --regexp "^192.0.2.1: www.test, for (60|59|58) s$"
  run -1 ask_names -4 nope.test
  assert_output "resolve: nope.test: name does not exist"
}

@test "dns-server listens on IPv6, and not on a port in use" {
  echo "192.0.2.1 www.test" >"$BATS_TEST_TMPDIR/hosts"
  start_with dns-server ::1 0 "$BATS_TEST_TMPDIR/hosts"
  run -0 course resolve -s "[::1]:$PORT" -4 www.test
  assert_output "www.test: 192.0.2.1, for 60 s"
  run -1 course dns-server ::1 "$PORT"
  assert_line "dns-server: cannot listen on ::1 port $PORT: Address already in use"
}

@test "dns-server serves /etc/hosts, and ends if it cannot read its file" {
  run -1 course dns-server 127.0.0.1 0 "$BATS_TEST_TMPDIR/nothing"
  assert_output "dns-server: cannot open $BATS_TEST_TMPDIR/nothing: No such file or directory"
  run -1 course dns-server 127.0.0.1 0 "$BATS_TEST_TMPDIR"
  assert_output "dns-server: cannot read $BATS_TEST_TMPDIR: Is a directory"
  alone true
  mkdir "$BATS_TEST_TMPDIR/etc"
  echo "192.0.2.8 www.test" >"$BATS_TEST_TMPDIR/etc/hosts"
  # shellcheck disable=SC2016 # for the inner shell
  run -0 alone --etc "$BATS_TEST_TMPDIR/etc" timeout "$LIMIT" bash -c '
    "$0" >"$2" &
    until grep -qs "^listening on 127.0.0.1 port 8053$" "$2"; do sleep 0.02; done
    "$1" -s 127.0.0.1:8053 -4 www.test' "$(program dns-server)" "$(program resolve)" "$BATS_TEST_TMPDIR/server.log"
  assert_output "www.test: 192.0.2.8, for 60 s"
}

@test "dns-server keeps the numbers of missing standard descriptors free" {
  [[ ! ${UNDER-} ]] || skip "valgrind takes the numbers of missing descriptors for itself"
  echo "192.0.2.1 www.test" >"$BATS_TEST_TMPDIR/hosts"
  path=$(program dns-server)
  PORT=$(free_port)
  "$path" 127.0.0.1 "$PORT" "$BATS_TEST_TMPDIR/hosts" <&- >&- 2>&- 3>&- &
  PID=$!
  LOG=$BATS_TEST_TMPDIR/unseen.log
  : >"$LOG"
  STARTED[$PID]=$LOG
  wait_for dig_it +short +tries=50 +time=1 www.test
  for fd in 0 1 2; do
    assert_equal "$fd: $(readlink "/proc/$PID/fd/$fd")" "$fd: /dev/null"
  done
}

# Only root may write such a packet. The answer cannot be sent: there is no port 0.
@test "dns-server survives a question that comes from the port 0" {
  ((EUID == 0)) || skip "only root may forge a packet"
  start_dns_server "${HOSTS[@]}"
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_RAW, IPPROTO_UDP) or do { print "no\n"; exit };
    my $question = pack("n6", 7, 0x100, 1, 0, 0, 0) . "\3www\4test\0\0\1\0\1";
    for (1 .. 3) { send $s, pack("n4", 0, shift // $ARGV[0], 8 + length $question, 0) . $question, 0, sockaddr_in(0, INADDR_LOOPBACK) }
    ' "$PORT" "$PORT" "$PORT"
  wait_for_line "while writing response to port; dropping" 3
  assert_equal "$(dig_it +short www.test)" 192.0.2.1
}

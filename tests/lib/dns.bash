# dns.bash -- name servers to ask, for the tests of chapter 12. Load it after
# course.bash. Each start_... sets SERVER, which ask_names asks.
#
# shellcheck disable=SC2034,SC2153,SC2154 # course.bash and bats use them, or set them

PATH+=:/usr/sbin # of dnsmasq

# A port that is free now for UDP and TCP, for a program that cannot be asked which
# one it was given.
free_port() {
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    for (1 .. 100) {
      socket(my $udp, PF_INET, SOCK_DGRAM, 0) or die;
      bind($udp, sockaddr_in(0, INADDR_LOOPBACK)) or die;
      my ($port) = sockaddr_in(getsockname $udp);
      socket(my $tcp, PF_INET, SOCK_STREAM, 0) or die;
      bind($tcp, sockaddr_in($port, INADDR_LOOPBACK)) or next;
      print $port;
      exit;
    }
    die'
}

# The name server that misbehaves: tests/lib/name-server.
start_name_server() {
  QUESTIONS=$BATS_TEST_TMPDIR/questions.${#OTHERS[@]}
  "$ROOT/tests/lib/name-server" "$QUESTIONS" 3>&- &
  OTHERS+=($!)
  wait_for grep -qs "^listening" "$QUESTIONS"
  SERVER=127.0.0.1:$(sed -n 's/^listening.* port //p' "$QUESTIONS")
}

# How often the name server was asked for what matches.
questions() { # REGEX
  grep -cE -- "$1" "$QUESTIONS" || [[ $? == 1 ]]
}

asked() { # REGEX
  (($(questions "$1") > 0))
}

# dnsmasq with only the settings given here. Another process can get the port first.
start_dnsmasq() { # OPTION...
  local port log=$BATS_TEST_TMPDIR/dnsmasq.log
  for _ in 1 2 3 4 5; do
    port=$(free_port)
    rm -f "$log" # it may say that one before has started
    dnsmasq --conf-file=/dev/null --keep-in-foreground --log-facility=- --pid-file= --no-resolv --no-hosts \
      --user="$(id -un)" --group="$(id -gn)" --port="$port" --listen-address=127.0.0.1 --bind-interfaces \
      "$@" >"$log" 2>&1 3>&- &
    OTHERS+=($!)
    SERVER=127.0.0.1:$port
    wait_for dnsmasq_is_decided "$!" "$log"
    ! is_running "$!" || return 0
  done
  fail "dnsmasq does not start: $(<"$log")"
}

dnsmasq_is_decided() { # PID LOG
  has_ended "$1" || grep -q "started" "$2"
}

ask_names() { # [OPTION...] NAME...
  course resolve -s "$SERVER" "$@"
}

# Run a command, and fail unless it takes so long. (The bounds are wide: the machine
# may be busy.)
within_ms() { # LEAST MOST COMMAND...
  local began=$EPOCHREALTIME took most=$(($2 * FACTOR))
  "${@:3}"
  took=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
  [[ ! ${UNDER-} ]] || most=$((most * 10))
  ((took >= $1 && took <= most)) || fail "took $took ms, not $1 to $most"
}

# dns-server with these lines as its hosts file.
start_dns_server() { # LINE...
  printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/hosts"
  start_with dns-server 127.0.0.1 0 "$BATS_TEST_TMPDIR/hosts"
  SERVER=127.0.0.1:$PORT
}

dig_it() { # ARGUMENT...
  dig @127.0.0.1 -p "$PORT" +time="$LIMIT" +tries=1 +noedns "$@"
}

# The status, the flags and the number of answers: "NOERROR qr aa rd 1".
dig_header() { # ARGUMENT...
  dig_it +ignore "$@" | tee "$BATS_TEST_TMPDIR/dig" |
    sed -nE 's/.*status: ([A-Z]+),.*/\1/p; s/^;; flags: ([a-z ]*);.* ANSWER: ([0-9]+).*/\1 \2/p' | paste -sd ' '
}

# Send packets, each a line of hexadecimal digits, and then a good question. Print
# the answers that come before the good one's, as hexadecimal digits.
send_packets() { # < PACKETS
  # shellcheck disable=SC2016 # perl's own $
  timeout "$LIMIT" perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_DGRAM, 0) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die;
    while (<STDIN>) { chomp; defined send $s, pack("H*", $_), 0 or die "send: $!" }
    send $s, pack("n6", 0xffff, 0x100, 1, 0, 0, 0) . "\3www\4test\0\0\1\0\1", 0;
    while (defined recv $s, my $answer, 1500, 0) {
      exit if unpack("n", $answer) == 0xffff;
      print unpack("H*", $answer), "\n";
    }' "$PORT"
}

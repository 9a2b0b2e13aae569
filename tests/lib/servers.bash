# servers.bash -- what the tests of every server ask, whatever it answers. Load it
# after course.bash. A server that answers in capitals has CAPITALS set, one that
# answers with the length of a line LENGTHS.
#
# shellcheck disable=SC2034,SC2154,SC2004 # course.bash and bats use them, or set them

# The port on which a process listens; for a server that does not print it.
port_of() { # PID
  local inodes port
  inodes=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l ' 2>/dev/null)
  awk -v inodes="$inodes" '$4 == "0A" && index(inodes, "[" $10 "]") { print substr($2, 10); exit }' /proc/net/tcp |
    while read -r port; do echo $((16#$port)); done
}

has_port() { # PID
  PORT=$(port_of "$1")
  [[ $PORT ]]
}

# Start a server whose standard output and error are FILE; as its log this is not
# to be read, so the port comes from /proc.
start_on_output() { # NAME FILE
  local path
  path=$(program "$1")
  LOG=$BATS_TEST_TMPDIR/unseen.log
  : >"$LOG"
  "${UNDER_COMMAND[@]}" "$path" 127.0.0.1 0 <>"$2" >&0 2>&0 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
  wait_for has_port "$PID"
}

# Clients come, talk, and leave, one of them by a reset, which is reported on standard
# error. Then the server ends at a signal. (A second signal, to a server that waits
# for its clients, could kill one that is about to exit.)
serves_and_ends() {
  local _
  for _ in 1 2 3; do
    open_client 5
    assert_talks 5
    close_client 5
  done
  send_and_vanish
  open_client 5
  assert_talks 5
  kill -TERM "$PID"
  close_client 5
  assert_exit 0
}

# Standard output and error are a full pipe that no process reads.
serves_with_a_full_pipe() { # NAME
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  exec 7<>"$BATS_TEST_TMPDIR/pipe"
  dd if=/dev/zero "of=$BATS_TEST_TMPDIR/pipe" oflag=nonblock bs=4096 status=none 2>/dev/null || true
  start_on_output "$1" "$BATS_TEST_TMPDIR/pipe"
  serves_and_ends
}

# Standard output and error are a terminal that was stopped with Ctrl-S.
serves_on_a_stopped_terminal() { # NAME
  need_terminal
  socat "PTY,link=$BATS_TEST_TMPDIR/terminal,rawer" - </dev/zero >/dev/null 2>"$BATS_TEST_TMPDIR/socat.log" 3>&- &
  OTHERS+=($!)
  wait_for test -e "$BATS_TEST_TMPDIR/terminal"
  exec 7<>"$BATS_TEST_TMPDIR/terminal"
  perl -MPOSIX -e 'tcflow(7, TCOOFF) or die "tcflow: $!"'
  start_on_output "$1" "$BATS_TEST_TMPDIR/terminal"
  serves_and_ends
}

# A server with closed standard descriptors: their numbers are not given to what
# libevent opens, where a printed line would do harm.
serves_without_standard_descriptors() { # NAME
  [[ ! ${UNDER-} ]] || skip "valgrind takes the numbers of missing descriptors for itself"
  local path fd
  path=$(program "$1")
  LOG=$BATS_TEST_TMPDIR/unseen.log
  : >"$LOG"
  "${UNDER_COMMAND[@]}" "$path" 127.0.0.1 0 <&- >&- 2>&- 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
  wait_for has_port "$PID"
  for fd in 0 1 2; do
    assert_equal "$fd: $(readlink "/proc/$PID/fd/$fd")" "$fd: /dev/null"
  done
  serves_and_ends
}

# All descriptors are in use, and more clients wait. Each time one leaves, the next is
# served at once, not after a rest: the second's rest is a thousand seconds here.
serves_as_soon_as_a_descriptor_is_free() { # NAME[/PART] [OPTION...]
  [[ ! ${UNDER-} ]] || skip "at its limit valgrind takes connections and closes them"
  local i fd waiting=()
  build_own "$1" 's/^(static const struct timeval REST = .)1,/\11000,/'
  FDS=20 start_with "${1%/*}" "${@:2}" 127.0.0.1 0
  for i in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    waiting[i]=$fd
  done
  wait_for_line "cannot accept"
  for i in {1..30}; do
    assert_talks "${waiting[i]}"
    close_client "${waiting[i]}"
  done
}

# While the server is stopped, the kernel takes connections for it.
takes_300_connections_while_stopped() { # NAME
  start "$1"
  kill -STOP "$PID"
  # shellcheck disable=SC2016 # perl's own $
  run -0 perl -MSocket=:all -MPOSIX -e '
    my ($port, @all) = shift;
    for (1 .. 300) {
      socket(my $s, PF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) or die "socket: $!";
      connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or $!{EINPROGRESS} or die "connect: $!";
      push @all, $s;
    }
    select(undef, undef, undef, 0.2);
    print scalar(grep { getpeername($_) } @all), "\n"' "$PORT"
  kill -CONT "$PID"
  local most=300 allowed
  allowed=$(</proc/sys/net/core/somaxconn)
  ((allowed >= 300)) || most=$allowed
  ((output >= most)) || fail "$output of 300 connections were taken"
}

# The kernel asks a silent peer now and then whether it still exists: in /proc, see
# proc(5), a connection with nothing to send has the timer 2 for that.
asks_silent_peers() {
  # Established, or half-closed by us: 01, 05.
  # shellcheck disable=SC2016 # awk's own $
  has_socket "$PORT" '$2 ~ port && $4 ~ /^0[15]$/ && $6 ~ /^02:/'
}

# The name is looked up before signals have handlers, so that a signal ends the server
# while a name server is silent.
ends_while_it_looks_up_a_name() { # NAME
  alone true
  local path etc=$BATS_TEST_TMPDIR/etc
  path=$(program "$1")
  mkdir -p "$etc"
  echo "nameserver 127.0.0.1" >"$etc/resolv.conf"
  echo "hosts: dns" >"$etc/nsswitch.conf"
  # shellcheck disable=SC2016 # for the inner shell
  run -0 alone --etc "$etc" timeout "$LIMIT" bash -c '
    : >"$2"
    socat -u UDP-RECV:53,bind=127.0.0.1 "OPEN:$2" &
    until grep -q ":0035 " /proc/net/udp; do sleep 0.02; done
    "$0" "$1" 0 &
    pid=$!
    until [[ -s $2 ]]; do sleep 0.02; done
    kill -TERM "$pid"
    begin=$(date +%s%N) status=0
    wait "$pid" || status=$?
    kill %1
    ((($(date +%s%N) - begin) < 2000000000)) || echo late
    echo "status $status"' "$path" course.test "$BATS_TEST_TMPDIR/query"
  assert_output "status 143"
}

# With room for 256 kB more, and 40 clients that send (a text again and again) and do
# not read, some clients are dropped; the server and the others live on. (The
# sanitizers and valgrind need more room than that.)
drops_clients_that_find_no_memory() { # NAME [TEXT]
  local UNDER_COMMAND=() size
  build_own "$1" "" -O2
  # Arenas of threads would have room of their own, below the limit.
  MALLOC_ARENA_MAX=1 start "$1"
  size=$(awk '/^VmSize/ { print $2 }' "/proc/$PID/status")
  prlimit --pid "$PID" "--as=$(((size + 256) * 1024))"
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -MPOSIX -e '
    my ($port, $text, @all) = (shift, shift);
    $SIG{PIPE} = "IGNORE";
    for (1 .. 40) {
      socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
      setsockopt($s, SOL_SOCKET, SO_RCVBUF, 8192) or die;
      connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
      fcntl($s, F_SETFL, O_NONBLOCK) or die;
      push @all, $s;
    }
    for (;;) {
      for my $s (@all) { 1 while syswrite($s, $text x (65536 / length $text)) }
      select(undef, undef, undef, 0.05);
    }' "$PORT" "${2:-x}" 3>&- &
  OTHERS+=($!)
  wait_for_line "cannot (queue|read|serve|watch)|Cannot allocate memory"
  kill -KILL $!
  wait $! 2>/dev/null || true
  # A server with several threads may accept before the others have freed memory.
  wait_for serves_a_new_client
}

# Status 1 if the server drops the client.
serves_a_new_client() {
  open_client 5
  if ! assert_talks 5 2>/dev/null; then
    close_client 5
    return 1
  fi
}

setup() {
  load lib/course
  load lib/servers
  LENGTHS=yes
}

teardown() {
  course_teardown
}

# Send the pieces one by one, each in a packet of its own that the server has read
# before the next one leaves, half-close, and print all that comes back.
send_pieces() { # PIECE...: as printf(1) takes it
  local piece
  open_client 5
  for piece in "$@"; do
    # shellcheck disable=SC2059 # the format is the piece
    printf "$piece" >&5
    wait_for has_read_all
  done
  perl -e 'open my $s, ">&=", 5; shutdown $s, 1'
  timeout "$LIMIT" cat <&5
  close_client 5
}

# No socket of the server has bytes that it has not read: see proc(5).
has_read_all() {
  # shellcheck disable=SC2016 # awk's own $
  ! has_socket "$PORT" '$2 ~ port && $4 == "01" && $5 !~ /:0+$/'
}

@test "line-reader answers each line with its length and itself" {
  start line-reader
  run -0 ask <<<$'hello\nlibevent\n\nlast'
  assert_output $'5 hello\n8 libevent\n0 \n4 last'
  wait_for_line "^client closed: 4 lines, 21 bytes$"
}

@test "line-reader keeps the part of a line that has arrived until the rest does (B1)" {
  start line-reader
  run -0 send_pieces hel 'lo\nlib' ev 'ent' '\n' 'a\nb\nc' '\n'
  assert_output $'5 hello\n8 libevent\n1 a\n1 b\n1 c'
}

@test "line-reader answers a line that comes one byte at a time, CR and LF apart" {
  start line-reader
  run -0 send_pieces h e l l o '\r' '\n' w '\n'
  assert_output $'5 hello\n1 w'
}

@test "line-reader answers every line of a packet at once, not one for each packet (B2)" {
  start line-reader
  open_client 5
  printf '1\n2\n3\n4\n5\n' | cat >&5 # bash itself would write line by line
  for number in 1 2 3 4 5; do
    read -r -t "$LIMIT" -u 5 reply
    assert_equal "$reply" "1 $number"
  done
}

@test "line-reader ends lines as the style says: crlf and lf (B11)" {
  start line-reader
  run -0 ask < <(printf 'a\nb\r\nc\rd\n\r\n\n')
  assert_output $'1 a\n1 b\n3 c\rd\n0 \n0 '
  run -0 ask < <(printf 'eol lf\na\nb\r\nc\rd\n\r\n')
  assert_output $'6 eol lf\n1 a\n2 b\r\n3 c\rd\n1 \r'
}

@test "line-reader ends lines as the style says: crlf-strict and nul" {
  start line-reader
  run -0 ask < <(printf 'eol crlf-strict\na\nb\r\nc\rd\r\n\r\n')
  assert_output $'15 eol crlf-strict\n3 a\nb\n3 c\rd\n0 '
  ask < <(printf 'eol nul\na\nb\r\n\0\0c\0') >"$BATS_TEST_TMPDIR/answer"
  cmp "$BATS_TEST_TMPDIR/answer" <(printf '7 eol nul\n5 a\nb\r\n\n0 \n1 c\n')
}

# The page says this of EVBUFFER_EOL_ANY: it is libevent's behaviour, not ours.
@test "with EVBUFFER_EOL_ANY empty lines are swallowed, and packets change what is a line" {
  start line-reader
  run -0 ask < <(printf 'eol any\na\r\n\r\nb\n\n\nc\r')
  assert_output $'7 eol any\n1 a\n1 b\n1 c'
  run -0 send_pieces 'eol any\n' 'a\r' '\nb\n' '\n' 'c\n'
  assert_output $'7 eol any\n1 a\n0 \n1 b\n0 \n1 c'
}

@test "line-reader leaves the style as it is after a line that names none" {
  start line-reader
  run -0 ask < <(printf 'eol\neol \neol LF\neol lf2\nEol nul\na\r\n')
  assert_output $'3 eol\n4 eol \n6 eol LF\n7 eol lf2\n7 Eol nul\n1 a'
}

@test "line-reader passes every byte that does not end a line, NUL too (B3)" {
  start line-reader
  perl -e 'print map { chr } 0 .. 9, 11 .. 255' >"$BATS_TEST_TMPDIR/bytes"
  (cat "$BATS_TEST_TMPDIR/bytes" && echo) | ask >"$BATS_TEST_TMPDIR/answer"
  cmp "$BATS_TEST_TMPDIR/answer" <(printf '255 ' && cat "$BATS_TEST_TMPDIR/bytes" && echo)
}

# A line of SIZE bytes, without its end.
line_of() { # SIZE
  printf "%0$1d" 0
}

@test "line-reader takes a line of 1000 bytes, though its CR and LF come in two packets (B10)" {
  start line-reader
  longest=$(line_of 1000)
  run -0 send_pieces "$longest\r\n"
  assert_output "1000 $longest"
  run -0 send_pieces "$longest" '\r' '\n'
  assert_output "1000 $longest"
}

@test "line-reader takes no line of 1001 bytes, however it comes (B4)" {
  start line-reader
  longest=$(line_of 1000)
  error="error: a line has more than 1000 bytes"
  run -0 send_pieces "${longest}1\nhello\n"
  assert_output "$error"
  run -0 send_pieces "$longest" 1 '\nhello\n'
  assert_output "$error"
  run -0 send_pieces "hello\n${longest}1" 1
  assert_output $'5 hello\n'"$error"
}

@test "line-reader keeps nothing of a line without an end (B4)" {
  start line-reader
  before=$(memory_of "$PID")
  open_client 5
  head -c 100M /dev/zero >&5 3>&- &
  OTHERS+=($!)
  read -r -t "$LIMIT" -u 5 reply
  assert_equal "$reply" "error: a line has more than 1000 bytes"
  settle "$PID"
  assert_grew_at_most 2048 "$before" "$PID"
}

@test "line-reader's last line reaches a client that still sends (B5)" {
  start line-reader
  for _ in {1..20}; do
    run -0 ask < <(head -c 300000 /dev/zero)
    assert_output "error: a line has more than 1000 bytes"
  done
  assert_equal "$(count_lines "^line-reader: ")" 0
}

@test "line-reader waits for a refused client only a little" {
  build_own line-reader 's/(LINGER = )\{2, 0\}/\1{0, 200000}/'
  start line-reader
  open_client 5
  while line_of 2000; do :; done >&5 2>/dev/null 3>&- &
  OTHERS+=($!)
  wait_for_line "^client closed: 0 lines, "
}

@test "line-reader names what is left without an end of line (B6)" {
  start line-reader
  run -0 ask < <(printf 'hello\nlib')
  assert_output $'5 hello\nerror: 3 bytes without an end of line'
  run -0 ask < <(printf 'eol crlf-strict\r\nlib\r')
  assert_output $'15 eol crlf-strict\nerror: 4 bytes without an end of line'
}

@test "line-reader sends all answers to a half-closed client that reads late" {
  start line-reader
  seq -f "line %099.0f" 200000 >"$BATS_TEST_TMPDIR/lines"
  start_late_reader "$BATS_TEST_TMPDIR/lines"
  cmp - <(sed 's/^/104 /' "$BATS_TEST_TMPDIR/lines") <&5
}

@test "line-reader keeps its memory when a client never reads, and answers others (B7)" {
  start line-reader
  before=$(memory_of "$PID")
  open_client 5
  yes "$(line_of 99)" | head -c 100M >&5 3>&- &
  OTHERS+=($!)
  settle "$PID"
  assert_grew_at_most 2048 "$before" "$PID"
  is_running $! || fail "all 100 MiB were taken"
  open_client 6
  assert_talks 6
}

@test "line-reader survives clients that send and close without reading" {
  start line-reader
  for _ in {1..20}; do
    kill -STOP "$PID"
    open_client 5
    yes | head -c 80000 >&5
    close_client 5
    kill -CONT "$PID"
  done
  open_client 5
  assert_talks 5
}

# What a client gets that sends FILE and reads 4 KiB ten times a second, for three
# seconds. Its buffer is small, so that the kernel reports each read to the server.
read_slowly() { # FILE
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    my ($port, $file) = @ARGV;
    $SIG{PIPE} = "IGNORE";
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 8192) or die "setsockopt: $!";
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    my $child = fork;
    if (!$child) { open(STDIN, "<", $file); while (sysread(STDIN, my $b, 65536)) { syswrite($s, $b) or last } exit }
    for (1 .. 30) {
      sysread($s, my $bytes, 4096) or last;
      print $bytes;
      select(undef, undef, undef, 0.1);
    }
    kill "TERM", $child;
    waitpid $child, 0;' "$PORT" "$1"
}

@test "line-reader drops a client that never ends its line, not one that reads slowly (B8)" {
  build_own line-reader 's/(IDLE = )\{60, 0\}/\1{2, 0}/'
  start line-reader
  open_client 5
  while printf x; do sleep 0.1; done >&5 2>/dev/null 3>&- &
  OTHERS+=($!)
  yes "$(line_of 99)" | head -c 2M >"$BATS_TEST_TMPDIR/lines"
  read_slowly "$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/answer"
  wait_for_line "^line-reader: dropped a client that was idle$"
  size=$(stat -c %s "$BATS_TEST_TMPDIR/answer")
  ((size > 80000)) || fail "the slow client got $size bytes"
  cmp "$BATS_TEST_TMPDIR/answer" <(yes "99 $(line_of 99)" | head -c "$size")
  assert_equal "$(count_lines "dropped")" 1
}

@test "line-reader serves 100 clients at once, and a second wave of 100" {
  start line-reader
  for _ in 1 2; do
    assert_talks_to_many 100
    close_clients
  done
  wait_for_line "^client closed: 1 lines" 200
}

@test "line-reader frees everything at SIGINT and SIGTERM, with clients connected (B9)" {
  find_leaks_in line-reader
  for signal in INT TERM; do
    start line-reader
    open_client 5
    assert_talks 5
    open_client 6
    printf 'half a line' >&6
    open_client 7
    line_of 2000 >&7
    read -r -t "$LIMIT" -u 7 _
    wait_for has_read_all
    kill "-$signal" "$PID"
    assert_exit 0
  done
}

@test "line-reader rests when descriptors run out, and recovers" {
  serves_as_soon_as_a_descriptor_is_free line-reader
}

@test "line-reader lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped line-reader
}

@test "line-reader goes on when nobody reads its output" {
  serves_with_a_full_pipe line-reader
}

@test "line-reader goes on when its terminal is stopped" {
  serves_on_a_stopped_terminal line-reader
}

@test "line-reader keeps the numbers of missing standard descriptors free" {
  serves_without_standard_descriptors line-reader
}

@test "line-reader can be ended while it looks up a name" {
  ends_while_it_looks_up_a_name line-reader
}

@test "line-reader drops clients that find no memory, and lives on" {
  drops_clients_that_find_no_memory line-reader $'hello\n'
}

# Start file-server with a file of random bytes, or with one that exists.
start_with_file() { # SIZE | FILE
  FILE=$1
  if [[ $1 != /* ]]; then
    FILE=$BATS_TEST_TMPDIR/file
    make_bytes "$FILE" "$1"
  fi
  start_with file-server 127.0.0.1 0 "$FILE"
}

# What a client receives that sends nothing.
receive() {
  timeout "$LIMIT" nc -d 127.0.0.1 "$PORT"
}

# The length that was announced, and the file after it.
assert_receives() { # FILE
  receive | cmp - <(echo "length $(stat -c %s "$1")" && cat "$1")
}

@test "file-server sends the length and the file, byte for byte, whatever the size (F1)" {
  for size in 0 1 4095 4096 4097 1000000 67108864; do
    start_with_file "$size"
    assert_receives "$FILE"
    wait_for_line "^sent $((size + 8 + ${#size})) bytes$"
    stop "$PID"
  done
}

@test "file-server sends its own program if it is given no file" {
  [[ ! ${UNDER-} ]] || skip "under valgrind that is valgrind"
  start file-server
  assert_receives "$BINARY"
}

@test "file-server keeps nothing of a file of 1 GiB in memory (F2)" {
  truncate -s 1G "$BATS_TEST_TMPDIR/sparse"
  start_with_file "$BATS_TEST_TMPDIR/sparse"
  before=$(memory_of "$PID")
  open_client 5
  read -r -t "$LIMIT" -u 5 line
  assert_equal "$line" "length 1073741824"
  for _ in {1..10}; do
    head -c 1000000 <&5
    sleep 0.02
  done | cmp -n 10000000 - /dev/zero
  settle "$PID"
  assert_grew_at_most 1024 "$before" "$PID"
}

@test "file-server's file goes by sendfile, and is neither read nor mapped (F2)" {
  start_with_file 1000000
  trace -e trace=sendfile,read,readv,pread64,mmap,write,writev
  assert_receives "$FILE"
  stop "$PID"
  # shellcheck disable=SC2016 # awk's own $
  run -0 awk -F '[ (]' '/^sendfile\(/ { sent += $NF } /^p?read.*, [0-9]{5,}\)|^mmap.*[0-9]{6,}/ { print } END { print sent }' "$BATS_TEST_TMPDIR/trace"
  assert_output 1000000
}

@test "file-server goes on when sendfile would block, although libevent reports an end of file (F3)" {
  start_with_file 20000000
  trace -e trace=sendfile -e inject=sendfile:error=EAGAIN:when=1+3
  assert_receives "$FILE"
  grep -q EAGAIN "$BATS_TEST_TMPDIR/trace"
  assert_equal "$(count_lines "^file-server: ")" 0
}

@test "file-server ends the connection when the file has become shorter, and lives on (F4)" {
  start_with_file 20000000
  open_client 5
  read -r -t "$LIMIT" -u 5 line
  settle "$PID"
  truncate -s 10000000 "$FILE"
  timeout "$LIMIT" cat <&5 >"$BATS_TEST_TMPDIR/answer"
  cmp "$BATS_TEST_TMPDIR/answer" "$FILE"
  wait_for_line "^file-server: the file ends 10000000 bytes early$"
  assert_receives "$FILE"
}

@test "file-server sends no byte more when the file has become longer" {
  start_with_file 20000000
  cp "$FILE" "$BATS_TEST_TMPDIR/before"
  open_client 5
  settle "$PID"
  echo more >>"$FILE"
  timeout "$LIMIT" cat <&5 | cmp - <(echo "length 20000000" && cat "$BATS_TEST_TMPDIR/before")
}

@test "file-server gives each client the file that has the name when it comes (F10)" {
  start_with_file 20000000
  mv "$FILE" "$BATS_TEST_TMPDIR/old"
  open_client 5
  run -0 receive
  assert_output "error: cannot open the file"
  wait_for_line "^file-server: cannot open $FILE: No such file or directory$" 2
  assert_equal "$(timeout "$LIMIT" cat <&5)" "error: cannot open the file"
  mv "$BATS_TEST_TMPDIR/old" "$FILE"
  open_client 6
  settle "$PID"
  echo new >"$BATS_TEST_TMPDIR/new"
  cp "$FILE" "$BATS_TEST_TMPDIR/old"
  mv "$BATS_TEST_TMPDIR/new" "$FILE"
  assert_receives "$FILE"
  timeout "$LIMIT" cat <&6 | cmp - <(echo "length 20000000" && cat "$BATS_TEST_TMPDIR/old")
}

# The descriptors of the server that are open on the file.
files_open() {
  find "/proc/$PID/fd" -lname "$FILE" | wc -l
}

@test "file-server closes the file when it is sent, and when the client leaves early (F5)" {
  for size in 0 10 20000000; do
    start_with_file "$size"
    for _ in {1..5}; do
      assert_receives "$FILE"
    done
    for _ in {1..5}; do
      open_client 5
      read -r -t "$LIMIT" -u 5 _
      close_client 5
    done
    wait_for none_open
    stop "$PID"
  done
}

none_open() {
  [[ $(files_open) == 0 ]]
}

# While two clients are served, each allocation fails in turn; a client may be lost, but
# no descriptor, and not the next client.
@test "file-server closes the file when there is no memory to send it (F6)" {
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "they have a malloc of their own"
  cc -shared -fPIC -O1 -o "$BATS_TEST_TMPDIR/failing.so" "$ROOT/tests/lib/failing-malloc.c"
  export FAIL_AFTER=$BATS_TEST_TMPDIR/ready FAIL_AT
  for FAIL_AT in {1..14}; do
    rm -f "$FAIL_AFTER"
    LD_PRELOAD=$BATS_TEST_TMPDIR/failing.so start_with_file 10
    touch "$FAIL_AFTER"
    for _ in 1 2; do
      receive >/dev/null
    done
    wait_for none_open
    assert_receives "$FILE"
    stop "$PID"
  done
}

@test "file-server sends the whole file to a client that sends and half-closes" {
  start_with_file 20000000
  ask < <(head -c 300000 /dev/zero) | cmp - <(echo "length 20000000" && cat "$FILE")
  head -c 300000 /dev/zero | timeout "$LIMIT" nc 127.0.0.1 "$PORT" | cmp - <(echo "length 20000000" && cat "$FILE")
  assert_equal "$(count_lines "^file-server: ")" 0
}

# The file waits in the server's kernel when the client sends something.
@test "file-server's file is not lost when a client sends after the last byte is queued (F7)" {
  start_with_file 100000
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    my ($port, $log) = @ARGV;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 8192) or die;
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    for (1 .. 500) {
      last if `cat $log` =~ /^sent/m;
      select(undef, undef, undef, 0.02);
    }
    syswrite($s, "thanks\n");
    select(undef, undef, undef, 0.1);
    while (sysread($s, my $bytes, 65536)) { print $bytes }' "$PORT" "$LOG" |
    cmp - <(echo "length 100000" && cat "$FILE")
}

@test "file-server drops a client that reads nothing, and not one that reads slowly (F8)" {
  build_own file-server 's/(IDLE = )\{60, 0\}/\1{2, 0}/'
  start_with_file 20000000
  open_client 5
  read_slowly /dev/null >"$BATS_TEST_TMPDIR/answer"
  wait_for_line "^file-server: dropped a client that was idle$"
  size=$(stat -c %s "$BATS_TEST_TMPDIR/answer")
  ((size > 80000)) || fail "the slow client got $size bytes"
  cmp "$BATS_TEST_TMPDIR/answer" <((echo "length 20000000" && cat "$FILE") | head -c "$size")
  assert_equal "$(count_lines "dropped")" 1
}

@test "file-server leaves a client that has everything and does not close" {
  build_own file-server 's/(LINGER = )\{2, 0\}/\1{0, 200000}/'
  start_with_file 10
  open_client 5
  while echo x; do :; done >&5 2>/dev/null 3>&- &
  OTHERS+=($!)
  wait_for_line "^sent 20 bytes$"
  wait_for has_no_client
}

has_no_client() {
  # shellcheck disable=SC2016 # awk's own $
  ! has_socket "$PORT" '$2 ~ port && ($4 == "01" || $4 == "05")'
}

@test "file-server serves others while one client does not read" {
  start_with_file 20000000
  open_client 5
  settle "$PID"
  assert_receives "$FILE"
}

@test "file-server serves 100 clients at once" {
  start_with_file 100000
  (echo "length 100000" && cat "$FILE") >"$BATS_TEST_TMPDIR/expected"
  for client in {1..100}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  for fd in "${clients[@]}"; do
    timeout "$LIMIT" cat <&"$fd" | cmp - "$BATS_TEST_TMPDIR/expected"
    close_client "$fd"
  done
  wait_for none_open
}

@test "file-server survives clients that vanish" {
  start_with_file 20000000
  for _ in {1..20}; do
    send_and_vanish
  done
  assert_receives "$FILE"
}

@test "file-server frees everything at SIGINT and SIGTERM, with clients connected (F9)" {
  find_leaks_in file-server
  for signal in INT TERM; do
    start_with_file 20000000
    open_client 5
    open_client 6
    read -r -t "$LIMIT" -u 6 _
    kill "-$signal" "$PID"
    assert_exit 0
  done
}

@test "file-server rests when descriptors run out, and recovers" {
  FDS=20 start_with_file 20000000
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  wait_for_line "cannot accept, trying again in a second: Too many open files$"
  assert_idle "$PID"
  for client in {1..30}; do
    close_client "${clients[client]}"
  done
  wait_for none_open
  assert_receives "$FILE"
}

@test "file-server lets 300 clients wait while it is busy" {
  takes_300_connections_while_stopped file-server
}

@test "file-server can be ended while it looks up a name" {
  ends_while_it_looks_up_a_name file-server
}

@test "file-server does not start without a regular file that it can read" {
  run -1 course file-server 127.0.0.1 0 "$BATS_TEST_TMPDIR/none"
  assert_output "file-server: cannot open $BATS_TEST_TMPDIR/none: No such file or directory"
  run -1 course file-server 127.0.0.1 0 "$BATS_TEST_TMPDIR"
  assert_output "file-server: cannot open $BATS_TEST_TMPDIR: Is a directory"
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  run -1 course file-server 127.0.0.1 0 "$BATS_TEST_TMPDIR/fifo"
  assert_output "file-server: cannot open $BATS_TEST_TMPDIR/fifo: Invalid argument"
  run -2 course file-server 127.0.0.1
  run -2 course file-server 127.0.0.1 0 "$BATS_TEST_TMPDIR/none" more
}

@test "bytes of a buffer are contiguous only after a pullup, which frees a reference" {
  run -0 scene buffer-tour "pieces"
  assert_output 'evbuffer_add                   "hello, "
evbuffer_add_reference         "hello, " "world"
evbuffer_add_printf            "hello, " "world" " 2\r\n"
evbuffer_get_length 16, of these in the first piece 7
evbuffer_pullup 9              "hello, wo" "rld" " 2\r\n"
cleanup_cb: 5 bytes are not needed any more
evbuffer_pullup -1             "hello, world 2\r\n"
evbuffer_pullup 100 returns NULL: there are not so many'
}

@test "copyout leaves the bytes, remove and drain take them, prepend and commit add some (D5)" {
  run -0 scene buffer-tour "taking bytes out, and putting some before"
  assert_output 'evbuffer_add                   "0123456789"
evbuffer_copyout 4             "0123456789"
evbuffer_copyout_from 6, 4     "6789"
evbuffer_remove 4              "456789"
evbuffer_drain 2               "6789"
evbuffer_prepend               "ab6789"'
  run -0 scene buffer-tour "reserving space, and committing a part of it"
  assert_output 'evbuffer_reserve_space 100 gives as many bytes, or more
evbuffer_commit_space 13       "made in place"'
}

@test "moving empties the other buffer, a reference to it does not" {
  run -0 scene buffer-tour "from one buffer to another"
  assert_output 'evbuffer_remove_buffer 4, to   "0123"
from                           "456789"
evbuffer_add_buffer, to        "0123" "456789"
from                           empty
..._add_buffer_reference, to   "0123" "456789" "ab"
from                           "ab"
evbuffer_prepend_buffer, to    "ab" "0123" "456789" "ab"'
}

@test "a buffer's callback is told of each change while it is enabled" {
  run -0 scene buffer-tour "a callback for each change"
  assert_output 'change_cb: there were 0 bytes, 5 came, 0 went
change_cb: there were 5 bytes, 0 came, 2 went
change_cb: there were 9 bytes, 4 came, 0 went'
}

@test "a frozen end lets nothing in, a frozen start lets nothing out" {
  run -0 scene buffer-tour "frozen ends"
  assert_output 'the end: evbuffer_add returns -1
the start: evbuffer_drain returns -1
what is left                   "hello"'
}

@test "a file segment serves two buffers, and ends with the last of them" {
  run -0 scene buffer-tour "parts of a file"
  assert_output 'evbuffer_add_file_segment 0 4  "0123"
evbuffer_add_file_segment 2 -1 "23456789"
one buffer is freed
segment_cb: no buffer uses the file any more'
}

@test "a search finds what lies in two pieces, within the range that it is given" {
  run -0 scene line-ends "searching"
  assert_output 'evbuffer_add_reference, twice  "a-b-" "-c--d"
evbuffer_search "--": 3
the same from 5 on: 6
evbuffer_search_range, up to 5: 3
evbuffer_search from 7 on: -1'
}

@test "each style of line ends reads other lines, and ANY depends on the packets" {
  run -0 scene line-ends 'evbuffer_readln on "a\\nb\\r\\n\\r\\nc\\rd\\r\\n"'
  assert_output 'CRLF        "a" "b" "" "c\rd", 0 bytes are left
LF          "a" "b\r" "\r" "c\rd\r", 0 bytes are left
CRLF_STRICT "a\nb" "" "c\rd", 0 bytes are left
ANY         "a" "b" "c" "d", 0 bytes are left
ANY, where "b\r" and "\n\r\n" come one after the other: "a" "b" "" "c" "d"'
}

# The bytes of memory of a line of buffer-cost.
cost_of() { # WORDS
  sed -nE "s/^  $1 +[0-9]+ pieces, +([0-9]+) bytes\$/\1/p" <<<"$output"
}

# Since 2.2 a reference takes less.
need_libevent_2_1() {
  run -0 course method-probe
  [[ $output == *" 2.1."* ]] || skip "not libevent 2.1"
}

@test "a piece takes a kilobyte: a reference to a byte does, and a byte that is moved" {
  need_libevent_2_1
  run -0 course buffer-cost
  added=$(cost_of "1000 times evbuffer_add")
  for words in "1000 times evbuffer_add_reference" "1000 times evbuffer_read, each piece moved"; do
    cost=$(cost_of "$words")
    ((cost >= 1000 * 1000 && cost > 200 * added)) || fail "$words: $cost bytes"
  done
  ((added == $(cost_of "1000 times evbuffer_read, each piece copied") && added < 4096))
}

@test "a bufferevent of libevent 2.1 reads at most 4096 bytes at a time, whatever it is told" {
  need_libevent_2_1
  run -0 scene buffer-cost "10000 bytes, written by one call, and read by a bufferevent"
  assert_output $'read callback: 4096 bytes in the input
read callback: 8192 bytes in the input
read callback: 10000 bytes in the input'
}

@test "moving 64 MiB from buffer to buffer takes a hundredth of the time of copying them, or less" {
  run -0 course buffer-cost
  copied=$(sed -nE 's/.*copied by evbuffer_add +([0-9]+)\..*/\1/p' <<<"$output")
  moved=$(sed -nE 's/.*moved by evbuffer_add_buffer +([0-9]+)\..*/\1/p' <<<"$output")
  ((copied >= 100 * moved && copied > 0)) || fail "copied in $copied ms, moved in $moved ms"
}

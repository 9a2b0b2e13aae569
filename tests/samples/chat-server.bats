setup() {
  load ../lib/course
  load ../lib/servers
  # shellcheck disable=SC2317 # lib/servers calls it
  # What the tests of all servers ask by an echo.
  # shellcheck disable=SC2317 # they call it
  assert_talks() { # FD
    echo /now >&"$1"
    hears "$1" "* there is no /now; try /help"
  }
}

teardown() {
  # With nobody left to wait for, the server ends at once.
  local fd
  for fd in "${CLIENTS[@]}"; do
    exec {fd}>&-
  done
  course_teardown
}

CLIENTS=() # descriptors of those who are connected

# Somebody comes, gives a name, and is in the lobby. The descriptor is kept in
# the variable that is called like the person.
come() { # NAME...
  local name fd
  for name in "$@"; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    CLIENTS+=("$fd")
    declare -g "$name=$fd"
    echo "$name" >&"$fd"
    hear "$fd" "* welcome; what is your name?"
    hear "$fd" "* you are $name"
    hears "$fd" "* you are in lobby "
  done
}

# The next line is this one.
hear() { # FD LINE
  local line=''
  IFS= read -r -t "$LIMIT" -u "$1" line || fail "client $1 hears nothing, not: $2 $line"
  assert_equal "$line" "$2"
}

# A line that begins so comes, after others perhaps. It is left in HEARD.
hears() { # FD BEGIN
  while IFS= read -r -t "$LIMIT" -u "$1" HEARD; do
    [[ $HEARD != "$2"* ]] || return 0
  done
  fail "client $1 hears nothing that begins with: $2"
}

# Put into LINES all that has come for a client until now: the server answers
# each one in order, so what was said before has been shown before its answer.
LINES=''
listen() { # FD
  local line
  LINES=''
  echo /now >&"$1"
  while IFS= read -r -t "$LIMIT" -u "$1" line; do
    [[ $line != "* there is no /now; try /help" ]] || return 0
    LINES+=${LINES:+$'\n'}$line
  done
  fail "client $1 has no answer, only: $LINES"
}

# All that clients have sent has been taken and passed on.
settled() { # FD...
  local fd
  for fd in "$@"; do
    listen "$fd"
  done
}

ends() { # FD
  local line status=0
  read -r -t "$LIMIT" -u "$1" line || status=$?
  assert_equal "$status $line" "1 "
}

letters() { # COUNT
  printf "%0$1d" 0
}

# So many lines a second are no flood.
build_patient() {
  build_own chat-server/input 's/(LINES = )10,/\1100000000,/'
}

milliseconds() {
  echo $(($(date +%s%N) / 1000000))
}

@test "chat-server asks for a name, and takes a plain line or /nick for it" {
  start chat-server
  come ann
  exec {bob}<>"/dev/tcp/127.0.0.1/$PORT"
  CLIENTS+=("$bob")
  printf '/nick bob\r\n' >&"$bob"
  hear "$bob" "* welcome; what is your name?"
  hear "$bob" "* you are bob"
  hear "$bob" "* you are in lobby (2 here)"
  hear "$ann" "* bob is here"
}

@test "chat-server lets one without a name do nothing but take one, ask for help and go" {
  start chat-server
  come ann
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  CLIENTS+=("$fd")
  hear "$fd" "* welcome; what is your name?"
  for line in /who /rooms "/join den" "/msg ann hello"; do
    echo "$line" >&"$fd"
    hear "$fd" "* first a name, please"
  done
  echo /quit >&"$fd"
  hear "$fd" "* goodbye"
  ends "$fd"
  listen "$ann"
  assert_equal "$LINES" ""
}

@test "chat-server sends a line to the room, and to no other" {
  start chat-server
  come ann bob cid
  echo "/join den" >&"$cid"
  settled "$cid" "$ann" "$bob"
  printf '%s\n' "hello, 世界 ü 😀" "  two spaces  " >&"$ann"
  settled "$ann"
  assert_equal "$LINES" ""
  listen "$bob"
  assert_equal "$LINES" "ann: hello, 世界 ü 😀"$'\n'"ann:   two spaces  "
  listen "$cid"
  assert_equal "$LINES" ""
}

@test "chat-server sends a private message to one person only" {
  start chat-server
  come ann bob cid
  settled "$ann" "$bob" "$cid"
  echo "/msg BOB  a secret" >&"$ann"
  hear "$ann" "[to bob] a secret"
  hear "$bob" "[ann] a secret"
  echo "/msg dan hello" >&"$ann"
  hear "$ann" "* nobody here is called dan"
  echo "/msg bob" >&"$ann"
  hear "$ann" "* /msg NAME TEXT"
  listen "$cid"
  assert_equal "$LINES" ""
}

@test "chat-server tells who is here, which rooms there are, and what one can type" {
  start chat-server
  come ann bob cid
  echo "/join den" >&"$cid"
  settled "$cid" "$ann"
  echo /who >&"$ann"
  hear "$ann" "* in lobby: 2"
  hear "$ann" "*   bob ann"
  echo /rooms >&"$ann"
  hear "$ann" "* den: 1"
  hear "$ann" "* lobby: 2"
  echo /help >&"$ann"
  for command in nick join msg who rooms help quit; do
    hears "$ann" "* /$command "
  done
  echo "/dance now" >&"$ann"
  hear "$ann" "* there is no /dance; try /help"
}

@test "chat-server refuses a name that is in use, and allows it when its owner has left" {
  start chat-server
  come ann bob
  settled "$ann" "$bob"
  echo "/nick Ann" >&"$bob"
  hear "$bob" "* the name Ann is taken"
  echo "/nick ANN" >&"$ann"
  hear "$ann" "* you are ANN"
  hear "$bob" "* ann is now ANN"
  echo /quit >&"$ann"
  hear "$bob" "* ANN has left"
  echo "/nick ann" >&"$bob"
  hear "$bob" "* you are ann"
}

@test "chat-server refuses a name that could pass for something else" {
  start chat-server
  come ann
  for name in '' '*' 'a b' 'a:' '[bob]' "$(letters 33)"; do
    echo "/nick $name" >&"$ann"
    hear "$ann" "* a name is 1 to 32 bytes: letters, digits, '-' and '_'"
  done
  echo "/nick $(letters 32)" >&"$ann"
  hear "$ann" "* you are $(letters 32)"
  echo "/nick 安娜" >&"$ann"
  hear "$ann" "* you are 安娜"
}

@test "chat-server shows the last 20 lines to one who joins, in their order" {
  start chat-server
  come ann bob cid
  for fd in "$ann" "$bob" "$cid"; do
    echo "/join den" >&"$fd"
    printf 'line %d\n' {1..7} >&"$fd"
    settled "$fd"
  done
  come dan
  settled "$dan"
  assert_equal "$LINES" ""
  echo "/join den" >&"$dan"
  hear "$dan" "* you are in den (4 here)"
  hear "$dan" "* said here before:"
  for line in "ann: line "{2..7} "bob: line "{1..7} "cid: line "{1..7}; do
    hear "$dan" "$line"
  done
  listen "$dan"
  assert_equal "$LINES" ""
}

@test "chat-server forgets a room that all have left, but never the lobby" {
  start chat-server
  come ann
  printf '%s\n' "in the lobby" "/join den" "in the den" "/join lobby" >&"$ann"
  hears "$ann" "* you are in den (1 here)"
  hear "$ann" "* you are in lobby (1 here)"
  hear "$ann" "* said here before:"
  hear "$ann" "ann: in the lobby"
  printf '%s\n' /rooms "/join den" /rooms >&"$ann"
  hear "$ann" "* lobby: 1"
  hear "$ann" "* you are in den (1 here)"
  hear "$ann" "* den: 1"
  hear "$ann" "* lobby: 0"
}

@test "chat-server tells the room who comes, leaves, and loses the connection" {
  start chat-server
  come ann bob cid
  settled "$ann"
  assert_equal "$LINES" "* bob is here"$'\n'"* cid is here"
  echo "/join den" >&"$bob"
  hear "$ann" "* bob has gone to another room"
  exec {cid}>&-
  hears "$ann" "* cid has "
  send_and_vanish
  echo "/join lobby" >&"$bob"
  hear "$ann" "* bob is here"
}

@test "chat-server answers all that came before the end of input" {
  start chat-server
  run -0 ask < <(printf '%s\n' ann "/join den" /who)
  assert_output "* welcome; what is your name?
* you are ann
* you are in lobby (1 here)
* you are in den (1 here)
* in den: 1
*   ann"
}

@test "chat-server sends no line whose end is missing" {
  start chat-server
  come ann
  printf 'bob\nwhole\nhalf of a li' | ask >/dev/null
  settled "$ann"
  assert_equal "$LINES" "* bob is here
bob: whole
* bob has left"
}

@test "chat-server reads a line that arrives byte by byte, and many in one packet" {
  start chat-server
  come ann bob
  settled "$ann" "$bob"
  for letter in h e l l o $'\r' $'\n'; do
    printf %s "$letter" >&"$ann"
  done
  hear "$bob" "ann: hello"
  printf '1\r\n2\n\n3\n' >&"$ann"
  for line in 1 2 3; do
    hear "$bob" "ann: $line"
  done
}

@test "chat-server refuses a line that is too long to its end, and goes on (K1)" {
  start chat-server
  come ann bob
  settled "$ann" "$bob"
  printf '%s\n' "$(letters 1000)" "$(letters 1001)" "$(letters 5000)" "$(letters 100000)" after >&"$ann"
  for _ in 1 2 3; do
    hear "$ann" "* that line was refused: it is too long"
  done
  printf '%s\r\n' "$(letters 1000)" >&"$ann"
  settled "$ann"
  assert_equal "$LINES" ""
  hear "$bob" "ann: $(letters 1000)"
  hear "$bob" "ann: after"
  hear "$bob" "ann: $(letters 1000)"
  listen "$bob"
  assert_equal "$LINES" ""
}

@test "chat-server skips a long line that comes piece by piece" {
  start chat-server
  come ann bob
  settled "$ann" "$bob"
  printf %s "$(letters 1000)" >&"$ann"
  settle "$PID"
  printf %s 00 >&"$ann"
  hear "$ann" "* that line was refused: it is too long"
  printf %s "more of it" >&"$ann"
  settle "$PID"
  printf '\r\nafter\n' >&"$ann"
  hear "$bob" "ann: after"
  settled "$ann"
  assert_equal "$LINES" ""
}

@test "chat-server drops, with a message that arrives, a line without end (K1)" {
  start chat-server
  come ann bob
  settled "$ann" "$bob"
  before=$(memory_of "$PID")
  head -c 8M /dev/zero | tr '\0' x >&"$ann" 2>/dev/null 3>&- &
  OTHERS+=($!)
  hear "$ann" "* that line was refused: it is too long"
  hear "$ann" "* goodbye: a line went on without end"
  ends "$ann"
  hear "$bob" "* ann was dropped"
  has_lines 1 "^chat-server: dropped a client: a line went on without end$"
  assert_grew_at_most 2048 "$before" "$PID"
}

@test "chat-server accepts the UTF-8 that RFC 3629 allows, first and last of each length" {
  start chat-server
  come ann bob cid
  settled "$ann" "$bob" "$cid"
  characters=(' ' '~' '\xc2\xa0' '\xdf\xbf' '\xe0\xa0\x80' '\xed\x9f\xbf' '\xee\x80\x80'
    '\xef\xbf\xbf' '\xf0\x90\x80\x80' '\xf4\x8f\xbf\xbf')
  printf '%b\n' "${characters[@]:0:5}" >&"$ann"
  settled "$ann"
  printf '%b\n' "${characters[@]:5}" >&"$bob"
  for character in "${characters[@]:0:5}"; do
    hear "$cid" "ann: $(printf %b "$character")"
  done
  for character in "${characters[@]:5}"; do
    hear "$cid" "bob: $(printf %b "$character")"
  done
}

@test "chat-server refuses bad UTF-8, with a message to the sender only (K3)" {
  start chat-server
  come ann bob cid dan
  settled "$ann" "$bob" "$cid" "$dan"
  senders=("$ann" "$bob" "$cid") # each below what is a flood
  # A lone tail, two too long, surrogates, above 10FFFF, what no text has, cut off.
  for bytes in '\x80' '\xbf' '\xc0\x80' '\xc1\xbf' '\xe0\x9f\xbf' '\xf0\x8f\xbf\xbf' \
    '\xed\xa0\x80' '\xed\xbf\xbf' '\xf4\x90\x80\x80' '\xf5\x80\x80\x80' '\xf8\x88\x80\x80\x80' \
    '\xff' '\xfe' '\xc3' '\xe4\xb8' '\xf0\x9f\x98' '\xc3\x28' '\xe4\xb8\x28' '\xc3\xc3\xa4'; do
    printf 'one %b\n' "$bytes" >&"${senders[0]}"
    hear "${senders[0]}" "* that line was refused: it is not UTF-8"
    senders=("${senders[@]:1}" "${senders[0]}")
  done
  echo "two" >&"$ann"
  hear "$dan" "ann: two"
}

@test "chat-server refuses control characters, with a message to the sender only" {
  start chat-server
  come ann bob
  settled "$bob"
  for bytes in '\x01' '\x1b[2J' '\t' '\x7f' 'a\0b' '\rx' '\xc2\x80' '\xc2\x9f'; do
    printf 'one %b\n' "$bytes" >&"$ann"
    hears "$ann" "* that line was refused: it has a control character"
  done
  listen "$bob"
  assert_equal "$LINES" ""
}

# Somebody without a name; the descriptor is in FD.
come_nameless() {
  exec {FD}<>"/dev/tcp/127.0.0.1/$PORT"
  CLIENTS+=("$FD")
  hear "$FD" "* welcome; what is your name?"
}

# A name is taken, and shown as it was given.
takes_name() { # NAME
  come_nameless
  echo "$1" >&"$FD"
  hear "$FD" "* you are $1"
}

refuses_names() { # NAME...
  local name sent=9
  for name in "$@"; do
    # Nine lines a second are no flood.
    ((++sent < 10)) || { come_nameless && sent=1; }
    printf '%b\n' "$name" >&"$FD"
    hear "$FD" "* a name is 1 to 32 bytes: letters, digits, '-' and '_'"
  done
}

@test "chat-server accepts letters and digits of any script in a name" {
  start chat-server
  # With accents in front and behind, vowels that are marks, digits, a Thai tone mark.
  for name in ann Zoë İstanbul ЖАБА Ελένη 安娜 ひらがな 김민수 'हिन्दी' 'ไทยน้ำ' 'مُحَمَّد' 'מִרְיָם' ٣٤٥ a-b_9 -; do
    takes_name "$name"
  done
}

@test "chat-server refuses a name that is invisible, or looks like another (K7)" {
  start chat-server
  # No width, no-break space, direction, byte order mark, soft hyphen, joiners, fillers.
  refuses_names 'a\xe2\x80\x8bnn' 'ann\xc2\xa0' '\xe2\x80\xaenna' '\xef\xbb\xbfann' 'an\xc2\xadn' \
    'ann\xe2\x80\x8d' '\xe3\x85\xa4' '\xef\xbe\xa0' 'ann\xef\xb8\x8f' 'a\xe2\x81\xa0nn' 'a\xcd\x8fn'
  # What looks like an asterisk, a bracket, a colon, or the space behind it.
  refuses_names '\xef\xbc\x8a' '\xe2\x88\x97' '\xd9\xad' '\xef\xbc\xbbann\xef\xbc\xbd' 'ann\xef\xbc\x9a' \
    'a\xe3\x80\x80b' 'a\xe2\x80\x83b' '\xef\xb7\xba'
  # Marks without a letter, or too many; a dot on an i; an accent on a hyphen.
  refuses_names '\xcc\x81' '\xcc\x81ann' '-\xcc\x81' '\xe2\x83\xa3' 'a\xcc\x80\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85' \
    'i\xcc\x87' '\xc4\xb1\xcc\x87'
  # Private use, unassigned, not a character, symbols, emoji, fractions.
  refuses_names '\xee\x80\x80' '\xcd\xb8' '\xef\xbf\xbf' '\xe2\x98\xba' '\xf0\x9f\x98\x80' '\xc2\xbd' '\xc2\xb2'
}

# The second name is refused while somebody has the first.
are_one() { # NAME NAME
  come_nameless
  local first=$FD
  printf '%b\n' "$1" >&"$first"
  hears "$first" "* you are "
  come_nameless
  printf '%b\n' "$2" >&"$FD"
  IFS= read -r -t "$LIMIT" -u "$FD" line || fail "$2: no answer"
  [[ $line == "* the name "*" is taken" ]] || fail "$2 beside $1: $line"
}

@test "chat-server treats names that differ in capitals or form only as the same (K8)" {
  start chat-server
  are_one ann ANN
  are_one Ärger ärger
  are_one Жаба жАБА
  are_one ΣΟΦΟΣ σοφος
  are_one Straße STRASSE
  are_one 'zo\xc3\xab' 'zoe\xcc\x88'
  are_one 'Bea\xcc\x81' 'BE\xc3\x81'
  are_one bob '\xef\xbc\xa2\xef\xbc\xaf\xef\xbc\xa2'             # of full width
  are_one cid '\xf0\x9d\x90\x82\xf0\x9d\x90\xa2\xf0\x9d\x90\x9d' # of mathematics
  are_one kim '\xe2\x84\xaaim'                                   # the sign of kelvin
  are_one fine '\xef\xac\x81ne'                                  # a ligature
  are_one ガ '\xef\xbd\xb6\xef\xbe\x9e'
}

@test "chat-server has the same rule for the names of rooms (K8)" {
  start chat-server
  come ann bob
  for room in 'den\xe2\x80\x8b' '*' '\xf0\x9f\x98\x80' '\xcc\x81'; do
    printf '/join %b\n' "$room" >&"$ann"
    hears "$ann" "* a name is 1 to 32 bytes"
  done
  printf '/join caf\xc3\xa9\n' >&"$ann"
  hear "$ann" "* you are in café (1 here)"
  printf '/join CAFE\xcc\x81\n' >&"$bob"
  hears "$bob" "* you are in café (2 here)"
  printf '/msg \xef\xbc\xa1nn hello\n' >&"$bob"
  hears "$ann" "[bob] hello"
}

# What telnet 0.17 (inetutils 2.4) sends at Ctrl-C: IAC IP, IAC DO TIMING-MARK; and
# for "send synch": IAC, and DM as urgent data. Then a line. With a second argument
# each byte is a packet.
telnet_talk() { # PORT [pieces]
  # shellcheck disable=SC2016 # perl's own $
  timeout "$LIMIT" perl -MSocket=:all -e '
    my ($port, $pieces) = @ARGV;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1) or die;
    connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die;
    sub say_it {
      for ($pieces ? split(//, $_[0]) : $_[0]) {
        send($s, $_, $_[1] // 0) or die;
        select(undef, undef, undef, 0.01) if $pieces;
      }
    }
    say_it("ann\r\nhello\r\n");
    say_it("\xff\xf4\xff\xfd\x06\xff");
    say_it("\xf2", MSG_OOB);
    say_it("after\xff\xf1 it\r\n\xff\xfa\x18\x00x\xff\xffter\xff\xf0/who\r\0");
    shutdown($s, 1);
    local $/;
    print <$s>' "$@" | od -c -An -v -w1 | tr -d ' \n'
}

@test "chat-server removes telnet's commands from the text, and answers a timing mark (K9)" {
  for pieces in '' pieces; do
    start chat-server
    come bob
    settled "$bob"
    run -0 telnet_talk "$PORT" $pieces
    assert_output '*welcome;whatisyourname?\n*youareann\n*youareinlobby(2here)\n377373006*inlobby:2\n*annbob\n'
    hear "$bob" "* ann is here"
    hear "$bob" "ann: hello"
    hear "$bob" "ann: after it"
    hear "$bob" "* ann has left"
  done
}

@test "chat-server keeps telnet's urgent bytes in their place (K10)" {
  start chat-server
  come bob
  settled "$bob"
  run -0 telnet_talk "$PORT" pieces
  hears "$bob" "ann: after it"
}

# Send bytes, half-close, and print all that comes as numbers, behind the welcome.
answers_of() { # BYTES
  printf '%b' "$1" | ask | od -An -v -tu1 -w1 | tr -d ' ' | tail -n +31 | paste -sd ' '
}

@test "chat-server refuses each option of telnet once, so that no two answers chase each other (K11)" {
  start chat-server
  assert_equal "$(answers_of '\xff\xfd\x01')" "255 252 1"
  assert_equal "$(answers_of '\xff\xfb\x18')" "255 254 24"
  assert_equal "$(answers_of '\xff\xfe\x01\xff\xfc\x18\xff\xf1\xff\xf9\xff\xf0')" ""
  assert_equal "$(answers_of '\xff\xfd\x01\xff\xfd\x01\xff\xfb\x01\xff\xfb\x01\xff\xfd\x01')" "255 252 1 255 254 1"
  assert_equal "$(answers_of '\xff\xfd\x06\xff\xfd\x06')" "255 251 6 255 251 6"
  # What is no command is text, and no UTF-8.
  for bytes in '\xff\xff' '\xff\xffx' '\xffx' '\xff'; do
    run -0 ask < <(printf '%b\n' "$bytes")
    assert_line --index 1 "* that line was refused: it is not UTF-8"
  done
}

@test "chat-server answers when telnet asks whether anybody is there" {
  start chat-server
  come ann bob
  printf '\xff\xf6' >&"$ann"
  hears "$ann" "* yes, the server is here"
}

@test "chat-server is not flooded by commands of telnet, and its memory is bounded (K12)" {
  start chat-server
  come ann bob cid
  settled "$ann" "$bob" "$cid"
  before=$(memory_of "$PID")
  for bytes in '\xff\xfd\x06' '\xff\xf6' '\xff\xfa\xff'; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    CLIENTS+=("$fd")
    perl -e '$SIG{PIPE} = "IGNORE"; $_ = eval(qq("$ARGV[0]")) x 10000; while (syswrite STDOUT, $_) {}' \
      "$bytes" >&"$fd" 2>/dev/null 3>&- &
    OTHERS+=($!)
  done
  hears "$fd" "* goodbye: a telnet command went on without end"
  kill -KILL "${OTHERS[-1]}" # what it sends now is read and forgotten
  # Ten answers a second, no more.
  begin=$(milliseconds)
  for _ in {1..5}; do
    echo "quick?" >&"$bob"
    hear "$cid" "bob: quick?"
  done
  took=$(($(milliseconds) - begin))
  ((took < 1000 || ${UNDER:+1} + 0)) || fail "5 lines took $took ms"
  assert_grew_at_most 1024 "$before" "$PID"
  assert_idle "$PID"
}

@test "chat-server slows a flood down, loses none of it, and says so once (K5)" {
  start chat-server
  # Seconds are counted from ann's first line, with which she comes.
  begin=$(milliseconds)
  come ann bob
  settled "$ann" "$bob"
  printf '%s\n' {1..25} >&"$ann"
  for line in {1..25}; do
    hear "$bob" "ann: $line"
  done
  took=$(($(milliseconds) - begin))
  ((took >= 1900)) || fail "25 lines took $took ms"
  settled "$ann"
  assert_equal "$LINES" "* too fast: your other lines have to wait"
}

@test "chat-server answers others at once while one floods, and keeps its memory" {
  start chat-server
  come ann bob cid
  echo "/join den" >&"$ann"
  settled "$ann" "$bob" "$cid"
  before=$(memory_of "$PID")
  yes "this is a flood" >&"$ann" 2>/dev/null 3>&- &
  OTHERS+=($!)
  hears "$ann" "* too fast"
  settle "$PID"
  for _ in {1..5}; do
    begin=$(milliseconds)
    echo "quick?" >&"$bob"
    hear "$cid" "bob: quick?"
    took=$(($(milliseconds) - begin))
    ((took < 500 || ${UNDER:+1} + 0)) || fail "a line took $took ms"
  done
  assert_grew_at_most 512 "$before" "$PID"
  assert_idle "$PID"
}

# Private messages for a person who reads none of them, from enough people that
# none floods: 65 times 9 times about 900 bytes.
bury() { # NAME
  local talker line fd
  line=$(letters 900)
  for talker in {1..65}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    CLIENTS+=("$fd")
    # shellcheck disable=SC2059 # the format holds the line
    { echo "talker$talker" && printf "/msg $1 $line%d\n" {1..9}; } >&"$fd"
  done
}

@test "chat-server drops a client that does not read, with a message, and no other (K2)" {
  start chat-server
  come sleeper ann bob
  bury sleeper
  hears "$ann" "* sleeper was dropped: a slow reader"
  wait_for_line "^chat-server: dropped a client: you read too slowly$"
  settled "$bob"
  echo hello >&"$ann"
  hear "$bob" "ann: hello"
  # It wakes up: what was queued comes in whole lines, and then the reason.
  timeout "$LIMIT" cat <&"$sleeper" >"$BATS_TEST_TMPDIR/heard"
  assert_equal "$(tail -n 1 "$BATS_TEST_TMPDIR/heard")" "* goodbye: you read too slowly"
  run -1 grep -vE '^(\* .*|\[talker[0-9]+\] 0{900}[1-9])$' "$BATS_TEST_TMPDIR/heard"
  (($(wc -c <"$BATS_TEST_TMPDIR/heard") > 256 * 1024)) || fail "less than the queue"
}

# It takes little into its kernel's buffer, and reads slowly, for longer than one
# who takes nothing is waited for; prints the last line that it gets.
read_slowly() { # PORT
  # shellcheck disable=SC2016 # perl's own $
  timeout "$LIMIT" perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 4096) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die;
    syswrite($s, "sleeper\n");
    my $all = "";
    select(undef, undef, undef, 0.1), sysread($s, $all, 1) until -e $ARGV[0];
    select(undef, undef, undef, 0.05) while sysread($s, $all, 4096, length $all);
    print $all' "$1" "$BATS_TEST_TMPDIR/read" | tail -n 1
}

@test "chat-server sends all that waits to a dropped client that reads slowly (K13)" {
  build_own chat-server/conn 's/(LINGER = \{)10/\12/'
  start chat-server
  come ann
  read_slowly "$PORT" >"$BATS_TEST_TMPDIR/last" 3>&- &
  OTHERS+=($!)
  hears "$ann" "* sleeper is here"
  bury sleeper
  hears "$ann" "* sleeper was dropped: a slow reader"
  touch "$BATS_TEST_TMPDIR/read"
  wait_for has_ended "${OTHERS[-1]}"
  assert_equal "$(<"$BATS_TEST_TMPDIR/last")" "* goodbye: you read too slowly"
}

@test "chat-server drops several sleepers of one room at one line (K4)" {
  build_patient
  start chat-server
  come ann one two three bob
  for name in ann one two three; do
    echo "/join den" >&"${!name}"
    settled "${!name}"
  done
  settled "$bob"
  line=$(letters 900)
  for _ in {1..700}; do
    echo "$line"
  done >&"$ann"
  for _ in 1 2 3; do
    hears "$ann" "* "
    [[ $HEARD == *" was dropped: a slow reader" || $HEARD == *"is here" ]] || fail "$HEARD"
  done
  wait_for_line "dropped a client: you read too slowly" 3
  echo hello >&"$bob"
  settled "$bob" "$ann"
}

@test "chat-server keeps its memory small even when short lines wait (K6)" {
  build_patient
  start chat-server
  come ann one two three
  for name in ann one two three; do
    echo "/join den" >&"${!name}"
    settled "${!name}"
  done
  before=$(memory_of "$PID")
  yes "short" >&"$ann" 2>/dev/null 3>&- &
  OTHERS+=($!)
  wait_for_line "dropped a client: you read too slowly" 3
  assert_grew_at_most 2048 "$before" "$PID"
}

@test "chat-server survives clients that have closed when a line is sent to them" {
  start chat-server
  come ann
  for _ in {1..3}; do
    come bob
    kill -STOP "$PID"
    # Bob leaves with an answer unread; the next line for him meets a reset.
    printf '%s\n' /who /who >&"$bob"
    echo "hello" >&"$ann"
    exec {bob}>&-
    kill -CONT "$PID"
    settled "$ann"
    hears_gone "$ann"
  done
}

hears_gone() { # FD
  while [[ $LINES != *"* bob has "* ]]; do
    read -r -t "$LIMIT" -u "$1" LINES || fail "bob is not gone"
  done
}

is_alone() { # FD
  echo /who >&"$1"
  hears "$1" "* in lobby: "
  [[ $HEARD == "* in lobby: 1" ]]
}

# A thousand, or fewer where the program is many times slower.
crowd_size() {
  if [[ ${UNDER-} || $BUILD == */asan ]]; then echo 200; else echo 1000; fi
}

@test "chat-server lets 1,000 people talk in one room" {
  ulimit -n 4096 || skip "not enough descriptors"
  start chat-server
  before=$(memory_of "$PID")
  # A shell of its own: bats would look at each of its commands.
  run -0 timeout 60 bash -eu -s "$PORT" "$(crowd_size)" <<'END'
size=$2
hears() { # FD LINE
  local line
  while IFS= read -r -t 20 -u "$1" line; do
    [[ $line != "$2" ]] || return 0
  done
  echo "client $1 hears nothing of: $2"
  exit 1
}
for ((i = 1; i <= size; i++)); do
  exec {fd}<>"/dev/tcp/127.0.0.1/$1"
  people[i]=$fd
  echo "person-$i" >&"$fd"
done
hears "$fd" "* you are in lobby ($size here)"
for speaker in 1 $((size / 2)) "$size"; do
  echo "hello from $speaker" >&"${people[speaker]}"
  for ((i = 1; i <= size; i++)); do
    ((i == speaker)) || hears "${people[i]}" "person-$speaker: hello from $speaker"
  done
done
echo /who >&"${people[1]}"
hears "${people[1]}" "* in lobby: $size"
echo /now >&"${people[1]}"
while read -r -t 20 -u "${people[1]}" line && [[ $line != *"no /now"* ]]; do
  echo "$line"
done
END
  assert_equal "$(grep -o 'person-[0-9]*' <<<"$output" | sort -u | wc -l)" "$(crowd_size)"
  # They are gone all at once, and memory is bounded for each.
  come ann
  wait_for is_alone "$ann"
  assert_grew_at_most 8000 "$before" "$PID"
}

@test "chat-server tells all when SIGTERM or SIGINT comes, and ends within two seconds" {
  for signal in TERM INT; do
    start chat-server
    come ann bob
    echo "hello" >&"$ann"
    settled "$ann" "$bob"
    begin=$(milliseconds)
    kill "-$signal" "$PID"
    for fd in "$ann" "$bob"; do
      hear "$fd" "* the server is ending; goodbye"
      ends "$fd"
      exec {fd}>&-
    done
    assert_exit 0
    took=$(($(milliseconds) - begin))
    ((took < 2000 || ${UNDER:+1} + 0)) || fail "it took $took ms"
    has_lines 1 "^Caught an interrupt signal; telling all, and exiting\.$"
    has_lines 1 "^done$"
  done
}

@test "chat-server ends at once when all clients have left, and without clients" {
  start chat-server
  kill -TERM "$PID"
  assert_exit 0
  has_lines 1 "exiting at once"
  start chat-server
  come ann
  begin=$(milliseconds)
  kill -TERM "$PID"
  hears "$ann" "* the server is ending"
  exec {ann}>&-
  assert_exit 0
  took=$(($(milliseconds) - begin))
  ((took < 900 || ${UNDER:+1} + 0)) || fail "it took $took ms"
}

@test "chat-server flushes what waits before it ends (K2)" {
  build_patient
  start chat-server
  come ann bob
  line=$(letters 900)
  for _ in {1..350}; do
    echo "$line"
  done >&"$ann"
  settled "$ann"
  kill -TERM "$PID"
  # The server has begun to end; the reader wakes up only now.
  wait_for_line "^Caught an interrupt signal"
  cat <&"$bob" >"$BATS_TEST_TMPDIR/heard"
  assert_equal "$(grep -c "^ann: $line$" "$BATS_TEST_TMPDIR/heard")" 350
  assert_equal "$(tail -n 1 "$BATS_TEST_TMPDIR/heard")" "* the server is ending; goodbye"
}

@test "chat-server ends also with a reader that sleeps" {
  build_patient
  start chat-server
  come ann bob
  line=$(letters 900)
  for _ in {1..350}; do
    echo "$line"
  done >&"$ann"
  settled "$ann"
  begin=$(milliseconds)
  kill -TERM "$PID"
  assert_exit 0
  took=$(($(milliseconds) - begin))
  ((took < 2000 || ${UNDER:+1} + 0)) || fail "it took $took ms"
}

@test "chat-server frees people and rooms that are there at the end" {
  find_leaks_in chat-server
  start chat-server
  come ann bob
  printf '%s\n' "/join den" hello >&"$ann"
  echo "half a li" >&"$bob"
  settled "$ann" "$bob"
  kill -TERM "$PID"
  wait_for_line "^Caught"
  kill -TERM "$PID"
  assert_exit 0
}

@test "chat-server pauses when descriptors run out, and recovers" {
  FDS=20 start chat-server
  began=$SECONDS
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  CLIENTS+=("$fd")
  wait_for_line "Too many open files$"
  assert_idle "$PID"
  has_lines 1 "^chat-server: cannot accept, trying again in a second: Too many open files$"
  warnings=$(count_lines "cannot accept")
  ((warnings <= SECONDS - began + 2)) || fail "$warnings warnings"
  for client in {1..29}; do
    close_client "${clients[client]}"
  done
  echo ann >&"$fd"
  hear "$fd" "* welcome; what is your name?"
  hear "$fd" "* you are ann"
}

@test "chat-server's rooms know no socket and no libevent: another transport drives them" {
  folder=$ROOT/samples/chat-server
  run -1 grep -E '#include.*(event|socket|netinet|unistd)' \
    "$folder"/{rooms,house,names,telnet}.h "$folder"/{rooms,commands,text,names,telnet}.c
  cat >"$BATS_TEST_TMPDIR/paper.c" <<'END'
#include <stdio.h>
#include <string.h>
#include "rooms.h"

static void show(void *arg, const char *text, size_t length)
{
    printf("%s < %.*s", (const char *)arg, (int)length, text);
}

int main(void)
{
    struct rooms *rooms = rooms_new();
    struct person *a = person_new(rooms, show, "A");
    struct person *b = person_new(rooms, show, "B");

    person_line(a, "ann", 3);
    person_line(b, "bob", 3);
    person_line(a, "hello, paper", 12);
    printf("%d\n", person_line(b, "/quit", 5));
    person_free(b, "has left");
    rooms_tell(rooms, "good night");
    person_free(a, NULL);
    rooms_free(rooms);
    return 0;
}
END
  cc -std=gnu11 -g -fsanitize=address,undefined -I "$folder" -o "$BATS_TEST_TMPDIR/paper" \
    "$BATS_TEST_TMPDIR/paper.c" "$folder"/{rooms,commands,text,names}.c -lunistring
  run -0 "$BATS_TEST_TMPDIR/paper"
  assert_output "A < * welcome; what is your name?
B < * welcome; what is your name?
A < * you are ann
A < * you are in lobby (1 here)
B < * you are bob
B < * you are in lobby (2 here)
A < * bob is here
B < ann: hello, paper
B < * goodbye
0
A < * bob has left
A < * good night"
}

@test "chat-server listens on the address that it is given, IPv6 too" {
  start chat-server ::1
  run -0 nc -N ::1 "$PORT" <<<ann
  assert_line "* you are ann"
  has_lines 1 "^listening on ::1 port $PORT$"
}

# A name with two addresses; the second of them is there twice.
make_both() {
  alone true
  mkdir -p "$BATS_TEST_TMPDIR/etc"
  printf '%s both.test\n' ::1 127.0.0.1 127.0.0.1 >"$BATS_TEST_TMPDIR/etc/hosts"
  echo "hosts: files" >"$BATS_TEST_TMPDIR/etc/nsswitch.conf"
  echo "multi on" >"$BATS_TEST_TMPDIR/etc/host.conf"
}

# Start it on that name in a network of its own, and run commands there.
on_both() { # PORT COMMANDS
  local path
  path=$(program chat-server)
  # shellcheck disable=SC2016 # the inner shell's
  run -0 alone --etc "$BATS_TEST_TMPDIR/etc" timeout "$LIMIT" bash -c '
    "$0" both.test "$1" >"$2" 2>&1 &
    pid=$!
    until grep -qs "^listening on 127" "$2" || [[ ! -d /proc/$pid ]]; do sleep 0.02; done
    port=$(sed -n "s/^listening on .* port //p" "$2" | head -n 1)
    '"$2"'
    kill "$pid" 2>/dev/null
    wait "$pid"; echo "exit status $?"; cat "$2"' "$path" "$1" "$BATS_TEST_TMPDIR/both.log"
}

@test "chat-server listens on all addresses of a name, with one port (K14)" {
  make_both
  for port in 0 8888; do
    # shellcheck disable=SC2016 # the inner shell's
    on_both "$port" 'for address in ::1 127.0.0.1; do
      exec 5<>"/dev/tcp/$address/$port"; echo "ann$((++n))" >&5; head -n 2 <&5; exec 5>&-; done'
    assert_equal "$(grep -c "^\* you are ann" <<<"$output")" 2 || fail "$output"
    assert_line "exit status 0"
    assert_equal "$(grep -c "^listening on " <<<"$output")" 2
    assert_equal "$(sed -n 's/^listening on .* port //p' <<<"$output" | sort -u | wc -l)" 1
  done
}

@test "chat-server does not start if it cannot listen on one of the addresses" {
  make_both
  # shellcheck disable=SC2016 # the inner shell's
  run -0 alone --etc "$BATS_TEST_TMPDIR/etc" timeout "$LIMIT" bash -c '
    "$0" 127.0.0.1 8888 >"$1" & until [[ -s $1 ]]; do sleep 0.02; done
    "$0" both.test 8888 || echo "exit status $?"
    kill %1' "$(program chat-server)" "$BATS_TEST_TMPDIR/first"
  assert_output "chat-server: cannot listen on 127.0.0.1 port 8888: Address already in use
exit status 1"
}

@test "chat-server leaves out an address that the machine lacks, and says so" {
  make_both
  echo "192.0.2.1 both.test" >>"$BATS_TEST_TMPDIR/etc/hosts"
  on_both 8888 ''
  assert_line "chat-server: cannot listen on 192.0.2.1 port 8888: Cannot assign requested address"
  assert_line "listening on ::1 port 8888"
  assert_line "listening on 127.0.0.1 port 8888"
  assert_line "exit status 0"
}

@test "chat-server goes on when no process reads its output (K15)" {
  serves_with_a_full_pipe chat-server
}

@test "chat-server goes on when its terminal is stopped (K15)" {
  serves_on_a_stopped_terminal chat-server
}

@test "chat-server keeps away from closed standard descriptors (K16)" {
  serves_without_standard_descriptors chat-server
}

@test "chat-server accepts again as soon as a descriptor is free (K17)" {
  serves_as_soon_as_a_descriptor_is_free chat-server/listen
}

@test "chat-server has a backlog as long as the system allows (K18)" {
  takes_300_connections_while_stopped chat-server
}

@test "chat-server asks silent peers whether they still exist" {
  start chat-server
  open_client 5
  assert_talks 5
  wait_for asks_silent_peers
}

@test "chat-server ends at SIGTERM while it looks up a name" {
  ends_while_it_looks_up_a_name chat-server
}

@test "chat-server listens on 127.0.0.1 port 7777 unless told otherwise" {
  LOG=$BATS_TEST_TMPDIR/alone.log
  : >"$LOG"
  path=$(program chat-server)
  alone true
  alone "${UNDER_COMMAND[@]}" "$path" >"$LOG" 2>&1 3>&- &
  PID=$!
  OTHERS+=("$PID")
  wait_for_line "^listening on "
  run -0 cat "$LOG"
  assert_output "listening on 127.0.0.1 port 7777"
}

@test "chat-server does not start on a port in use, a wrong port or an unknown host" {
  start chat-server
  run -1 course chat-server 127.0.0.1 "$PORT"
  assert_output "chat-server: cannot listen on 127.0.0.1 port $PORT: Address already in use"
  for port in 65536 -1 80x x ''; do
    run -2 course chat-server 127.0.0.1 "$port"
    assert_output "usage: chat-server [ADDRESS PORT]"
  done
  run -1 course chat-server no-such-host.invalid 0
  assert_output --regexp "^chat-server: cannot resolve no-such-host.invalid: "
  run -0 course chat-server --help
  assert_output "usage: chat-server [ADDRESS PORT]"
}

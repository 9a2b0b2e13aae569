# memcache.bats -- the cache, also side by side with Debian's memcached
#
# Recorded conversations are in memcache/*.talk; random ones are made up by
# memcache-talk.c: one of each kind, or with SEEDS=20 twenty, which takes minutes.
# Packages: memcached, libmemcached-tools.

setup() {
  load ../lib/course
}

teardown() {
  course_teardown
}

# Start Debian's memcached, and set THEIRS to its port. Its threads that order
# the items in the background are off: while one of them holds an item, decr
# does not pad the number.
start_memcached() {
  command -v memcached >/dev/null || skip "no memcached here"
  local file=$BATS_TEST_TMPDIR/memcached.${#OTHERS[@]}.port
  MEMCACHED_PORT_FILENAME=$file memcached -u "$(id -un)" -t 1 -U 0 -l 127.0.0.1 -p -1 \
    -o no_modern >"$BATS_TEST_TMPDIR/memcached.log" 2>&1 </dev/null 3>&- &
  OTHERS+=($!)
  disown $! # its end is not worth a line
  wait_for grep -sq '^TCP INET: ' "$file"
  THEIRS=$(sed -n 's/^TCP INET: //p' "$file")
}

# Build a client of the tests.
build_client() { # NAME
  cc -O1 -g -o "$BATS_TEST_TMPDIR/$1" "$BATS_TEST_DIRNAME/$1.c"
}

# Have a recorded conversation, line by line, on a connection of its own.
replay() { # PORT FILE
  local fd line answer number=0
  exec {fd}<>"/dev/tcp/127.0.0.1/$1"
  while IFS= read -r line; do
    number=$((number + 1))
    case $line in
      '> '*) printf '%s\r\n' "${line#> }" >&"$fd" ;;
      '< '*)
        IFS= read -r -t "$LIMIT" -u "$fd" answer || fail "$2:$number: no answer"
        [[ $answer == "${line#< }"$'\r' ]] || fail "$2:$number: $answer, not $line"
        ;;
    esac
  done <"$2"
  printf 'version\r\n' >&"$fd"
  IFS= read -r -t "$LIMIT" -u "$fd" answer
  assert_equal "$answer" "VERSION 1.6.18"$'\r'
  exec {fd}>&-
}

# The two sides of a recorded conversation, each as one piece.
sent() { # FILE
  sed -n 's/^> \(.*\)/\1\r/p' "$1"
  printf 'quit\r\n'
}

expected() { # FILE
  sed -n 's/^< \(.*\)/\1\r/p' "$1"
}

# Say lines on descriptor 5, each ended with CR LF.
say() { # LINE...
  printf '%s\r\n' "$@" >&5
}

hear() { # LINE...
  local line answer
  for line in "$@"; do
    IFS= read -r -t "$LIMIT" -u 5 answer || fail "no answer, where $line was expected"
    assert_equal "$answer" "$line"$'\r'
  done
}

# What stats says on descriptor 5, into the array STATS.
stats() {
  say stats
  stats_answer
}

stats_answer() {
  local word name value
  declare -gA STATS=()
  while IFS=$' \r' read -r -t "$LIMIT" -u 5 word name value && [[ $word == STAT ]]; do
    STATS[$name]=$value
  done
  assert_equal "$word" END
}

# Print FORMAT with each number, which it shows twice.
numbered() { # FORMAT COUNT
  awk -v format="$1" -v count="$2" 'BEGIN { for (i = 1; i <= count; i++) printf format, i, i }'
}

# A value of so many bytes, as a set brings it.
set_large() { # KEY SIZE [NOREPLY]
  printf 'set %s 0 0 %d%s\r\n' "$1" "$2" "${3:+ noreply}"
  head -c "$2" /dev/zero | tr '\0' x
  printf '\r\n'
}

@test "memcache answers the recorded conversations, line by line (M1 M2)" {
  for file in "$BATS_TEST_DIRNAME"/memcache/*.talk; do
    start memcache
    replay "$PORT" "$file"
  done
}

@test "memcached answers the recorded conversations in the same way" {
  for file in "$BATS_TEST_DIRNAME"/memcache/*.talk; do
    start_memcached
    replay "$THEIRS" "$file"
  done
}

@test "memcache takes many commands in one packet" {
  for file in "$BATS_TEST_DIRNAME"/memcache/*.talk; do
    start memcache
    ask < <(sent "$file") | cmp - <(expected "$file")
  done
}

@test "memcache takes a command over many packets, a byte in each" {
  start memcache
  file=$BATS_TEST_DIRNAME/memcache/noreply.talk
  sent "$file" >"$BATS_TEST_TMPDIR/sent"
  socat -b 1 "FILE:$BATS_TEST_TMPDIR/sent!!STDOUT" "TCP:127.0.0.1:$PORT,nodelay" 3>&- |
    cmp - <(expected "$file")
}

@test "memcache keeps the beginning of a command while it reads from others (M3)" {
  start memcache
  open_client 5
  open_client 6
  printf 'version\r\nget a' >&5
  read -r -t "$LIMIT" -u 5 answer # so it has read both
  assert_regex "$answer" '^VERSION '
  printf 'set a 0 0 2\r\nhi\r\n' >&6
  read -r -t "$LIMIT" -u 6 answer
  assert_equal "$answer" $'STORED\r'
  printf '\r\n' >&5
  for line in $'VALUE a 0 2\r' $'hi\r' $'END\r'; do
    read -r -t "$LIMIT" -u 5 answer
    assert_equal "$answer" "$line"
  done
}

# Have random conversations with both servers, and count the seeds.
talk_to_both() { # COMMANDS [numbers]
  local seed
  build_client memcache-talk
  for ((seed = 1; seed <= ${SEEDS:-1}; seed++)); do
    start_memcached
    start memcache
    run -0 timeout "$LIMIT" "$BATS_TEST_TMPDIR/memcache-talk" "$seed" "$1" "$THEIRS" "$PORT" "${@:2}"
    assert_line --regexp "^[0-9]{5,} commands, all answers the same$"
    stop "$PID"
  done
}

@test "memcache answers 12,000 random commands as memcached does, byte for byte (M1 M2)" {
  talk_to_both 12000
  refute_line --regexp '^0 ' # each kind of answer came
}

@test "memcache sees a number where memcached does, in 10,000 commands (M1 M2 M8)" {
  talk_to_both 10000 numbers
}

@test "memcache takes a value of 1 MiB less what an item costs, as memcached does (M4)" {
  start_memcached
  start memcache
  # 57 bytes for the item, 4 if it has flags, the key, and CR LF.
  {
    set_large k 1048516
    set_large k 1048517
    printf 'get k\r\n'
    set_large key 1048514
    set_large key 1048515 noreply
    printf 'get key\r\n'
    set_large key 1048514 | sed '1s/ 0 / 1 /'
    set_large key 1048510 | sed '1s/ 0 / 1 /'
    printf 'append key 0 0 1\r\nx\r\nget key\r\n'
    set_large key 1048515 | sed '1s/set/add/'
    printf 'set key 0 0 2147483647\r\n'
  } >"$BATS_TEST_TMPDIR/sent"
  ask "$BATS_TEST_TMPDIR/sent" >"$BATS_TEST_TMPDIR/ours"
  PORT=$THEIRS ask "$BATS_TEST_TMPDIR/sent" >"$BATS_TEST_TMPDIR/theirs"
  cmp "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
  run -0 grep -ac '^SERVER_ERROR object too large for cache' "$BATS_TEST_TMPDIR/ours"
  assert_output 3
  run -0 grep -ac '^VALUE' "$BATS_TEST_TMPDIR/ours"
  assert_output 1
}

@test "memcache keeps a value of 1 MiB byte for byte" {
  start memcache
  make_bytes "$BATS_TEST_TMPDIR/value" 1048000
  {
    printf 'set k 0 0 1048000\r\n'
    cat "$BATS_TEST_TMPDIR/value"
    printf '\r\nget k\r\n'
  } | ask | cmp - <(
    printf 'STORED\r\nVALUE k 0 1048000\r\n'
    cat "$BATS_TEST_TMPDIR/value"
    printf '\r\nEND\r\n'
  )
}

# Whether a get on descriptor 5 finds nothing any more.
is_gone() { # KEY
  local line
  say "get $1"
  IFS= read -r -t "$LIMIT" -u 5 line
  [[ $line != END$'\r' ]] || return 0
  hear 1 END
  return 1
}

@test "memcache lets items end in time, by seconds and by date" {
  start memcache
  open_client 5
  say 'set a 0 1 1' 1 "set b 0 $(($(date +%s) + 1)) 1" 1 \
    'set c 0 3 1' 1 'set d 0 3 1' 1 'set e 0 3 1' 1
  hear STORED STORED STORED STORED STORED
  say 'touch c 100' 'gat 0 d'
  hear TOUCHED 'VALUE d 0 1' 1 END
  wait_for is_gone a
  wait_for is_gone b
  wait_for is_gone e
  say 'add a 0 0 1' 2 'get c d'
  hear STORED 'VALUE c 0 1' 1 'VALUE d 0 1' 1 END
}

@test "memcache flushes after the delay that is asked for" {
  start memcache
  open_client 5
  say 'set a 0 0 1' 1 'flush_all 2' 'get a'
  hear STORED OK 'VALUE a 0 1' 1 END
  wait_for is_gone a
  say 'set a 0 0 1' 2 'flush_all 100 noreply' 'get a' 'flush_all'
  hear STORED 'VALUE a 0 1' 2 END OK
  is_gone a
}

# Start a server with so many megabytes.
start_small() { # MEGABYTES
  spawn memcache -m "$1" 127.0.0.1 0
  wait_for_line '^listening on '
  PORT=$(sed -n 's/^listening on .* port //p' "$LOG")
}

@test "memcache evicts the item that was not used for longest when its memory is full (M5)" {
  start_small 1
  for i in {1..10}; do
    set_large "k$i" 100000 noreply
  done | ask
  # The first two are used again, one is read and one is added in vain.
  printf 'get k1\r\nadd k2 0 0 1\r\nx\r\n' | ask >/dev/null
  for i in {11..16}; do
    set_large "k$i" 100000 noreply
  done | ask
  run -0 ask <<<"get k1 k2 k3 k4 k5 k6 k7 k8 k9 k10 k11 k12 k13 k14 k15 k16"
  assert_equal "$(grep -o 'VALUE k[0-9]*' <<<"$output" | xargs)" \
    "VALUE k1 VALUE k2 VALUE k9 VALUE k10 VALUE k11 VALUE k12 VALUE k13 VALUE k14 VALUE k15 VALUE k16"
  open_client 5
  stats
  assert_equal "${STATS[evictions]} ${STATS[curr_items]} ${STATS[limit_maxbytes]}" "6 10 1048576"
}

@test "memcache stays within its memory limit whatever is stored" {
  start_small 2
  for i in {1..40}; do
    set_large "large$i" $((i * 25000)) noreply
    numbered "set $i-%d 0 0 10 noreply\r\n0123456789\r\nappend $i-%d 0 0 3 noreply\r\nabc\r\n" 100
  done >"$BATS_TEST_TMPDIR/sent"
  before=$(memory_of "$PID")
  ask "$BATS_TEST_TMPDIR/sent"
  open_client 5
  stats
  ((STATS[bytes] <= 2097152)) || fail "${STATS[bytes]} bytes"
  ((STATS[evictions] > 0 && STATS[curr_items] > 0)) || fail "nothing was evicted"
  assert_grew_at_most 8192 "$before" "$PID"
}

@test "memcache evicts nothing for values that have not come (M9)" {
  start_small 2
  numbered 'set item%d 0 0 10 noreply\r\n%010d\r\n' 20000 | ask
  for client in {1..64}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    printf 'set k 0 0 1048400\r\n' >&"$fd"
  done
  open_client 6
  set_large k 1048400 | head -c 1000000 >&6
  open_client 5
  stats
  assert_equal "${STATS[evictions]} ${STATS[curr_items]}" "0 20000"
  # A wrong end is found before others have to go.
  set_large bad 1048000 | sed 's/x\r$/xx/' | ask
  stats
  assert_equal "${STATS[evictions]} ${STATS[curr_items]}" "0 20000"
  # One that has come whole may cost others.
  set_large whole 1048000 noreply | ask
  stats
  ((STATS[evictions] > 1000 && STATS[bytes] <= 2097152)) || fail "${STATS[evictions]} evictions"
}

# Of a value of 1,000,000 bytes, send all but the last one, on a new connection.
begin_large() { # KEY: sets fd
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  set_large "$1" 1000000 | head -c -3 >&"$fd"
}

@test "memcache bounds the memory of unfinished values, those that are silent give way (M10)" {
  local clients=() before
  start_small 1
  before=$(memory_of "$PID")
  for client in {1..30}; do
    begin_large "key$client"
    clients[client]=$fd
  done
  settle "$PID"
  assert_grew_at_most 12000 "$before" "$PID"
  # The first was given up, and hears of it when its value has come.
  printf 'x\r\nversion\r\n' >&"${clients[1]}"
  IFS= read -r -t "$LIMIT" -u "${clients[1]}" line
  assert_equal "$line" "SERVER_ERROR out of memory during read"$'\r'
  IFS= read -r -t "$LIMIT" -u "${clients[1]}" line
  assert_equal "$line" "VERSION 1.6.18"$'\r'
  printf 'x\r\n' >&"${clients[30]}"
  IFS= read -r -t "$LIMIT" -u "${clients[30]}" line
  assert_equal "$line" STORED$'\r'
}

@test "memcache bounds the memory of unfinished lines (M10)" {
  local before
  start_small 1
  before=$(memory_of "$PID")
  (printf 'get ' && head -c 1000000 /dev/zero | tr '\0' ' ') >"$BATS_TEST_TMPDIR/line"
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    # The last line is to grow when all others have, and not to be given up.
    ((client < 30)) || settle "$PID"
    cat "$BATS_TEST_TMPDIR/line" >&"$fd"
  done
  settle "$PID"
  assert_grew_at_most 16000 "$before" "$PID"
  printf 'k\r\n' >&"$fd"
  IFS= read -r -t "$LIMIT" -u "$fd" line
  assert_equal "$line" END$'\r'
}

# The time limit is 30 seconds; here it is shorter.
start_impatient() { # SECONDS
  build_own memcache "s/^(    PATIENCE = )30,/\\1$1,/"
  start memcache
}

is_closed() { # FD
  local status=0
  read -r -t 0.01 -u "$1" _ || status=$?
  ((status == 1))
}

@test "memcache closes on a client that does not go on with its value or line (M11)" {
  start_impatient 1
  open_client 5
  printf 'set a 0 0 10\r\nhalf' >&5
  open_client 6
  printf 'get half' >&6
  open_client 7
  say_nothing_begun
  wait_for is_closed 5
  wait_for is_closed 6
  printf 'version\r\n' >&7
  IFS= read -r -t "$LIMIT" -u 7 line
  assert_equal "$line" "VERSION 1.6.18"$'\r'
  assert_idle "$PID"
}

# A client of descriptor 7 that waits has no limit, nor has one that reads late.
say_nothing_begun() {
  printf 'set k 0 0 5\r\nvalue\r\n' >&7
  IFS= read -r -t "$LIMIT" -u 7 line
  assert_equal "$line" STORED$'\r'
}

@test "memcache lets a client take its time that goes on (M12)" {
  start_impatient 3
  open_client 5
  printf 'set a 0 0 12\r\n' >&5
  for byte in a b c d e f g h i j k l; do
    sleep 0.4 # a slow client
    printf '%s' "$byte" >&5
  done
  printf '\r\n' >&5
  hear STORED
}

@test "memcache gives a client that sends small commands no more than its turn (M13)" {
  start memcache
  open_client 5
  open_client 6
  printf 'set n 0 0 1\r\n0\r\n' >&6
  IFS= read -r -t "$LIMIT" -u 6 line
  assert_equal "$line" STORED$'\r'
  # Both have sent before the server looks, the busy one first.
  kill -STOP "$PID"
  printf 'incr n 1 noreply\r\n%.0s' {1..3000} >&5
  printf 'get n\r\n' >&6
  kill -CONT "$PID"
  IFS= read -r -t "$LIMIT" -u 6 line
  IFS= read -r -t "$LIMIT" -u 6 line
  ((${line%$'\r'} < 1000)) || fail "${line%$'\r'} commands came first"
  say 'get n'
  hear 'VALUE n 0 4' 3000 END
}

@test "memcache answers others between the keys of a get of 500,000 (M13)" {
  start memcache
  (printf get && yes ' k' | head -n 500000 | tr -d '\n' && printf '\r\n') >"$BATS_TEST_TMPDIR/get"
  # Ask how many keys were looked for. What is heard within a line is printed.
  # shellcheck disable=SC2016 # perl's own $
  perl -MSocket=:all -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
    connect($s, sockaddr_in(shift, INADDR_LOOPBACK)) or die;
    $/ = "END\r\n";
    for (my $keys = 0; $keys < 8 * 500000;) {
      syswrite($s, "stats\r\n");
      ($keys) = <$s> =~ /cmd_get (\d+)/;
      print "$keys\n" if $keys % 500000;
    }' "$PORT" >"$BATS_TEST_TMPDIR/heard" 3>&- &
  asker=$!
  OTHERS+=("$asker")
  for _ in {1..8}; do cat "$BATS_TEST_TMPDIR/get"; done | ask >"$BATS_TEST_TMPDIR/answer"
  assert_equal "$(xargs <"$BATS_TEST_TMPDIR/answer" | tr -d '\r')" "END END END END END END END END"
  wait_for has_ended "$asker"
  (($(sort -u "$BATS_TEST_TMPDIR/heard" | wc -l) >= 5)) || fail "heard at $(xargs <"$BATS_TEST_TMPDIR/heard")"
}

@test "memcache evicts for a large value in turns, too (M13)" {
  start_small 2
  numbered 'set i%d 0 0 1 noreply\r\n%.1s\r\n' 30000 | ask
  open_client 5
  open_client 6
  (set_large large 1048000 && printf 'get large\r\n') | head -c 1040000 >&6
  settle "$PID"
  kill -STOP "$PID"
  (set_large large 1048000 && printf 'incr none 1\r\n') | tail -c +1040001 >&6
  say 'stats'
  kill -CONT "$PID"
  stats_answer
  ((STATS[evictions] < 1000)) || fail "${STATS[evictions]} evictions in a turn"
  IFS= read -r -t "$LIMIT" -u 6 line
  assert_equal "$line" STORED$'\r'
  IFS= read -r -t "$LIMIT" -u 6 line
  assert_equal "$line" NOT_FOUND$'\r'
}

@test "memcache searches each byte of an unfinished line once (M14)" {
  [[ ! ${UNDER-} ]] || skip "it is about processor time"
  build_client memcache-wait
  start memcache
  run -0 timeout 60 "$BATS_TEST_TMPDIR/memcache-wait" "$PID" "$PORT" bytes
  [[ ${lines[0]} =~ 'line of 10 bytes: '([0-9]+) ]]
  short=${BASH_REMATCH[1]}
  [[ ${lines[1]} =~ 'line of 1000000 bytes: '([0-9]+) ]]
  long=${BASH_REMATCH[1]}
  ((long <= 3 * short + 30)) || fail "${lines[*]}"
}

@test "memcache counts what stats tells" {
  start memcache
  open_client 5
  say 'set a 0 0 5' 12345 'set b 1 0 5' 12345 'get a b c' 'gets a' 'set a 0 0 1' 1
  hear STORED STORED 'VALUE a 0 5' 12345 'VALUE b 1 5' 12345 END 'VALUE a 0 5 1' 12345 END STORED
  stats
  assert_equal "${STATS[pid]}" "$PID"
  assert_equal "${STATS[version]}" 1.6.18
  ((STATS[time] >= $(date +%s) - 2 && STATS[uptime] <= LIMIT)) || fail "${STATS[time]} ${STATS[uptime]}"
  names="curr_connections cmd_get cmd_set get_hits get_misses curr_items total_items evictions limit_maxbytes bytes"
  values=$(for name in $names; do echo "${STATS[$name]}"; done | xargs)
  assert_equal "$values" "1 4 3 3 1 2 3 0 67108864 $((57 + 1 + 1 + 2 + 57 + 4 + 1 + 5 + 2))"
  say 'stats reset'
  hear RESET
  stats
  assert_equal "${STATS[cmd_get]} ${STATS[cmd_set]} ${STATS[get_hits]} ${STATS[curr_items]}" "0 0 0 2"
}

@test "memcache's stats are those of memcached" {
  start_memcached
  sed -n 's/^> \(.*\)/\1\r/p' "$BATS_TEST_DIRNAME"/memcache/{storage,numbers,errors,noreply}.talk >"$BATS_TEST_TMPDIR/sent"
  printf 'stats\r\n' >>"$BATS_TEST_TMPDIR/sent"
  sed -i '/^stats reset/d' "$BATS_TEST_TMPDIR/sent"
  names='cmd_get|cmd_set|get_hits|get_misses|curr_items|total_items|bytes|evictions|limit_maxbytes|version'
  PORT=$THEIRS ask "$BATS_TEST_TMPDIR/sent" | grep -aE "^STAT ($names) " | sort >"$BATS_TEST_TMPDIR/theirs"
  start memcache
  ask "$BATS_TEST_TMPDIR/sent" | grep -aE "^STAT ($names) " | sort | diff - "$BATS_TEST_TMPDIR/theirs"
}

@test "memcache closes on a line that does not end, and on HTTP" {
  start memcache
  head -c 2048 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/long"
  open_client 5
  cat "$BATS_TEST_TMPDIR/long" >&5
  say ''
  hear ERROR
  cat "$BATS_TEST_TMPDIR/long" >&5
  printf x >&5
  run -1 read -r -t "$LIMIT" -u 5 _
  close_client 5
  run -0 ask < <(printf 'set a 0 0 1\r\n1\r\nPOST / HTTP/1.1\r\nversion\r\n')
  assert_output STORED$'\r'
  # A get may be longer, but not without end.
  open_client 5
  {
    printf 'get '
    head -c 100000 /dev/zero | tr '\0' ' '
  } >&5
  say a
  hear 'VALUE a 0 1' 1 END
  (printf 'get ' && yes xxxxxxx | head -c 3000000 | tr '\n' ' ') >&5 2>/dev/null || true
  run read -r -t "$LIMIT" -u 5 _
  ((status >= 1 && status <= 2)) || fail "it goes on"
}

@test "memcache answers a get of 20,000 keys in order, whatever the line costs" {
  start memcache
  numbered 'set k%d 0 0 100 noreply\r\n%0100d\r\n' 500 | ask
  {
    printf gets
    # shellcheck disable=SC2046 # the numbers are words
    printf ' k%d' $(for _ in {1..40}; do seq 1 500; done)
    printf '\r\nversion\r\n'
  } >"$BATS_TEST_TMPDIR/sent"
  for i in {1..500}; do
    printf 'VALUE k%d 0 100 %d\r\n%0100d\r\n' "$i" "$i" "$i"
  done >"$BATS_TEST_TMPDIR/once"
  for _ in {1..40}; do cat "$BATS_TEST_TMPDIR/once"; done >"$BATS_TEST_TMPDIR/expected"
  printf 'END\r\nVERSION 1.6.18\r\n' >>"$BATS_TEST_TMPDIR/expected"
  ask "$BATS_TEST_TMPDIR/sent" | cmp - "$BATS_TEST_TMPDIR/expected"
}

@test "memcache answers a long gat in pieces, and touches every item" {
  local seconds=2
  [[ ! ${UNDER-} ]] || seconds=20 # it is slow, and they may not go before
  start memcache
  numbered "set k%d 0 $seconds 1000 noreply\r\n%01000d\r\n" 300 | ask
  keys=$(printf ' k%d' {1..300})
  printf 'gat 100%s\r\nset last 0 %d 1 noreply\r\n1\r\n' "$keys" "$seconds" | ask >"$BATS_TEST_TMPDIR/answer"
  numbered 'VALUE k%d 0 1000\r\n%01000d\r\n' 300 >"$BATS_TEST_TMPDIR/expected"
  printf 'END\r\n' >>"$BATS_TEST_TMPDIR/expected"
  cmp "$BATS_TEST_TMPDIR/answer" "$BATS_TEST_TMPDIR/expected"
  open_client 5
  wait_for is_gone last # and with it all that were not touched
  printf 'gets%s\r\n' "$keys" | ask >"$BATS_TEST_TMPDIR/answer"
  assert_equal "$(grep -c '^VALUE' "$BATS_TEST_TMPDIR/answer")" 300
}

@test "memcache keeps its memory when a client asks and never reads (M6)" {
  start memcache
  set_large k 1000000 noreply | ask
  open_client 6
  printf 'get k\r\n' >&6
  head -c 1000026 <&6 >/dev/null
  before=$(memory_of "$PID")
  open_client 5
  {
    printf 'get k\r\n%.0s' {1..10000}
    cat /dev/zero
  } >&5 3>&- &
  sender=$!
  OTHERS+=("$sender")
  wait_for has_unsent
  settle "$PID"
  assert_grew_at_most 4096 "$before" "$PID"
  is_running "$sender" || fail "all was taken"
  printf 'version\r\n' >&6
  read -r -t "$LIMIT" -u 6 line
  assert_equal "$line" "VERSION 1.6.18"$'\r'
}

@test "memcache gives a client that reads late every answer, in order" {
  start memcache
  set_large k 1000000 noreply | ask
  { for i in {1..30}; do printf 'get k\r\nincr none %d\r\n' "$i"; done; } >"$BATS_TEST_TMPDIR/sent"
  open_client 5
  cat "$BATS_TEST_TMPDIR/sent" >&5
  printf 'quit\r\n' >&5
  wait_for has_unsent
  settle "$PID"
  set_large k 1000000 | sed 's/^set\(.*\)/VALUE\1/; s/VALUE k 0 0/VALUE k 0/' >"$BATS_TEST_TMPDIR/once"
  printf 'END\r\nNOT_FOUND\r\n' >>"$BATS_TEST_TMPDIR/once"
  for _ in {1..30}; do cat "$BATS_TEST_TMPDIR/once"; done >"$BATS_TEST_TMPDIR/expected"
  cmp - "$BATS_TEST_TMPDIR/expected" <&5
}

@test "memcache answers others while one client keeps it busy" {
  start memcache
  set_large k 1000000 noreply | ask
  yes $'get k\r' | nc 127.0.0.1 "$PORT" >/dev/null 3>&- &
  OTHERS+=($!)
  open_client 5
  for _ in {1..20}; do
    say version
    hear "VERSION 1.6.18"
  done
}

@test "memcache survives clients that send and close without reading" {
  start memcache
  for _ in {1..20}; do
    send_and_vanish
    kill -STOP "$PID"
    open_client 6
    printf 'version\r\n%.0s' {1..1000} >&6
    close_client 6
    kill -CONT "$PID"
  done
  open_client 5
  say version
  hear "VERSION 1.6.18"
}

@test "memcache frees what its clients have begun (M7)" {
  find_leaks_in memcache
  start memcache
  set_large k 1000000 noreply | ask
  open_client 5
  printf 'set a 0 0 100\r\nhalf of' >&5
  open_client 6
  printf 'get half of' >&6
  open_client 7
  for _ in {1..20}; do printf 'get k\r\n'; done >&7
  wait_for has_unsent
  open_client 8
  printf 'version\r\n' >&8
  read -r -t "$LIMIT" -u 8 _
  for fd in 5 6; do
    open_client 9
    printf 'set b 0 0 100\r\nhalf of' >&9
    close_client 9
  done
  kill -TERM "$PID"
  assert_exit 0
}

@test "memcache ends at SIGINT and at SIGTERM" {
  for signal in INT TERM; do
    start memcache
    open_client 5
    say version
    hear "VERSION 1.6.18"
    kill "-$signal" "$PID"
    assert_exit 0
  done
}

@test "memcache pauses when descriptors run out, and recovers" {
  local begin=$SECONDS
  FDS=20 start memcache
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  wait_for_line "^memcache: cannot accept, trying again in a second: Too many open files$"
  assert_idle "$PID"
  (($(count_lines "cannot accept") <= SECONDS - begin + 2)) || fail "$(count_lines "cannot accept") warnings"
  for client in {1..20}; do
    close_client "${clients[client]}"
  done
  printf 'version\r\n' >&"${clients[30]}"
  read -r -t "$LIMIT" -u "${clients[30]}" line
  assert_equal "$line" "VERSION 1.6.18"$'\r'
}

@test "memcache accepts again as soon as a descriptor is free (M15)" {
  # The second after which it tries anyway is a thousand seconds here.
  build_own memcache/listen 's/^(static const struct timeval REST = .)1,/\11000,/'
  FDS=20 start memcache
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  wait_for_line "^memcache: cannot accept, trying again in a second: Too many open files$"
  for client in {1..20}; do
    close_client "${clients[client]}"
  done
  printf 'version\r\n' >&"${clients[30]}"
  read -r -t "$LIMIT" -u "${clients[30]}" line
  assert_equal "$line" "VERSION 1.6.18"$'\r'
}

@test "memcache goes on when no process reads its output (M16)" {
  mkfifo "$BATS_TEST_TMPDIR/printed"
  exec 8<>"$BATS_TEST_TMPDIR/printed"
  path=$(program memcache)
  (
    ulimit -n $((20 + ${UNDER:+12} + 0))
    exec "${UNDER_COMMAND[@]}" "$path" 127.0.0.1 0
  ) >&8 2>&8 </dev/null 3>&- &
  PID=$!
  STARTED[$PID]=/dev/null
  read -r -t "$LIMIT" -u 8 line
  PORT=${line##* }
  open_client 5
  say version
  hear "VERSION 1.6.18"
  head -c 65536 /dev/zero >&8 # as much as the pipe takes
  for client in {1..30}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  done
  wait_for has_no_descriptor_left
  say version
  hear "VERSION 1.6.18"
}

# Whether the last of 20 is in use, as it is by then.
has_no_descriptor_left() {
  [[ ${UNDER-} || -e /proc/$PID/fd/19 ]]
}

@test "memcache serves 100 clients at once" {
  start memcache
  for client in {1..100}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    clients[client]=$fd
  done
  for client in {1..100}; do
    printf 'set k%d 0 0 3 noreply\r\n%03d\r\nget k%d\r\n' "$client" "$client" "$client" >&"${clients[client]}"
  done
  for client in {1..100}; do
    IFS= read -r -t "$LIMIT" -u "${clients[client]}" line
    assert_equal "$line" "VALUE k$client 0 3"$'\r'
    IFS= read -r -t "$LIMIT" -u "${clients[client]}" line
    assert_equal "$line" "$(printf %03d "$client")"$'\r'
  done
}

# A tool of libmemcached, as Debian calls it.
tool() { # NAME ARG...
  command -v "$1" >/dev/null || skip "no $1 here"
  timeout "$LIMIT" "$1" --servers="127.0.0.1:$PORT" "${@:2}"
}

@test "libmemcached's tools work with memcache" {
  start memcache
  cd "$BATS_TEST_TMPDIR" || return
  echo hello >hello
  make_bytes large 900000
  tool memccp hello large
  run -0 tool memccat hello
  assert_line hello
  tool memccat large | head -c 900000 | cmp - large
  tool memcexist hello
  run ! tool memcexist nothing
  tool memctouch --expire=100 hello
  tool memcrm hello
  run ! tool memcexist hello
  run -0 tool memcstat
  assert_line --regexp "pid: $PID$"
  assert_line --regexp 'curr_items: [1-9][0-9]*$'
  tool memcping
  tool memcflush
  run ! tool memcexist large
}

@test "memccapable finds memcache as capable as memcached" {
  command -v memccapable >/dev/null || skip "no memccapable here"
  start_memcached
  start memcache
  run -0 timeout "$LIMIT" memccapable -h 127.0.0.1 -p "$THEIRS" -a
  theirs=$output
  run -0 timeout "$LIMIT" memccapable -h 127.0.0.1 -p "$PORT" -a
  assert_equal "$output" "$theirs"
  assert_line "All tests passed"
}

@test "memcache listens on the given address, otherwise on loopback" {
  start memcache ::1
  run -0 nc -N ::1 "$PORT" <<<version
  assert_output "VERSION 1.6.18"$'\r'
  LOG=$BATS_TEST_TMPDIR/alone.log
  : >"$LOG"
  path=$(program memcache)
  alone true
  alone "${UNDER_COMMAND[@]}" "$path" -m 10 >"$LOG" 2>&1 3>&- &
  PID=$!
  OTHERS+=("$PID")
  wait_for_line "^listening on 127\.0\.0\.1 port 11211$"
}

@test "memcache listens on every address of a name, on one port (M17)" {
  mkdir "$BATS_TEST_TMPDIR/etc"
  printf '127.0.0.1 both\n::1 both\n127.0.0.1 both\n' >"$BATS_TEST_TMPDIR/etc/hosts"
  echo "multi on" >"$BATS_TEST_TMPDIR/etc/host.conf"
  echo "hosts: files" >"$BATS_TEST_TMPDIR/etc/nsswitch.conf"
  LOG=$BATS_TEST_TMPDIR/both.log
  : >"$LOG"
  path=$(program memcache)
  alone true
  # shellcheck disable=SC2016,SC2094 # for the inner shell, which reads what is printed
  alone --etc "$BATS_TEST_TMPDIR/etc" bash -c '
    "$0" both 0 &
    server=$!
    until [[ $(grep -c ^listening "$1") == 2 ]]; do sleep 0.02; done
    port=$(sed -n "s/^listening on 127.* port //p" "$1")
    for address in 127.0.0.1 ::1; do
      exec {fd}<>"/dev/tcp/$address/$port"
      echo version >&$fd
      head -n 1 <&$fd
    done
    "$0" both "$port"
    kill "$server"
    wait "$server"
    echo "status $?"' "$path" "$LOG" >"$LOG" 2>&1 3>&- &
  PID=$!
  OTHERS+=("$PID")
  wait_for_line "^status "
  assert_equal "$(sed 's/port [0-9]*/port N/' "$LOG" | tr -d '\r' | LC_ALL=C sort)" \
    "VERSION 1.6.18
VERSION 1.6.18
listening on 127.0.0.1 port N
listening on ::1 port N
memcache: cannot listen on ::1 port N: Address already in use
status 0"
  assert_equal "$(sed -n 's/^listening.* port //p' "$LOG" | sort -u | wc -l)" 1
}

@test "memcache keeps its descriptors apart from standard input and output (M18)" {
  path=$(program memcache)
  alone true
  # shellcheck disable=SC2016 # for the inner shell
  alone bash -c '
    "$0" <&- >&- 2>&- &
    server=$!
    until nc -N 127.0.0.1 11211 <<<version; do sleep 0.02; done 2>/dev/null
    readlink /proc/$server/fd/{0,1,2}
    kill "$server"
    wait "$server"
    echo "status $?"' "$path" >"$BATS_TEST_TMPDIR/closed.log" 2>&1 3>&- &
  PID=$!
  OTHERS+=("$PID")
  LOG=$BATS_TEST_TMPDIR/closed.log
  wait_for_line "^status "
  assert_equal "$(tr -d '\r' <"$LOG" | xargs)" "VERSION 1.6.18 /dev/null /dev/null /dev/null status 0"
}

@test "memcache says what is wrong with its arguments" {
  for arguments in "127.0.0.1" "127.0.0.1 65536" "127.0.0.1 80x" "-m" "-m 0" "-m x" "-m -1" \
    "-m 1x" "-m 99999999" "-m 64 127.0.0.1" "-x 1 127.0.0.1 0 0"; do
    # shellcheck disable=SC2086 # the arguments are words
    run -2 course memcache $arguments
    assert_output "usage: memcache [-m MEGABYTES] [ADDRESS PORT]"
  done
  run -0 course memcache --help
  assert_output "usage: memcache [-m MEGABYTES] [ADDRESS PORT]"
  run -1 course memcache no-such-host.invalid 0
  assert_output --regexp "^memcache: cannot resolve no-such-host.invalid: "
  start memcache
  run -1 course memcache 127.0.0.1 "$PORT"
  assert_output "memcache: cannot listen on 127.0.0.1 port $PORT: Address already in use"
}

# checks.bash -- each client's numbers come when they are due, however late the server was.

lab mend 2 25
STILL_MS=$LIMIT_MS # the program has timers
: "${EVERY_MS:=100}" "${HELD_MS:=1500}"

check 4 "Three ways to tick" catches_up \
  "a server that was stopped makes up for the numbers that it missed" \
  "服务器停过之后，会补上错过的数"
catches_up() {
  step "A receives 1, 2 and 3" "A 收到 1、2、3"
  start 0 "$EVERY_MS"
  come_in A
  expect A '1\n2\n3\n'
  for times in once twice; do
    step "the server is stopped for $HELD_MS ms ($times): then A has as many numbers as intervals have passed" \
      "服务器停了 $HELD_MS 毫秒（第 $([[ $times == once ]] && echo 一 || echo 二) 次）：之后 A 收到的数与经过的间隔一样多"
    hold
    nap_ms "$HELD_MS"
    signal CONT
    until_true has_kept_up A || has_kept_up A ||
      fail "A has fewer numbers than intervals have passed" "A 收到的数比经过的间隔少"
    in_order A
  done
}

check 2 "A timer is an event without a descriptor" is_never_early \
  "no number comes early, and none is left out" \
  "没有一个数提前，也没有一个数遗漏"
is_never_early() {
  step "A receives 1 to 10, and 10 not before ten intervals have passed" "A 收到 1 到 10，十个间隔之前不会收到 10"
  start 0 "$EVERY_MS"
  come_in A
  expect A '1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n'
  not_before $((CAME + 10 * EVERY_MS))
  step "after a stop, too, the next numbers are not early" "停过之后，后面的数也不提前"
  hold
  nap_ms "$HELD_MS"
  signal CONT
  for ((i = 0; i < 10; i++)); do
    nap_ms "$((EVERY_MS / 2))"
    count_numbers A
    now_ms
    ((NUMBERS * EVERY_MS <= MS - CAME + 20)) ||
      fail "a number came too early" "有一个数来得太早"
  done
}

check 1 "A timer is an event without a descriptor" counts_for_each \
  "each client has a count of its own" \
  "每个客户端单独计数"
counts_for_each() {
  step "A receives 1 and 2" "A 收到 1、2"
  start 0 "$EVERY_MS"
  come_in A
  expect A '1\n2\n'
  step "B connects later, and receives 1 and 2 as well" "B 后来连接，也收到 1、2"
  come_in B
  expect B '1\n2\n'
  not_before $((CAME + 2 * EVERY_MS))
  step "A receives 3 and 4" "A 收到 3、4"
  expect A '3\n4\n'
}

check 2 "Exercises" forgets_clients \
  "a client that has left holds nothing, and does not affect the others" \
  "客户端离开后不占用任何资源，也不影响其他客户端"
forgets_clients() {
  local i
  step "A receives its numbers, while clients come and leave or reset their connections" "A 照常收到各数，其间有客户端来了又走，或者重置连接"
  start 0 "$EVERY_MS"
  come_in A
  expect A '1\n'
  note_resources
  for ((i = 0; i < 3; i++)); do
    connect B linger=0
    expect B '1\n'
    reset B
    connect C
    close C
  done
  step "three intervals later the program still runs, and no descriptor stays open" "过三个间隔，程序仍在运行，没有留下打开的描述符"
  nap_ms $((3 * EVERY_MS))
  expect_descriptors_back
  in_order A
}

check 1 "Exercises" ends_well \
  "the program ends at SIGTERM and frees all, with a client connected" \
  "有客户端连接时收到 SIGTERM，也能释放全部资源后退出"
ends_well() {
  find_all_leaks
  step "A receives 1, then SIGTERM ends the program with status 0; nothing leaks" "A 收到 1；之后 SIGTERM 使程序以退出码 0 结束，没有泄漏"
  start 0 "$EVERY_MS"
  come_in A
  expect A '1\n'
  stop_cleanly
}

# Connect, and set CAME to the time before and HERE to the time after.
come_in() { # CLIENT
  now_ms
  CAME=$MS
  connect "$1"
  now_ms
  HERE=$MS
}

nap_ms() { # MS
  nap "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# Set NUMBERS to the count of whole lines that have come.
count_numbers() { # CLIENT
  NUMBERS=$(tr -cd '\n' <"$WORK/$1.out" | wc -c)
}

# Whether the client has a number for each interval, except for the last three, which
# may be on their way.
has_kept_up() { # CLIENT
  now_ms
  count_numbers "$1"
  ((NUMBERS >= (MS - HERE) / EVERY_MS - 3))
}

# All that has come are the numbers from 1 on.
in_order() { # CLIENT
  count_numbers "$1"
  seq "$NUMBERS" >"$WORK/expected"
  head -n "$NUMBERS" "$WORK/$1.out" >"$WORK/came"
  AT[$1]=$(stat -c %s "$WORK/came")
  same_bytes "$WORK/expected" "$WORK/came" "$1" || fail
}

# libevent's clock may be behind by a tick of the kernel's.
not_before() { # MS
  now_ms
  ((MS >= $1 - 20)) || fail "a number came too early" "有一个数来得太早"
}

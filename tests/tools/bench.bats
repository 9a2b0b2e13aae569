# bench.bats -- scripts/bench, on rows so short that their figures mean nothing.

setup_file() {
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true # they write the same files
}

setup() {
  load ../lib/course
  unset BUILD QUICK MAKEFLAGS MAKELEVEL
  cd "$ROOT" || return
  export ROUNDS=2 SPAN=0.1 TOLERANCE=100000 # whatever else this machine does
}

teardown() {
  course_teardown
}

@test "bench lists its rows, and refuses one that is not there" {
  run -0 scripts/bench --list
  assert_line echo/10000
  assert_line memcache/set
  refute_output --partial '*'
  run -0 --separate-stderr scripts/bench --help
  assert_line --index 0 "usage: scripts/bench [ROW...]"
  run -2 --separate-stderr scripts/bench echo/12
  assert_output ""
  run -2 --separate-stderr scripts/bench --fast
  assert_output ""
}

@test "bench measures in turns, and tells minimum, median and maximum of the ratios" {
  ROUNDS=3 run -0 --separate-stderr scripts/bench echo/1
  assert_line --index 1 --regexp '^row +goal +min +median +max +min +median +max$'
  assert_line --index 2 --regexp '^echo/1 +0.95( +[0-9]+\.[0-9]{2}){6} +(\* )?(reached|missed)$'
  read -r -a figures <<<"${lines[2]}"
  ratios=()
  csv=build/bench/bench.csv
  run -0 cut -d, -f 1,2 "$csv"
  assert_output $'row,round\necho/1,1\necho/1,2\necho/1,3'
  # shellcheck disable=SC2016 # columns of awk
  for columns in '$3 / $4' '$6 / $5'; do
    mapfile -t -O "${#ratios[@]}" ratios < <(awk -F, "NR > 1 { printf \"%.2f\\n\", $columns }" "$csv" | sort -n)
  done
  assert_equal "${figures[*]:2:6}" "${ratios[*]}"
  run -0 xmllint --noout build/bench/bench.svg
  # Nothing that it has started is left.
  run pgrep -f "build/bench/(echo-server|bare-epoll|load-gen)"
  assert_output ""
}

@test "bench refuses measurements that other work has disturbed, and says so" {
  TOLERANCE=-100000 run -1 --separate-stderr scripts/bench upper/1
  assert_equal "${stderr##*$'\n'}" \
    "bench: other work on this machine disturbed five measurements of upper/1 in a row"
}

@test "bench says what is missing" {
  mkdir "$BATS_TEST_TMPDIR/bin"
  for command in bash env dirname cat; do
    ln -s "$(command -v "$command")" "$BATS_TEST_TMPDIR/bin"
  done
  PATH=$BATS_TEST_TMPDIR/bin run -1 scripts/bench echo/1
  assert_output "bench: there is no taskset: run ./scripts/setup all"
}

@test "bare-epoll, which the servers are held against, does their work" {
  cc -std=gnu11 -Wall -Wextra -Wpedantic -Wshadow -Werror -fsanitize=address,undefined \
    -o "$BATS_TEST_TMPDIR/bare-epoll" tests/bench/bare-epoll.c
  make_bytes "$BATS_TEST_TMPDIR/sent" 3000000
  upper <"$BATS_TEST_TMPDIR/sent" >"$BATS_TEST_TMPDIR/capitals"
  for mode in echo upper; do
    "$BATS_TEST_TMPDIR/bare-epoll" "$mode" 127.0.0.1 0 >"$BATS_TEST_TMPDIR/$mode.log" 2>&1 3>&- &
    PID=$! LOG=$BATS_TEST_TMPDIR/$mode.log
    OTHERS+=("$PID")
    wait_for_line '^listening on 127.0.0.1 port [0-9]+$'
    PORT=$(sed 's/.* //' "$LOG")
    ask "$BATS_TEST_TMPDIR/sent" >"$BATS_TEST_TMPDIR/$mode"
  done
  cmp "$BATS_TEST_TMPDIR/echo" "$BATS_TEST_TMPDIR/sent"
  cmp "$BATS_TEST_TMPDIR/upper" "$BATS_TEST_TMPDIR/capitals"
}

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

@test "bench holds line-reader's lines and file-server's files against bare epoll and sendfile" {
  run -0 --separate-stderr scripts/bench line file/1M
  assert_line --index 2 --regexp '^line +-( +[0-9]+\.[0-9]{2}){6}'
  assert_line --index 3 --regexp '^file/1M +-( +[0-9]+\.[0-9]{2}){6}'
  run pgrep -f "build/bench/(line-reader|file-server|bare-buffers|bulk-load)"
  assert_output ""
}

@test "bench holds uring-echo against bare epoll, or says that there is no io_uring" {
  ROUNDS=1 run -0 --separate-stderr scripts/bench uring/1
  assert_line --index 2 --regexp '^uring/1 +(-( +[0-9]+\.[0-9]{2}){6}|is not measured: no io_uring here)'
  # shellcheck disable=SC2016 # for the stand-in
  mkdir "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\ncase " $* " in *" liburing "*) exit 1 ;; esac\nexec %s "$@"\n' "$(type -P pkg-config)" >"$BATS_TEST_TMPDIR/bin/pkg-config"
  chmod +x "$BATS_TEST_TMPDIR/bin/pkg-config"
  rm -f build/bench/uring-echo
  PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 --separate-stderr scripts/bench uring/1
  assert_line --index 2 "uring/1 is not measured: no io_uring here"
}

@test "bench holds http-server against nginx" {
  ROUNDS=1 run -0 --separate-stderr scripts/bench http/1K
  assert_line --index 2 --regexp '^http/1K +-( +[0-9]+\.[0-9]{2}){6}'
  run pgrep -f "build/bench/http-server|nginx -c /tmp/"
  assert_output ""
}

@test "bench holds two processes against one, and HAProxy with a server against the server alone" {
  SPAN=0.3 ROUNDS=1 run -0 --separate-stderr scripts/bench processes/100 balancer/100
  assert_line --index 2 --regexp '^processes/100 +-( +[0-9]+\.[0-9]{2}){6}'
  assert_line --index 3 --regexp '^balancer/100 +-( +[0-9]+\.[0-9]{2}){6}'
  run pgrep -f "build/bench/(reuseport-workers|balanced-server)|haproxy -db -f /tmp/"
  assert_output ""
}

@test "bench holds tls-echo-server's handshakes and records against bare OpenSSL" {
  ROUNDS=1 run -0 --separate-stderr scripts/bench tls/new tls/64K
  assert_line --index 2 --regexp '^tls/new +-( +[0-9]+\.[0-9]{2}){6}'
  assert_line --index 3 --regexp '^tls/64K +-( +[0-9]+\.[0-9]{2}){6}'
  run pgrep -f "build/bench/(tls-echo-server|bare-tls|tls-load)"
  assert_output ""
}

@test "bench holds a common time-out against the heap, without a server" {
  run -0 --separate-stderr scripts/bench time-outs/100
  assert_line --index 2 --regexp '^time-outs/100 +-( +[0-9]+\.[0-9]{2}){6} *$'
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

@test "tls-load counts whole handshakes with bare-tls, and no wrong byte" {
  scripts/certificates >/dev/null
  certificate=build/certificates/server
  # A server that changes the last byte of a record is found out.
  sed 's/^    sent = SSL_write(conn->ssl, record, length);/    record[length - 1] ^= 1;\n&/' \
    tests/bench/bare-tls.c >"$BATS_TEST_TMPDIR/wrong-tls.c"
  run -1 cmp -s tests/bench/bare-tls.c "$BATS_TEST_TMPDIR/wrong-tls.c"
  for source in tests/bench/{bare-tls,tls-load}.c "$BATS_TEST_TMPDIR/wrong-tls.c"; do
    cc -std=gnu11 -Wall -Wextra -Wpedantic -Wshadow -Werror -fsanitize=address,undefined \
      -o "$BATS_TEST_TMPDIR/$(basename "$source" .c)" "$source" -lssl -lcrypto
  done
  for server in bare-tls wrong-tls; do
    "$BATS_TEST_TMPDIR/$server" "$certificate.pem" "$certificate.key" 127.0.0.1 0 \
      >"$BATS_TEST_TMPDIR/$server.log" 2>&1 3>&- &
    PID=$! LOG=$BATS_TEST_TMPDIR/$server.log
    OTHERS+=("$PID")
    wait_for_line '^listening on 127.0.0.1 port [0-9]+$'
    PORT=$(sed 's/.* //' "$LOG")
    for mode in new 64K; do
      run --separate-stderr "$BATS_TEST_TMPDIR/tls-load" "$mode" 2 0.5 "$PID" 127.0.0.1 "$PORT"
      if [[ $server == bare-tls ]]; then
        assert_success
        assert_output --regexp '^\{"requests": [1-9]'
      else
        assert_failure 1
        assert_equal "$stderr" "tls-load: an answer is not what was sent"
      fi
    done
  done
  # A client that reads late gets every byte.
  PORT=$(sed 's/.* //' "$BATS_TEST_TMPDIR/bare-tls.log")
  head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/sent"
  timeout "$LIMIT" socat -t "$LIMIT" - "OPENSSL:127.0.0.1:$PORT,verify=0" <"$BATS_TEST_TMPDIR/sent" |
    { sleep 0.5 && cat; } >"$BATS_TEST_TMPDIR/got"
  cmp "$BATS_TEST_TMPDIR/sent" "$BATS_TEST_TMPDIR/got"
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

# bench-reactor.bats -- scripts/bench-reactor, with numbers so small that its figures
# mean nothing.

setup_file() {
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true # they write the same files
}

setup() {
  load ../lib/course
  unset QUICK MAKEFLAGS MAKELEVEL EVENT_NOEPOLL EVENT_NOPOLL
  cd "$ROOT" || return
  export BUILD=$BATS_TEST_TMPDIR/build ROUNDS=2 SPAN=0.1
  export EVENTS=100 TIMERS=100 CLIENTS=2 MEMORY=100
}

teardown() {
  course_teardown
}

@test "bench-reactor measures the four libraries, and tells how many times as good the reactor is" {
  make -s reactor
  scripts/bench-reactor >"$BATS_TEST_TMPDIR/table" 2>"$BATS_TEST_TMPDIR/log" || fail "$(<"$BATS_TEST_TMPDIR/log")"
  run -0 cat "$BATS_TEST_TMPDIR/log"
  assert_output --partial "bench-reactor: echo 2, 2 rounds"
  rows=$'events,100,call,ns
events,100,del+add,ns
events,100,epoll_wait,ns
memory,100,event,bytes
memory,100,timer,bytes
timers,100,add,ns
timers,100,cancel,ns
timers,100,fire,ns
timers,100,move,ns'
  csv=$BUILD/bench/reactor.csv
  assert_equal "$(sed 1d "$csv" | grep -v ^echo | cut -d, -f 1-4)" "$rows"
  assert_equal "$(grep ^echo "$csv" | cut -d, -f 1-4 | tr '\n' ' ')" "echo,2,p99,us echo,2,rate,requests/s echo,2,server,ns "
  # Each library has each figure.
  run -1 grep -vE '(,[0-9]+(\.[0-9]+)?){4}$|^row,' "$csv"
  # The first ratio is libevent's figure by the reactor's.
  awk '$3 == "add" { found = 1; if (($5 / $6 - $9) ^ 2 > 0.0004) exit 1 } END { exit !found }' "$BATS_TEST_TMPDIR/table"
  run -0 xmllint --noout "$BUILD"/bench/reactor-{events,timers,echo}.svg
  # Nothing that it has started is left.
  run pgrep -f "$BUILD/bench/"
  assert_output ""
}

@test "bench-reactor says which library cannot be built, and which number is too large" {
  make -s reactor
  mkdir "$BATS_TEST_TMPDIR/bin"
  cat >"$BATS_TEST_TMPDIR/bin/cc" <<END
#!/bin/sh
case " \$* " in *" -lev "*) echo "x.c:1: error: no ev.h" >&2; exit 1 ;; esac
exec $(command -v cc) "\$@"
END
  chmod +x "$BATS_TEST_TMPDIR/bin/cc"
  ulimit -n 4000
  PATH=$BATS_TEST_TMPDIR/bin:$PATH EVENTS='100 5000' run -0 --separate-stderr scripts/bench-reactor events
  assert_line --regexp '^events +100 call +ns( +[0-9.]+){2} +- +[0-9.]+ +[0-9.]+ +- +[0-9.]+$'
  assert_line "libev: not measured, since it cannot be built: x.c:1: error: no ev.h"
  assert_line "events 5000: not measured, since a process may have only 4000 descriptors here"
  assert_equal "$(cut -d, -f 7 "$BUILD/bench/reactor.csv" | tr '\n' .)" libev....
}

@test "bench-reactor refuses a row that it does not have" {
  run -2 --separate-stderr scripts/bench-reactor event
  assert_output ""
  run -0 scripts/bench-reactor --help
  assert_line --index 0 "usage: scripts/bench-reactor [events | timers | echo | memory]..."
}

setup() {
  load ../lib/course
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "the soak is for plain builds"
}

teardown() {
  course_teardown
}

@test "the soak runs through its trials twice, loses nothing, and reports" {
  BUILD=$BUILD run -0 "$ROOT/scripts/soak" --seconds=1 --phase=0.3
  assert_line --regexp '^ +2 +[0-9]+ +[0-9]+ +[0-9]+ kB +[0-9]+$'
  assert_line --regexp '^ +[0-9]+ lines of the log: dropped a client that was idle$'
  assert_line --regexp '^ +[0-9]+ lines of the log: refused clients: all 120 places are taken$'
  assert_line --regexp '^ +[0-9]+ lines of the log: refused clients: no descriptor is left$'
  assert_line "nothing lost"
}

@test "the soak sees memory that grows with each client, and a server that ends" {
  build_own hardened-server/clients 's/^    clients->counts.served\+\+;/&\n    void *lost = malloc(20000);\n    if (lost)\n        memset(lost, 1, 20000);/' -O0
  ln -s "$BUILD/load-gen" "$BATS_TEST_TMPDIR/load-gen"
  BUILD=$BATS_TEST_TMPDIR run -1 "$ROOT/scripts/soak" --seconds=1 --phase=0.3
  assert_line --regexp '^! memory grew from [0-9]+ to [0-9]+ kB$'
  rm "$BATS_TEST_TMPDIR/hardened-server"
  build_own hardened-server/clients 's/^    clients->counts.served\+\+;/&\n    exit(3);/' -O2
  BUILD=$BATS_TEST_TMPDIR run -1 "$ROOT/scripts/soak" --seconds=1 --phase=0.3
  assert_line --regexp '^! silent: the server has ended, status 768$'
}

@test "the soak sees a server whose time-outs follow the clock of the day" {
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || skip "faketime is not installed"
  build_own hardened-server/hardened-server 's/^int main\(.*/#include <sys\/time.h>\nint clock_gettime(clockid_t id, struct timespec *time)\n{\n    struct timeval now;\n    gettimeofday(\&now, NULL);\n    *time = (struct timespec){now.tv_sec, now.tv_usec * 1000};\n    return 0;\n}\n&/' -O0
  ln -s "$BUILD/load-gen" "$BATS_TEST_TMPDIR/load-gen"
  BUILD=$BATS_TEST_TMPDIR run -1 "$ROOT/scripts/soak" --seconds=1 --phase=0.3
  assert_line "! waited in vain: clock at -30d: silent clients are dropped"
}

@test "the soak is called with whole seconds, and needs its programs" {
  run -0 "$ROOT/scripts/soak" --help
  assert_line --index 0 "usage: scripts/soak [--seconds=N] [--phase=N]"
  run -2 "$ROOT/scripts/soak" --seconds=x
  BUILD=$BATS_TEST_TMPDIR run ! "$ROOT/scripts/soak"
  assert_output "soak: no program $BATS_TEST_TMPDIR/hardened-server: run make"
}

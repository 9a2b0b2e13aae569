setup() {
  load ../lib/course
  [[ ! ${UNDER-} && $BUILD != */asan ]] || skip "the malloc that fails is for plain builds"
}

# Each seventh allocation, and always the same ones: all of them takes `make
# test-failures`.
sample() { # PROGRAM
  run -0 "$ROOT/tests/lib/sweep" --every=7 "$1"
  assert_line --index 0 --regexp "^✓ $1: [0-9]+ failures tried, 0 findings$"
}

@test "echo-server goes on whichever allocation fails" {
  sample echo-server
}

@test "uppercase-server goes on whichever allocation fails" {
  sample uppercase-server
}

@test "signal-shutdown goes on whichever allocation fails" {
  sample signal-shutdown
}

@test "priority-queue goes on whichever allocation fails" {
  sample priority-queue
}

@test "idle-timeout goes on whichever allocation fails" {
  sample idle-timeout
}

@test "line-reader goes on whichever allocation fails" {
  sample line-reader
}

@test "backend-echo goes on whichever allocation fails" {
  sample backend-echo
}

@test "uring-echo goes on whichever allocation fails" {
  need_uring
  sample uring-echo
}

@test "worker-pool goes on whichever allocation fails" {
  sample worker-pool
}

@test "balanced-server goes on whichever allocation fails" {
  sample balanced-server
}

@test "reuseport-workers goes on whichever allocation fails" {
  sample reuseport-workers
}

@test "hardened-server goes on whichever allocation fails" {
  sample hardened-server
}

@test "chat-server goes on whichever allocation fails" {
  sample chat-server
}

@test "memcache goes on whichever allocation fails" {
  sample memcache
}

@test "tcp-proxy goes on whichever allocation fails" {
  sample tcp-proxy
}

@test "load-gen succeeds only if all went well, whichever allocation fails" {
  sample load-gen
}

@test "stdin-client succeeds only if all went well, whichever allocation fails" {
  sample stdin-client
}

# A server that exits, crashes or forgets at such a moment.
@test "the sweep sees an exit, a crash, a client that waits in vain, and a leak" {
  local folder=$BATS_TEST_TMPDIR
  ln -s "$(program echo-server)" "$folder/echo-server"
  while read -r finding script; do
    build_own chat-server/conn "$script" -w
    BUILD=$folder run -1 "$ROOT/tests/lib/sweep" --every=3 --limit=1 chat-server
    assert_output --partial "${finding//_/ }"
  done <<'END'
exit_7_in_service s/(^ +)print_line\(stderr, "dropped a client: cannot make a connection"\);/exit(7);/
a_crash,_signal 0,/if \(conn->timer\)/s///
waits_in_vain s/^( +)evutil_closesocket\(fd\);/\1;/
blocks_are_left s/^ +evbuffer_free\(conn->text\);/if (conn->timer) evbuffer_free(conn->text);/
END
}

@test "the malloc that fails counts, and fails once or for good" {
  local library=$BATS_TEST_TMPDIR/failing-malloc.so
  cc -shared -fPIC -o "$library" "$ROOT/tests/lib/failing-malloc.c"
  cat >"$BATS_TEST_TMPDIR/ask.c" <<'END'
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    static char said[9];
    void *blocks[8];

    errno = 0;
    blocks[0] = malloc(10);
    blocks[1] = calloc(2, 5);
    blocks[2] = realloc(NULL, 10);
    blocks[3] = strdup("hello");
    blocks[4] = aligned_alloc(64, 64);
    if (posix_memalign(&blocks[5], 64, 64) != 0)
        blocks[5] = NULL;
    blocks[6] = malloc(10);
    blocks[7] = malloc(10);
    for (int i = 0; i < 8; i++)
        said[i] = blocks[i] ? '+' : '-';
    for (int i = 1; i < 8; i++)
        free(blocks[i]);
    fputs(said, stderr);
    return 0;
}
END
  cc -w -O0 -fno-builtin -o "$BATS_TEST_TMPDIR/ask" "$BATS_TEST_TMPDIR/ask.c"
  export FAIL_COUNT=$BATS_TEST_TMPDIR/count
  while read -r variable said count; do
    rm -f "$FAIL_COUNT"
    # shellcheck disable=SC2086 # the variables are words
    run -0 env ${variable//,/ } LD_PRELOAD="$library" "$BATS_TEST_TMPDIR/ask"
    assert_output -- "$said"
    assert_equal "$(<"$FAIL_COUNT")" "${count/,/ } 0"
  done <<END
FAIL_AT=0 ++++++++ 8,1
FAIL_AT=1 -+++++++ 8,0
FAIL_AT=4 +++-++++ 8,1
FAIL_AT=6 +++++-++ 8,1
FAIL_FROM=3 ++------ 8,1
FAIL_AT=1,FAIL_AFTER=/nothing ++++++++ 0,1
FAIL_AT=1,FAIL_AFTER=/ -+++++++ 8,0
END
}

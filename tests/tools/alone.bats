setup() {
  load ../lib/course
  "$ROOT/scripts/lib/alone" --check || skip "no namespaces can be made here"
}

# Without bwrap, as in a chroot.
without_bwrap() { # COMMAND...
  mkdir -p "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\nexit 1\n' >"$BATS_TEST_TMPDIR/bin/bwrap"
  chmod +x "$BATS_TEST_TMPDIR/bin/bwrap"
  PATH=$BATS_TEST_TMPDIR/bin:$PATH "$@"
}

assert_is_alone() { # COMMAND-PREFIX...
  run -0 "$@" "$ROOT/scripts/lib/alone" readlink /proc/self/ns/net
  refute_output "$(readlink /proc/self/ns/net)"
  # The loopback is up, and no server listens on it.
  run -1 "$@" "$ROOT/scripts/lib/alone" bash -c 'exec 5<>/dev/tcp/127.0.0.1/9'
  assert_output --partial "Connection refused"
  # No process of the world outside is to be seen.
  run "$@" "$ROOT/scripts/lib/alone" ps -o pid= -p "$$"
  [[ $$ -lt 10 ]] || assert_output ""
}

@test "alone gives a network and processes of its own" {
  assert_is_alone env
}

@test "alone does so too where there is no bubblewrap" {
  ((EUID == 0)) || skip "only root can do that"
  assert_is_alone without_bwrap
}

@test "alone shows another /etc, and leaves the system's as it is" {
  mkdir "$BATS_TEST_TMPDIR/etc"
  touch "$BATS_TEST_TMPDIR/etc/only-this"
  for how in env without_bwrap; do
    run -0 "$how" "$ROOT/scripts/lib/alone" --etc "$BATS_TEST_TMPDIR/etc" ls /etc
    assert_output only-this
  done
  [[ -e /etc/passwd && ! -e /etc/only-this ]]
}

@test "alone passes on standard input and the exit status" {
  # shellcheck disable=SC2016 # for the inner shell
  run -7 "$ROOT/scripts/lib/alone" sh -c 'read -r line; echo "$line"; exit 7' <<<hello
  assert_output hello
}

@test "alone exits 125 where it can do nothing" {
  mkdir "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\nexit 1\n' | tee "$BATS_TEST_TMPDIR/bin/unshare" >"$BATS_TEST_TMPDIR/bin/bwrap"
  chmod +x "$BATS_TEST_TMPDIR"/bin/*
  PATH=$BATS_TEST_TMPDIR/bin:$PATH run -125 "$ROOT/scripts/lib/alone" true
  assert_output "alone: no namespaces can be made here"
}

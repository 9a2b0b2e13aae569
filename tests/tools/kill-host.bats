# kill-host.bats -- a host fails behind HAProxy, and comes back

setup() {
  load ../lib/course
  [[ ! ${UNDER-} ]] || skip "valgrind does not know the hosts"
}

kill_host() { # ARG...
  "$ROOT/scripts/kill-host" "$@" 3>&-
}

# A line of the table: its name, a pattern, and what its numbers have to fulfil, as awk
# says it: took, one, two, three, failed, slowest.
assert_row() { # NAME CONDITION
  # shellcheck disable=SC2016 # awk's own $
  awk -v name="$1" '
    match($0, "^" name " +") {
      split(substr($0, RLENGTH + 1), n, " ")
      took = n[1]; one = n[2]; two = n[3]; three = n[4]; failed = n[5]; slowest = n[6]
      good = ('"$2"')
    }
    END { exit !good }' <<<"$output" || fail "not so: $1: $2
$output"
}

need_networks() {
  unshare --net ip link add name try type veth peer name eth0 2>/dev/null || skip "no networks can be made here"
}

need_haproxy() {
  PATH=$PATH:/usr/sbin command -v haproxy >/dev/null || skip "haproxy is missing"
}

@test "kill-host kills a host, by name or by address: no client that comes then fails" {
  need_haproxy
  for option in "" --loopback; do
    # shellcheck disable=SC2086 # no word, or one
    run -0 kill_host $option kill
    assert_row "two fails: kill" "two == 0 && one + three > 0 && failed == 0"
    assert_row "HAProxy calls it DOWN" "two == 0 && one + three > 0 && failed == 0"
    assert_row "HAProxy calls it UP" "two > 0 && failed == 0"
    assert_line "of the 6 clients that stay, 2 are lost"
  done
}

@test "kill-host unplugs a host: clients wait for HAProxy's time-out, and none fails" {
  need_haproxy
  need_networks
  run -0 kill_host unplug
  assert_row "two fails: unplug" "two == 0 && failed == 0"
  # Who waits may have come just before, or after the first check.
  assert_row "(all hosts are up|two fails: unplug|HAProxy calls it DOWN)" "good || slowest >= 200"
  assert_row "HAProxy calls it DOWN" "two == 0 && failed == 0"
  assert_row "HAProxy calls it UP" "two > 0 && failed == 0"
  assert_line "of the 6 clients that stay, 0 are lost"
}

@test "kill-host stops a host: HAProxy does not notice it" {
  need_haproxy
  run kill_host --loopback stop
  assert_row "two fails: stop" "took >= 2000 && two == 0"
  refute_output --partial DOWN
}

@test "kill-host says what it is called with, and what it lacks" {
  for arguments in "" "burn" "kill stop" "--loopback"; do
    # shellcheck disable=SC2086 # words
    run -2 kill_host $arguments
    assert_line --index 0 "usage: scripts/kill-host [--loopback] kill | stop | unplug"
  done
  run -0 kill_host --help
  need_haproxy
  run -125 kill_host --loopback unplug
  assert_output "kill-host: no networks can be made here"
  BUILD=/nowhere run -125 kill_host kill
  assert_output "kill-host: /nowhere/balanced-server is not installed"
}

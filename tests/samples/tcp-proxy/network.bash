# shellcheck shell=bash
# network.bash -- what the tests of names use inside a network of their own: name
# servers, a host that echoes on port 7001, and the proxy on port 7000.
#
# Usage: . network.bash FOLDER PROGRAM...

HERE=$(dirname "${BASH_SOURCE[0]}")
DIR=$1
PROGRAM=("${@:2}")
SLOW=${TIME_FACTOR:-1} # so much slower than usual is the program
[[ ${PROGRAM[0]} != valgrind ]] || SLOW=$((10 * SLOW))

await() { # COMMAND...
  local end=$((SECONDS + 20 * SLOW))
  until "$@" 2>/dev/null; do
    ((SECONDS < end)) || { echo "waited in vain for: $*" && exit 1; }
    sleep 0.02
  done
}

name_servers() { # PORT=KIND...
  : >"$DIR/questions"
  perl "$HERE/name-server.pl" "$DIR/questions" "${@/#/127.0.0.1:}" &
  export NAME_SERVERS=$!
  await grep -q ready "$DIR/questions"
}

# One that answers, and what a name server can do wrong.
usual_servers() {
  name_servers 5301=answers 5302=refuses 5303=silent 5304=fails 5305=refuses "5306=knows nothing"
}

# Whether a question waits for the server on port 5301 (14B5): see proc(5).
has_question() {
  awk '$2 ~ /:14B5$/ && $5 !~ /:00000000$/ { found = 1 } END { exit !found }' /proc/net/udp
}

# A new file takes the place of the old one, as administrators' tools do it.
resolv_conf() { # PORT...
  printf 'nameserver 127.0.0.1:%s\n' "$@" >/etc/resolv.conf.new
  mv /etc/resolv.conf.new /etc/resolv.conf
}

echo_host() {
  socat -t 60 TCP-LISTEN:7001,bind=127.0.0.1,reuseaddr,backlog=100,fork EXEC:cat &
  socat -t 60 'TCP6-LISTEN:7001,bind=[::1],ipv6only,reuseaddr,backlog=100,fork' EXEC:cat &
  await socat -u OPEN:/dev/null TCP:127.0.0.1:7001
  await socat -u OPEN:/dev/null 'TCP:[::1]:7001'
}

start_proxy() { # ARG...
  # Emptied here, not by the new process: the ready line of the proxy before it would
  # still be there for a moment.
  : >"$DIR/out.log"
  "${PROGRAM[@]}" "$@" >"$DIR/out.log" 2>&1 &
  PROXY=$!
  await grep -q '^listening' "$DIR/out.log"
}

# Print what comes back, or how the proxy has ended the connection. It says itself
# how long that took: on a busy machine a client may be slow to start.
hello() {
  local reply before
  before=$(grep -c ' down, ' "$DIR/out.log")
  reply=$(echo hello | timeout $((20 * SLOW)) socat -t 100 - TCP:127.0.0.1:7000 2>/dev/null)
  await has_ended "$((before + 1))"
  TOOK=$(sed -nE 's/.* down, ([0-9]+)\.([0-9]+) s, .*/\1\2/p' "$DIR/out.log" | tail -n 1)
  echo "${reply:-$(sed -n 's/.* down, .* s, //p' "$DIR/out.log" | tail -n 1)}"
}

has_ended() { # CONNECTIONS
  (($(grep -c ' down, ' "$DIR/out.log") >= $1))
}

hello_within() { # MILLISECONDS
  hello
  ((10#$TOOK < $1 * SLOW)) || echo "it took $TOOK ms"
}

stop_proxy() {
  kill "$PROXY"
  wait "$PROXY" || echo "exit status $?"
}

# tls.bash -- certificates, TLS servers and TLS clients, for the tests of chapter 14.
# Load it after course.bash and servers.bash: what those do with a server, they do
# here through a tunnel that speaks TLS for them.
#
# shellcheck disable=SC2034,SC2153,SC2154,SC2004 # course.bash and bats use them, or set them

CERTIFICATES=$SHARED/certificates

make_certificates() {
  "$ROOT/scripts/certificates" "$CERTIFICATES" >/dev/null
}

# Start a server of this chapter with a certificate, and learn its port.
start_tls() { # NAME [CERTIFICATE [FOLDER]]
  local name=${2:-server}
  start_with "$1" -c "$CERTIFICATES/$name.pem" -k "$CERTIFICATES/$name.key" 127.0.0.1 0 "${@:3}"
  TLS_PORT=$PORT
}

# Start a server, and a tunnel to it, which has PORT then.
start() { # NAME
  start_tls "$1"
  local log=$BATS_TEST_TMPDIR/tunnel.${#OTHERS[@]}
  socat -dd -t "$LIMIT" TCP-LISTEN:0,bind=127.0.0.1,fork \
    "OPENSSL:127.0.0.1:$TLS_PORT,cafile=$CERTIFICATES/ca.pem" 2>"$log" 3>&- &
  OTHERS+=($!)
  wait_for grep -q "listening on" "$log"
  PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$log")
}

# Send standard input over TLS, say close_notify, and print all that comes back.
ask_tls() { # < INPUT
  timeout "$LIMIT" socat -t "$LIMIT" - "OPENSSL:127.0.0.1:$TLS_PORT,cafile=$CERTIFICATES/ca.pem"
}

# OpenSSL's own client, which refuses a certificate that it cannot verify.
s_client() { # [OPTION...] < INPUT
  timeout "$LIMIT" openssl s_client -connect "127.0.0.1:$TLS_PORT" -CAfile "$CERTIFICATES/ca.pem" \
    -verify_return_error "$@" 2>&1
}

# OpenSSL's own client, which stays until it is killed. HELD is its pid.
hold_s_client() { # [OPTION...]
  HELD_PIPE=$BATS_TEST_TMPDIR/held.${#OTHERS[@]}
  mkfifo "$HELD_PIPE"
  exec {HELD_INPUT}<>"$HELD_PIPE"
  openssl s_client -connect "127.0.0.1:$TLS_PORT" -CAfile "$CERTIFICATES/ca.pem" "$@" \
    <&"$HELD_INPUT" >"$HELD_PIPE.log" 2>&1 3>&- &
  HELD=$!
  OTHERS+=("$HELD")
  wait_for grep -q "Verify return code" "$HELD_PIPE.log"
}

# Send it a line; it prints one that matches.
held_says() { # LINE REGEX
  echo "$1" >&"$HELD_INPUT"
  wait_for grep -qE "$2" "$HELD_PIPE.log"
}

# For programs that would speak old versions of TLS if nothing but the system's
# settings forbade it.
allow_old_versions() {
  printf '%s\n' "openssl_conf = all" "[all]" "ssl_conf = ssl" "[ssl]" "system_default = default" \
    "[default]" "MinProtocol = TLSv1" "CipherString = DEFAULT:@SECLEVEL=0" >"$BATS_TEST_TMPDIR/openssl.cnf"
  export OPENSSL_CONF=$BATS_TEST_TMPDIR/openssl.cnf
}

# The client that reads late or slowly: see tests/lib/tls-peer.c. PEER is its pid.
start_peer() { # BYTES [PAUSE [late]]
  make_peer
  : >"$BATS_TEST_TMPDIR/peer.log" # what the one before has said does not count
  "$SHARED/tls-peer" "$TLS_PORT" "$@" >"$BATS_TEST_TMPDIR/peer.log" 3>&- &
  PEER=$!
  OTHERS+=($!)
}

# It is built once for all tests of a file.
make_peer() {
  local lock
  exec {lock}>"$SHARED/tls-peer.lock"
  flock "$lock"
  [[ -x $SHARED/tls-peer ]] || cc -o "$SHARED/tls-peer" "$ROOT/tests/lib/tls-peer.c" -lssl -lcrypto
  exec {lock}>&-
}

peer_says() { # REGEX
  grep -qE -- "$1" "$BATS_TEST_TMPDIR/peer.log"
}

# tls-client, which trusts our authority.
ask_client() { # HOST [OPTION...]
  course tls-client --cafile "$CERTIFICATES/ca.pem" "${@:2}" "$1" "$TLS_PORT"
}

# The same in the background, with a pipe as its input: INPUT is its descriptor.
spawn_client() {
  local path
  path=$(program tls-client)
  LOG=$BATS_TEST_TMPDIR/tls-client.${#STARTED[@]}.log
  mkfifo "$LOG.input"
  "${UNDER_COMMAND[@]}" "$path" --cafile "$CERTIFICATES/ca.pem" localhost "$TLS_PORT" <"$LOG.input" >"$LOG" 2>&1 3>&- &
  PID=$!
  STARTED[$PID]=$LOG
  exec {INPUT}>"$LOG.input"
}

# A server of OpenSSL's own, with the certificate for localhost.
start_s_server() { # [OPTION...]
  local log=$BATS_TEST_TMPDIR/s_server.log
  rm -f "$log" # a server before has its line there
  openssl s_server -accept 127.0.0.1:0 -cert "$CERTIFICATES/server.pem" -key "$CERTIFICATES/server.key" \
    -rev "$@" </dev/null >"$log" 2>&1 3>&- &
  OTHERS+=($!)
  wait_for grep -q "^ACCEPT " "$log"
  TLS_PORT=$(sed -n 's/^ACCEPT .*://p' "$log")
}

# A server for one client. A shell command has what the client sends as its input,
# and sends what it prints.
start_command_server() { # SOCAT-ADDRESS COMMAND
  local log=$BATS_TEST_TMPDIR/socat.log
  rm -f "$log" # a server before has its line there
  echo "$2" >"$BATS_TEST_TMPDIR/command"
  socat -dd -t "$LIMIT" "$1" "EXEC:bash $BATS_TEST_TMPDIR/command" 2>"$log" 3>&- &
  SERVER=$!
  OTHERS+=("$SERVER")
  wait_for grep -q "listening on" "$log"
  TLS_PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$log")
}

# For it: it speaks TLS, and asks the client for no certificate.
over_tls() {
  echo "OPENSSL-LISTEN:0,bind=127.0.0.1,cert=$CERTIFICATES/server.pem,key=$CERTIFICATES/server.key,verify=0"
}

# curl, which trusts our authority.
get() { # PATH [OPTION...]
  curl --silent --show-error --max-time "$LIMIT" --cacert "$CERTIFICATES/ca.pem" "${@:2}" "https://localhost:$TLS_PORT$1"
}

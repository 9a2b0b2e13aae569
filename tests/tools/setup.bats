# setup.bats -- scripts/setup on a system made of stand-ins: a folder of empty
# programs is the whole PATH, a file stands for each module of pkg-config, and
# the package manager writes down what it is called with.

# The stand-ins stay for the whole file; each test gets a copy to break.
setup_file() {
  # bats waits a whole second wherever all its jobs are taken, which is longer
  # than ten of these tests: they run one after the other, beside other files.
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true
  local whole=$BATS_FILE_TMPDIR/whole name
  mkdir -p "$whole"/{bin,modules} "$whole"/lib/bats-{support,assert}
  touch "$whole"/lib/bats-{support,assert}/load.bash \
    "$whole"/modules/{libevent,libevent_openssl,libevent_pthreads,openssl,liburing,libuv,libc}
  echo 2.1.12-stable >"$whole/version"
  for name in make bash openssl bats clitest curl ps bwrap git socat \
    strace gdb ss perl diff patch unifdef entr jq zip unzip clang-format shellcheck shfmt cppcheck gawk valgrind jsonschema xmllint \
    memcached memccp dig dnsmasq sim_c clang haproxy nginx wrk gnuplot faketime; do
    echo '#!/bin/sh' >"$whole/bin/$name"
  done
  # Every stand-in finds the copy that it belongs to beside itself.
  cat >"$whole/bin/cc" <<'END'
#!/bin/sh
while read -r line; do :; done
[ -e "${0%/bin/*}/modules/libc" ]
END
  cat >"$whole/bin/pkg-config" <<'END'
#!/bin/sh
system=${0%/bin/*}
read -r version <"$system/version"
case $1 in
  --exists) [ -e "$system/modules/$2" ] ;;
  --modversion) [ -e "$system/modules/$2" ] && echo "$version" ;;
  --atleast-version=2.1) case $version in 2.0.*) exit 1 ;; esac ;;
  *) exit 2 ;;
esac
END
  # It writes down its call and brings back all that lacks() took away.
  cat >"$BATS_FILE_TMPDIR/manager" <<END
#!/bin/sh
system=\${0%/bin/*}
name=\${0##*/}
echo "\${DEBIAN_FRONTEND:+\$DEBIAN_FRONTEND }\$name \$*" >>"\$system/calls"
echo "\$name was called"
read -r unknown <"\$system/unknown"
case \$name,\$1 in
  sudo,*) exec "\$@" ;;
  *,update) [ ! -e "\$system/no-update" ] ;;
  *)
    cd '${whole:?}' && $(type -P cp) -Ru bin modules lib "\$system" || exit
    [ -z "\$unknown" ] || $(type -P rm) "\$system/\$unknown"
    ;;
esac
END
  stand_in nc 'echo "	-N	Shutdown the network socket after EOF on stdin"' "$whole"
  stand_in id 'echo 0' "$whole"
  ln -s "$(type -P env)" "$(type -P ls)" "$(type -P sed)" "$(type -P cat)" "$whole/bin"
  chmod +x "$whole"/bin/* "$BATS_FILE_TMPDIR/manager"
}

setup() {
  load ../lib/course
  system=$BATS_TEST_TMPDIR/system
  cp -R "$BATS_FILE_TMPDIR/whole" "$system"
}

stand_in() { # NAME SCRIPT [SYSTEM]
  local file=${3:-$system}/bin/$1
  printf '#!/bin/sh\n%s\n' "$2" >"$file"
  [ -x "$file" ] || chmod +x "$file"
}

# Puts a manager on the PATH, which has all packages but for that of one FILE.
manager() { # NAME [FILE]
  ln -s "$BATS_FILE_TMPDIR/manager" "$system/bin/$1"
  echo "${2:-}" >"$system/unknown"
}

lacks() { # FILE... (below $system)
  rm -r "${@/#/$system/}"
}

call_setup() { # ARGUMENT...
  run --separate-stderr env -i PATH="$system/bin" SBIN= ${DPKG_LOCK:+DPKG_LOCK="$DPKG_LOCK"} BATS_LIB_PATH="$system/lib" \
    "$ROOT/scripts/setup" "$@"
}

assert_stderr() { # TEXT
  # shellcheck disable=SC2154 # It is set by run --separate-stderr.
  assert_equal "$stderr" "$1"
}

assert_calls() { # LINE...
  assert_equal "$(<"$system/calls")" "$(printf '%s\n' "$@")"
}

assert_no_calls() {
  assert [ ! -e "$system/calls" ]
}

# Each of these items has a package name that the managers do not share.
lacks_some() {
  lacks bin/cc modules/libevent_openssl bin/nc
}

@test "setup installs only what is missing, with apt" {
  manager apt-get
  lacks_some
  call_setup
  assert_success
  assert_calls 'apt-get update' \
    'noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends gcc libc6-dev libevent-dev libunistring-dev netcat-openbsd'
}

@test "setup installs only what is missing, with dnf" {
  manager dnf
  lacks_some
  call_setup
  assert_success
  assert_calls 'dnf install -y --setopt=install_weak_deps=False gcc glibc-devel libevent-devel libunistring-devel libasan libubsan netcat'
}

@test "setup installs only what is missing, with pacman" {
  manager pacman
  lacks_some
  call_setup
  assert_success
  assert_calls 'pacman -S --needed --noconfirm gcc glibc libevent libunistring openbsd-netcat'
}

@test "setup installs only what is missing, with apk" {
  manager apk
  lacks_some
  call_setup
  assert_success
  assert_calls 'apk add --update-cache gcc musl-dev bsd-compat-headers libevent-dev libunistring-dev netcat-openbsd'
}

@test "setup installs only what is missing, with zypper, also beside a dnf" {
  manager dnf
  manager zypper
  lacks_some
  call_setup
  assert_success
  assert_calls 'zypper --non-interactive install --no-recommends gcc glibc-devel libevent-devel libunistring-devel netcat-openbsd'
}

@test "setup installs only what is missing, with brew, never through sudo" {
  manager brew
  stand_in id 'echo 1000'
  lacks modules/openssl bin/socat lib/bats-assert
  call_setup
  assert_success
  manager sudo
  lacks bin/socat
  call_setup
  assert_success
  assert_calls 'brew install openssl@3 kaos/shell/bats-assert socat' 'brew install socat'
}

@test "setup says each command before it runs it, and what it installed" {
  manager apt-get
  lacks bin/socat
  call_setup
  assert_success
  assert_output 'setup: running: apt-get update
apt-get was called
setup: running: env DEBIAN_FRONTEND=noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends socat
apt-get was called
setup: installed socat'
  assert_stderr ''
}

@test "setup calls no manager and prints one line when nothing is missing" {
  manager apt-get
  call_setup
  assert_success
  assert_output 'setup: nothing is missing (build test)'
  assert_stderr ''
  assert_no_calls
}

@test "setup looks at the groups that it is given, without one at build and test" {
  manager apt-get
  lacks bin/make bin/bats bin/shfmt bin/valgrind
  call_setup --check
  assert_output 'missing: make bats (run ./scripts/setup)'
  call_setup --check test build
  assert_output 'missing: make bats (run ./scripts/setup)'
  call_setup --check deep build
  assert_output 'missing: make valgrind (run ./scripts/setup build deep)'
  call_setup --check all
  assert_output 'missing: make bats shfmt valgrind (run ./scripts/setup all)'
  call_setup lint
  assert_calls 'apt-get update' \
    'noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends shfmt'
}

@test "setup uses sudo where it is not root, and only there" {
  manager apt-get
  stand_in id 'echo 1000'
  manager sudo
  lacks bin/socat
  call_setup
  assert_success
  assert_calls 'sudo apt-get update' 'apt-get update' \
    'sudo env DEBIAN_FRONTEND=noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends socat' \
    'noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends socat'

  rm "$system/calls"
  stand_in id 'echo 0'
  lacks bin/socat
  call_setup
  assert_success
  assert_calls 'apt-get update' \
    'noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends socat'
}

@test "setup prints the command for a person where it is not root and has no sudo" {
  manager dnf
  stand_in id 'echo 1000'
  lacks bin/socat bin/ps
  call_setup
  assert_failure 1
  assert_output ''
  assert_stderr 'setup: missing: procps-ng socat
setup: is not root and finds no sudo; run this as root:
  dnf install -y --setopt=install_weak_deps=False procps-ng socat'
  assert_no_calls
}

@test "setup --check prints one line, exits 1 if something is missing, installs nothing" {
  manager apt-get
  lacks bin/ps modules/libc
  call_setup --check
  assert_failure 1
  assert_output 'missing: libc6-dev libunistring-dev procps (run ./scripts/setup)'
  assert_stderr ''
  call_setup --check lint
  assert_success
  assert_output 'setup: nothing is missing (lint)'
  assert_no_calls
}

@test "setup --check sees everything missing with no other program on PATH" {
  rm "$system"/bin/* "$system"/lib/*/load.bash
  manager apt-get
  call_setup --check
  assert_failure 1
  assert_output 'missing: gcc libc6-dev make bash pkg-config libevent-dev openssl libssl-dev libunistring-dev bats bats-support bats-assert netcat-openbsd clitest curl procps bubblewrap git socat strace gdb iproute2 perl diffutils patch unifdef entr jq zip unzip memcached libmemcached-tools bind9-dnsutils dnsmasq-base liburing-dev haproxy (run ./scripts/setup)'
  assert_stderr ''
}

@test "setup --dry-run prints the commands, one a line, and runs none" {
  manager apt-get
  stand_in id 'echo 1000'
  manager sudo
  lacks bin/make bin/ps
  call_setup --dry-run
  assert_success
  assert_output 'sudo apt-get update
sudo env DEBIAN_FRONTEND=noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends make procps'
  assert_stderr ''
  call_setup --dry-run lint
  assert_success
  assert_output ''
  assert_stderr 'setup: nothing is missing (lint)'
  assert_no_calls
}

@test "setup prints its usage for --help, and on standard error for a wrong argument" {
  call_setup --help
  assert_success
  assert_line --index 0 'usage: setup [--check | --dry-run] [build] [test] [lint] [deep] [all]'
  assert_stderr ''
  local arguments
  for arguments in nonsense --nonsense '--check nonsense' '--check --dry-run'; do
    # The words of one call are split on purpose.
    # shellcheck disable=SC2086
    call_setup $arguments
    assert_failure 2
    assert_output ''
    assert_stderr 'usage: setup [--check | --dry-run] [build] [test] [lint] [deep] [all]'
  done
}

@test "setup takes another netcat than OpenBSD's for a missing one" {
  manager apt-get
  stand_in nc 'echo "-n	numeric-only IP addresses, no DNS" >&2; exit 1'
  call_setup --check
  assert_failure 1
  assert_output 'missing: netcat-openbsd (run ./scripts/setup)'
}

@test "setup finds the bats libraries in any folder of BATS_LIB_PATH" {
  mkdir "$system/lib2"
  mv "$system/lib/bats-assert" "$system/lib2"
  run env -i PATH="$system/bin" BATS_LIB_PATH="/nowhere:$system/lib:$system/lib2" \
    "$ROOT/scripts/setup" --check
  assert_success
  call_setup --check
  assert_failure 1
  assert_output 'missing: bats-assert (run ./scripts/setup)'
}

@test "setup refuses a libevent older than 2.1, in every mode and after installing it" {
  manager apt-get
  echo 2.0.22-stable >"$system/version"
  local mode
  for mode in '' --check --dry-run; do
    call_setup ${mode:+"$mode"}
    assert_failure 1
    assert_output ''
    assert_stderr 'setup: libevent 2.0.22-stable is too old: the course needs 2.1 or later; to build one from source: make install-libevent'
  done
  assert_no_calls
  lacks modules/libevent
  call_setup
  assert_failure 1
  assert_calls 'apt-get update' \
    'noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends libevent-dev'
  assert_stderr 'setup: libevent 2.0.22-stable is too old: the course needs 2.1 or later; to build one from source: make install-libevent'
  # The other groups do not need it.
  call_setup lint
  assert_success
}

@test "setup names what is missing where it knows no package manager" {
  lacks bin/cc bin/ps
  call_setup
  assert_failure 1
  assert_stderr 'setup: found no package manager that it knows (apt, dnf, pacman, apk, zypper, brew)
setup: still missing: cc libc-headers queue-header libunistring address-sanitizer ub-sanitizer ps'
  call_setup --check
  assert_failure 1
  assert_output 'missing: cc libc-headers queue-header libunistring address-sanitizer ub-sanitizer ps (run ./scripts/setup)'
  call_setup --dry-run
  assert_failure 1
  assert_output ''
}

@test "setup installs the rest and fails where the manager has no package of an item" {
  manager zypper bin/clitest
  lacks bin/clitest bin/socat
  call_setup
  assert_failure 1
  assert_calls 'zypper --non-interactive install --no-recommends socat'
  assert_stderr 'setup: cannot install clitest with zypper: it is one shell script: put it into a folder on PATH
setup: still missing: clitest'
}

@test "setup fails and names what is missing when the installation fails" {
  stand_in pacman 'exit 1'
  lacks bin/socat bin/ps
  call_setup
  assert_failure 1
  assert_output 'setup: running: pacman -S --needed --noconfirm procps-ng socat'
  assert_stderr 'setup: failed: pacman -S --needed --noconfirm procps-ng socat
setup: if its package lists are old, this renews them: pacman -Syu
setup: missing: procps-ng socat'
  stand_in dnf 'exit 1'
  call_setup
  assert_failure 1
  assert_stderr 'setup: failed: dnf install -y --setopt=install_weak_deps=False procps-ng socat
setup: missing: procps-ng socat'
}

@test "setup fails when the manager reports success and an item is still missing" {
  manager apk bin/ps
  lacks bin/socat bin/ps
  call_setup
  assert_failure 1
  assert_stderr 'setup: still missing: procps-ng'
}

@test "setup goes on to install when only apt-get update fails" {
  manager apt-get
  touch "$system/no-update"
  lacks bin/socat
  call_setup
  assert_success
  assert_calls 'apt-get update' \
    'noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y --no-install-recommends socat'
  assert_stderr 'setup: failed: apt-get update
setup: going on with the package lists that are here'
}

@test "setup says that it waits where another program holds apt's lock" {
  manager apt-get
  lacks bin/socat
  export DPKG_LOCK=$BATS_TEST_TMPDIR/lock
  exec 7>"$DPKG_LOCK"
  flock 7
  call_setup
  assert_success
  assert_output --partial 'setup: another program is installing packages: waiting for it, 10 minutes at the most'
  exec 7>&-
  lacks bin/socat
  call_setup
  refute_output --partial 'another program'
}

@test "setup names no host" {
  run grep -nE '://|[a-z0-9]\.(org|com|net|io|dev|sh)\b' "$ROOT/scripts/setup"
  assert_failure 1
  assert_output ''
}

# This one asks the real system, with its real compiler and pkg-config, which the
# tests need anyway. How long it takes is the machine's; how many programs it starts,
# and that none of them links or installs, is its own.
@test "setup starts few programs when nothing is missing, and none that takes long" {
  local log=$BATS_TEST_TMPDIR/log programs
  strace -o /dev/null true 2>/dev/null || skip "no program can be traced here"
  run strace -f -qq -e trace=execve -e signal=none -o "$log" "$ROOT/scripts/setup" --check
  assert_success
  programs=$(sed -nE 's/.*execve\("([^"]*)".* = 0$/\1/p' "$log")
  run grep -E '/(as|ld|ld\..*|collect2|apt.*|dpkg.*|dnf|pacman|apk|zypper|brew|sudo)$' <<<"$programs"
  assert_output ''
  (($(wc -l <<<"$programs") <= 20)) || fail "it starts $(sort <<<"$programs" | uniq -c)"
}

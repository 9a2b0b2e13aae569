# install-libevent.bats -- scripts/install-libevent with archives that hold a
# stub in place of libevent. Nothing here uses the network.

setup() {
  load ../lib/course
  # The log goes where the script is told, never into the repository.
  export BUILD=$BATS_TEST_TMPDIR/build
  prefix=$BATS_TEST_TMPDIR/own
}

# A source archive whose configure script is the given one, and whose Makefile
# copies a libevent.pc.
pack() { # CONFIGURE
  local tree=$BATS_TEST_TMPDIR/libevent-9.9
  mkdir "$tree"
  printf '#!/bin/sh\n%s\n' "$1" >"$tree/configure"
  chmod +x "$tree/configure"
  echo 'Version: 9.9-stub' >"$tree/libevent.pc"
  cat >"$tree/Makefile" <<'END'
include prefix.mk
all: built
built:
	cp libevent.pc built
install: built
	mkdir -p $(prefix)/lib/pkgconfig
	cp built $(prefix)/lib/pkgconfig/libevent.pc
END
  tar -C "$BATS_TEST_TMPDIR" -czf "$BATS_TEST_TMPDIR/stub.tar.gz" libevent-9.9
}

install_libevent() { # ARGUMENT...
  run --separate-stderr "$ROOT/scripts/install-libevent" "$@"
}

assert_stderr() { # TEXT
  # shellcheck disable=SC2154 # It is set by run --separate-stderr.
  assert_equal "$stderr" "$1"
}

assert_last_stderr_line() { # TEXT
  # shellcheck disable=SC2154 # It is set by run --separate-stderr.
  assert_equal "${stderr_lines[-1]}" "$1"
}

# shellcheck disable=SC2016 # The configure scripts expand what is in them.
writes_prefix='for a; do case $a in --prefix=*) echo "prefix = ${a#*=}" >prefix.mk ;; esac; done'

@test "install-libevent builds an archive, installs it to the prefix and leaves no other file" {
  pack "$writes_prefix"
  mkdir "$BATS_TEST_TMPDIR/tmp"
  TMPDIR=$BATS_TEST_TMPDIR/tmp install_libevent "$prefix" "$BATS_TEST_TMPDIR/stub.tar.gz"
  assert_success
  assert_equal "$(<"$prefix/lib/pkgconfig/libevent.pc")" 'Version: 9.9-stub'
  assert_line --index 0 --regexp '^unpack stub\.tar\.gz +[0-9]+ s$'
  assert_line --index 1 --regexp '^configure +[0-9]+ s$'
  assert_line --index 2 --regexp '^make +[0-9]+ s$'
  assert_line --index 3 --regexp '^make install +[0-9]+ s$'
  assert_line "libevent 9.9-stub is in $prefix. To build the course with it:"
  assert_line "  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig"
  assert_line "  make BUILD=build/own LDFLAGS=-Wl,-rpath,$prefix/lib"
  assert_equal "$(ls -A "$BATS_TEST_TMPDIR/tmp")" ''
}

@test "install-libevent takes a prefix and an archive relative to where it is called" {
  pack "$writes_prefix"
  cd "$BATS_TEST_TMPDIR"
  install_libevent own stub.tar.gz
  assert_success
  assert [ -f "$prefix/lib/pkgconfig/libevent.pc" ]
}

@test "install-libevent hands on no flag of the make that calls it" {
  pack "echo \"MAKEFLAGS=\$MAKEFLAGS.\"; $writes_prefix"
  # -n would let the inner make install nothing.
  MAKEFLAGS=n install_libevent "$prefix" "$BATS_TEST_TMPDIR/stub.tar.gz"
  assert_success
  assert grep -qx 'MAKEFLAGS=.' "$BUILD/install-libevent.log"
  assert [ -f "$prefix/lib/pkgconfig/libevent.pc" ]
}

@test "install-libevent prints its usage on standard error without a prefix" {
  local arguments
  for arguments in '' '--nonsense' 'a b c'; do
    # The words of one call are split on purpose.
    # shellcheck disable=SC2086
    install_libevent $arguments
    assert_failure 2
    assert_output ''
    assert_stderr 'usage: install-libevent PREFIX [ARCHIVE]'
  done
  # This is what make calls when no PREFIX is given.
  install_libevent '' ''
  assert_failure 2
  install_libevent --help
  assert_success
  assert_line --index 0 'usage: install-libevent PREFIX [ARCHIVE]'
}

@test "install-libevent names an archive that is not there" {
  install_libevent "$prefix" /nowhere/libevent.tar.gz
  assert_failure 1
  assert_stderr 'install-libevent: no such archive: /nowhere/libevent.tar.gz'
  assert [ ! -e "$prefix" ]
}

@test "install-libevent refuses a prefix with a blank" {
  pack "$writes_prefix"
  install_libevent "$BATS_TEST_TMPDIR/my own" "$BATS_TEST_TMPDIR/stub.tar.gz"
  assert_failure 1
  assert_stderr "install-libevent: PREFIX must not hold a blank: libevent's own Makefile breaks on it: $BATS_TEST_TMPDIR/my own"
}

@test "install-libevent says that a broken archive cannot be unpacked" {
  echo 'not an archive' >"$BATS_TEST_TMPDIR/broken.tar.gz"
  install_libevent "$prefix" "$BATS_TEST_TMPDIR/broken.tar.gz"
  assert_failure 1
  assert_output --regexp '^unpack broken\.tar\.gz +failed$'
  assert_last_stderr_line "install-libevent: unpack broken.tar.gz failed; all of its output is in $BUILD/install-libevent.log"
}

@test "install-libevent says that an archive without a configure script is no release" {
  echo text >"$BATS_TEST_TMPDIR/text"
  tar -C "$BATS_TEST_TMPDIR" -czf "$BATS_TEST_TMPDIR/other.tar.gz" text
  install_libevent "$prefix" "$BATS_TEST_TMPDIR/other.tar.gz"
  assert_failure 1
  assert_stderr "install-libevent: $BATS_TEST_TMPDIR/other.tar.gz holds no configure script: take a release archive of libevent"
}

@test "install-libevent names the package when configure finds no OpenSSL" {
  pack 'echo "configure: error: openssl is a must but can not be found." >&2; exit 1'
  install_libevent "$prefix" "$BATS_TEST_TMPDIR/stub.tar.gz"
  assert_failure 1
  assert_equal "${stderr_lines[0]}" 'configure: error: openssl is a must but can not be found.'
  assert_regex "$stderr" 'libssl-dev \(Debian, Ubuntu\)'
  assert_last_stderr_line "install-libevent: configure failed; all of its output is in $BUILD/install-libevent.log"
}

@test "install-libevent shows the end of the log when a step fails" {
  pack 'echo "nonsense:;@echo why it failed; exit 1" >prefix.mk'
  install_libevent "$prefix" "$BATS_TEST_TMPDIR/stub.tar.gz"
  assert_failure 1
  assert_line --index 2 --regexp '^make +failed$'
  assert_regex "$stderr" 'why it failed'
  refute_regex "$stderr" 'libssl-dev'
}

@test "install-libevent asks for an archive where there is no apt" {
  local name
  mkdir "$BATS_TEST_TMPDIR/bin"
  for name in bash cc dirname make mkdir mktemp rm tar; do
    ln -s "$(type -P "$name")" "$BATS_TEST_TMPDIR/bin"
  done
  PATH=$BATS_TEST_TMPDIR/bin run --separate-stderr \
    "$BATS_TEST_TMPDIR/bin/bash" "$ROOT/scripts/install-libevent" "$prefix"
  assert_failure 1
  assert_stderr "install-libevent: only apt can fetch a source archive: name one with ARCHIVE=FILE (make install-libevent PREFIX=$prefix ARCHIVE=FILE)"
}

# lint.bats -- scripts/lint, on a repository with one fault of each kind.

setup() {
  load ../lib/course
  cd "$BATS_TEST_TMPDIR" || exit
  mkdir -p scripts/lib
  cp "$ROOT/scripts/lint" scripts
  cp "$ROOT"/scripts/lib/{preamble.bash,functions.awk,same-helpers{,.awk}} scripts/lib
  git init -q .
}

# Checks of files that are missing here fail too: so compare these lines only.
lint() {
  scripts/lint 2>&1 | grep -A 3 -E 'gawk|functions'
}

@test "lint passes awk and functions that are right" {
  # shellcheck disable=SC2016 # awk's own $
  printf '%s\n' 'function twice(n) { return 2 * n }' '{ print twice($1) }' >scripts/a.awk
  run lint
  assert_line '✓ gawk --lint: 3 programs'
  assert_line '✓ functions: 40 lines at most, none with the name of a builtin'
}

@test "lint fails for awk that gawk warns of, and does not run it" {
  printf '%s\n' 'function f(i) { return i }' "BEGIN { i = 1; print f(i) >\"$PWD/ran\" }" >scripts/a.awk
  run lint
  assert_line '✗ gawk --lint: 3 programs'
  run scripts/lint
  assert_line --partial "scripts/a.awk:1: warning: function \`f': parameter \`i' shadows global variable"
  assert [ ! -e ran ]
}

@test "lint fails for a function of 41 lines, in bash and in awk, and not for one of 40" {
  {
    echo '# a.bash -- functions of 41 and 40 lines.'
    echo 'long() {'
    yes '  true' | head -n 39
    printf '%s\n' '}' 'short() {'
    yes '  true' | head -n 38
    echo '}'
  } >scripts/a.bash
  {
    echo 'function f() {'
    yes '  n++' | head -n 39
    printf '%s\n' '}' 'BEGIN { f(); print n }'
  } >scripts/b.awk
  run lint
  assert_line '✗ functions: 40 lines at most, none with the name of a builtin'
  run scripts/lint
  assert_line 'scripts/a.bash:2: long has 41 lines, more than 40'
  assert_line 'scripts/b.awk:1: f has 41 lines, more than 40'
  refute_line --partial 'short has'
}

@test "lint fails for a program with too many lines of its own, and does not count shared helpers" {
  mkdir -p chapters/01-x
  {
    printf 'static int shared(void)\n{\n'
    yes '    go();' | head -n 110
    printf '}\n\n'
  } >helper
  { cat helper && yes 'int go(void);' | head -n 200; } >chapters/01-x/short.c
  { cat helper && yes 'int go(void);' | head -n 201; } >chapters/01-x/long.c
  { cat helper && echo '/* ADDRESS PORT */' && yes 'int go(void);' | head -n 300; } >chapters/01-x/server.c
  { cat helper && echo ' * Run:   ./client [-d DATA] URL...' && yes 'int go(void);' | head -n 300; } >chapters/01-x/client.c
  { cat helper && echo '/* a URL */' && yes 'int go(void);' | head -n 200; } >chapters/01-x/words.c
  run scripts/lint
  assert_line 'chapters/01-x/long.c has 201 lines of its own, more than 200'
  assert_line 'chapters/01-x/client.c has 301 lines of its own, more than 300'
  assert_line 'chapters/01-x/words.c has 201 lines of its own, more than 200'
  assert_line 'chapters/01-x/server.c has 301 lines of its own, more than 300'
  refute_line --partial 'short.c has'
  assert_line '✗ programs: 200 lines of their own at most, servers, clients and samples 300, shared parts 400'
}

@test "lint fails for a function with the name of a builtin of bash" {
  printf '%s\n' '# a.bash -- a function.' 'type() {' '  true' '}' >scripts/a.bash
  run scripts/lint
  assert_line 'scripts/a.bash:2: type is a builtin of bash'
  assert_line '✗ functions: 40 lines at most, none with the name of a builtin'
}

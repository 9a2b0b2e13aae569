# snippets.bats -- scripts/text/snippets, which fills the C blocks of the READMEs

setup() {
  load ../lib/course
  cd "$BATS_TEST_TMPDIR" || return
  cat >p.c <<'END'
/* p.c -- a program
 *
 * Build: cc p.c */
#include <stdio.h>

struct conn {
    int fd; /* its socket */
};

static void read_cb(int fd);

/* Reads what
 * has come. */
static void read_cb(int fd)
{
    if (fd > 0)
        puts("read_cb(1);");
}

static struct conn *
conn_new(int fd,
    int flags)
{
    return NULL;
}

int main(void)
{
    //> listen
    int fd = 3;
    if (fd)
        read_cb(fd);

    //> end
    return 0;
}
END
}

page() { # LINE... -- writes README.md
  printf '%s\n' "$@" >README.md
}

wrong() { # COMPLAINT... -- what snippets says to README.md, whole
  run "$ROOT/scripts/text/snippets" README.md
  assert_failure 1
  assert_output "$(printf '%s\n' "$@")"
}

filled() { # NAME CODE -- snippets fills the block of p.c's NAME with CODE
  page 'Text.' '' "<!-- p.c: $1 -->" '```c' 'old' '```' '' 'More.'
  run "$ROOT/scripts/text/snippets" README.md
  assert_success
  assert_output 'filled README.md'
  run cat README.md
  assert_output "$(printf '%s\n' 'Text.' '' "<!-- p.c: $1 -->" '```c' "$2" \
    '```' '' 'More.')"
}

@test "snippets fills in a function with the comment above it" {
  filled read_cb '/* Reads what
 * has come. */
static void read_cb(int fd)
{
    if (fd > 0)
        puts("read_cb(1);");
}'
}

@test "snippets fills in a function whose type stands in the line above" {
  filled conn_new 'static struct conn *
conn_new(int fd,
    int flags)
{
    return NULL;
}'
}

@test "snippets fills in a whole file" {
  filled 'the whole file' "$(grep -v '//>' p.c)"
}

@test "snippets fills in a struct" {
  filled 'struct conn' 'struct conn {
    int fd; /* its socket */
};'
  filled conn 'struct conn {
    int fd; /* its socket */
};'
}

@test "snippets fills in a step, moved to the left" {
  filled listen 'int fd = 3;
if (fd)
    read_cb(fd);'
}

@test "snippets ends the last step of a function before its brace" {
  filled end 'return 0;'
}

@test "snippets shows a function without its text marks" {
  filled main 'int main(void)
{
    int fd = 3;
    if (fd)
        read_cb(fd);

    return 0;
}'
}

@test "snippets looks a source up beside the page" {
  mkdir -p a/b
  page '<!-- ../p.c: end -->' '```c' '```'
  mv README.md a/README.md
  mv p.c a/p.c
  page '<!-- a/p.c: end -->' '```c' '```'
  mv README.md b.md
  page '<!-- ../p.c: end -->' '```c' '```'
  mv README.md a/b/README.md
  run "$ROOT/scripts/text/snippets" a/b/README.md b.md
  assert_success
  assert_equal "$(sed -n 3p b.md)" 'return 0;'
  assert_equal "$(sed -n 3p a/b/README.md)" 'return 0;'
}

@test "snippets keeps the margin of a block in a list" {
  page '1. Do this:' '' '   <!-- p.c: listen -->' '   ```c' '   ```'
  run "$ROOT/scripts/text/snippets" README.md
  assert_success
  assert_equal "$(sed -n 5,7p README.md)" '   int fd = 3;
   if (fd)
       read_cb(fd);'
}

@test "snippets leaves a page alone that is right" {
  page '<!-- p.c: end -->' '```c' 'return 0;' '```' '```sh' 'ls' '```'
  touch -d 2001-01-01 README.md
  run "$ROOT/scripts/text/snippets" README.md
  assert_success
  refute_output
  assert_equal "$(date -r README.md +%Y)" 2001
  run "$ROOT/scripts/text/snippets" --check README.md
  assert_success
  refute_output
}

@test "snippets fills a page that is longer than a buffer, and keeps its mode" {
  page '<!-- p.c: end -->' '```c' '```' "$(seq 20000)"
  chmod 640 README.md
  run "$ROOT/scripts/text/snippets" README.md
  assert_success
  assert_equal "$(tail -n +5 README.md | cksum)" "$(seq 20000 | cksum)"
  assert_equal "$(stat -c %a README.md)" 640
}

@test "snippets --check names a block that has drifted and writes nothing" {
  page '' '<!-- p.c: end -->' '```c' 'return 1;' '```'
  cp README.md before
  run "$ROOT/scripts/text/snippets" --check README.md
  assert_failure 1
  assert_output 'README.md:3: the block "p.c: end" has drifted from its source; scripts/text/snippets fills it'
  cmp README.md before
}

@test "snippets takes a block that comes from no file, if it says why" {
  page '<!-- not from a file: it is the wrong way -->' '```c' 'gets(s);' '```'
  run "$ROOT/scripts/text/snippets" --check README.md
  assert_success
  page '<!-- not from a file: -->' '```c' 'gets(s);' '```'
  wrong 'README.md:2: no comment above the c block says its source'
}

@test "snippets complains of a c block without a source" {
  page 'Text.' '```c' 'int x;' '```'
  wrong 'README.md:2: no comment above the c block says its source'
}

@test "snippets complains of a source that is not there" {
  page '<!-- q.c: end -->' '```c' '```'
  wrong 'README.md:1: cannot read q.c'
}

@test "snippets complains of a name that is not there" {
  page '<!-- p.c: puts -->' '```c' '```'
  wrong 'README.md:1: there is no "puts" in p.c'
}

@test "snippets does not take a declaration for a definition" {
  sed -i '/^static void read_cb(int fd)$/,/^}/d' p.c
  page '<!-- p.c: read_cb -->' '```c' '```'
  wrong 'README.md:1: there is no "read_cb" in p.c'
}

@test "snippets complains of a name that is there twice" {
  printf '    //> end\n    return 1;\n' >>p.c
  page '<!-- p.c: end -->' '```c' '```'
  wrong 'README.md:1: "end" is in p.c 2 times'
}

@test "snippets complains of a step without lines" {
  printf '//> none\n\n' >>p.c
  page '<!-- p.c: none -->' '```c' '```'
  wrong 'README.md:1: "none" in p.c is empty or has no end'
}

@test "snippets complains of a comment without a c block below it" {
  page '<!-- p.c: end -->' '' '```c' '```'
  wrong 'README.md:1: no c block directly below the comment' \
    'README.md:3: no comment above the c block says its source'
}

@test "snippets complains of a block that is never closed, and keeps the page" {
  page '<!-- p.c: end -->' '```c' '```' '<!-- p.c: listen -->' '````c' '```'
  cp README.md before
  wrong 'README.md:5: the block is never closed'
  cmp README.md before
}

@test "snippets lists all that is wrong and still fills what is right" {
  page '<!-- p.c: x -->' '```c' 'a' '```' '<!-- p.c: end -->' '```c' '```' \
    '<!-- p.c: y -->' '```c' 'b' '```'
  run "$ROOT/scripts/text/snippets" README.md
  assert_failure 1
  assert_output 'README.md:1: there is no "x" in p.c
README.md:8: there is no "y" in p.c
filled README.md'
  assert_equal "$(sed -n '3p;7p;11p' README.md | tr '\n' ,)" 'a,return 0;,b,'
}

@test "snippets finds the pages of its repository by itself" {
  mkdir -p scripts/text chapters/01-x samples/y elsewhere
  cp -r "$ROOT/scripts/text" "$ROOT/scripts/lib" scripts
  page '```c' '```'
  for file in README.zh.md chapters/A.md chapters/01-x/README.zh.md \
    samples/y/README.md elsewhere/README.md; do
    cp README.md "$file"
  done
  run scripts/text/snippets
  assert_failure 1
  assert_equal "$(cut -d : -f 1 <<<"$output" | tr '\n' ' ')" \
    'README.md README.zh.md chapters/A.md chapters/01-x/README.zh.md samples/y/README.md '
}

@test "snippets explains itself, and refuses arguments that it does not know" {
  run "$ROOT/scripts/text/snippets" --help
  assert_success
  assert_line --index 0 'usage: snippets [--check] [FILE...]'
  run "$ROOT/scripts/text/snippets" --nonsense
  assert_failure 2
  assert_line --index 0 'usage: snippets [--check] [FILE...]'
}

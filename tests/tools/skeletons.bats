# skeletons.bats -- a skeleton on a page cannot say what its program does not do

setup() {
  load ../lib/course
  cd "$BATS_TEST_TMPDIR" || return
  cat >program.c <<'C'
static void read_cb(int fd)
{
    echo(fd); /* not drop(fd) */
}

static void listen_on(struct base *base,
    int port)
{
    struct event *event =
        event_new(base, port, read_cb);
    event_free(other);
}

int main(void)
{
    listen_on(base_new(), 7);
}
C
  PAGE=$(skeleton 'main                    // start
    base_new
    listen_on
        event_new -> read_cb
read_cb: echo           // again and again')
}

# A page with a skeleton.
skeleton() { # TEXT
  # shellcheck disable=SC2016 # the backquotes of Markdown
  printf '# A page\n\n<!-- skeleton: program.c -->\n```text\n%s\n```\n' "$1"
}

# Checks a page, which has to fail with the words in the line.
assert_refused() { # PAGE LINE WORDS
  echo "$1" >README.md
  run awk -f "$ROOT/tests/lib/skeletons.awk" README.md
  assert_failure 1
  assert_output --partial "README.md:$2: $3"
}

@test "a skeleton that is true passes, in both languages" {
  echo "$PAGE" >README.md
  echo "${PAGE/again and again/一次又一次}" >README.zh.md
  run awk -f "$ROOT/tests/lib/skeletons.awk" README.md README.zh.md
  assert_success
  refute_output
}

@test "a skeleton cannot name a function that is not there" {
  assert_refused "${PAGE/listen_on/listen}" 7 "main does not call listen"
  assert_refused "${PAGE/read_cb: echo/write_cb: echo}" 9 "write_cb is not a function of program.c"
}

@test "a skeleton cannot show a call where there is none" {
  assert_refused "${PAGE/: echo/: drop}" 9 "read_cb does not call drop"
  assert_refused "${PAGE/base_new/echo}" 6 "main does not call echo"
  assert_refused "${PAGE/event_new ->/event_free ->}" 8 "listen_on does not hand read_cb to event_free"
}

@test "a skeleton shows each callback, and who hands it over" {
  assert_refused "${PAGE/read_cb: echo/listen_on}" 10 "read_cb stands at the left 0 times"
  assert_refused "${PAGE/ -> read_cb/}" 10 "no arrow points to read_cb"
}

@test "a skeleton is one picture: on one page once, 25 lines at most, the same in both languages" {
  assert_refused "$(skeleton "$(yes '    # ' | head -n 26)")" 31 "a skeleton of 26 lines"
  : >README.md
  run awk -f "$ROOT/tests/lib/skeletons.awk" README.md
  assert_failure 1
  assert_output "README.md: 0 skeletons"
  echo "$PAGE" >README.md
  echo "${PAGE/    base_new/    listen_on}" >README.zh.md
  run awk -f "$ROOT/tests/lib/skeletons.awk" README.md README.zh.md
  assert_failure 1
  assert_output "README.zh.md: the skeleton differs from that of README.md"
}

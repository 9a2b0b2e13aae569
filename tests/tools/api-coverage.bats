# api-coverage.bats -- scripts/text/api-coverage, on headers and programs made here,
# and the repository's own table

setup_file() {
  # Waiting for a free job is done in whole seconds, longer than a test here.
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true
}

setup() {
  load ../lib/course
  course=$BATS_TEST_TMPDIR/course
  include=$BATS_TEST_TMPDIR/include
  page=$course/chapters/API.md
  mkdir -p "$include/event2" "$course/chapters/03-event" "$course/samples/chat"
  make_version 2.1.12-stable
  cat >"$include/event2/event.h" <<'END'
#include <event2/event-config.h>
#include <event2/visibility.h>
/** Makes one; @deprecated is said of nothing here: below is a line of code. */
struct event_base;
EVENT2_EXPORT_SYMBOL
struct event_base *event_base_new(void);
/** Adds. */
EVENT2_EXPORT_SYMBOL int
event_add(struct event *ev,
    const struct timeval *timeout);
#define evtimer_add(ev, tv) event_add((ev), (tv))
#define EV_UPPER(x) (x)
END
  cat >"$include/event2/zebra.h" <<'END'
EVENT2_EXPORT_SYMBOL
void zebra_run(void);
END
}

make_version() { # VERSION
  printf '#define EVENT__VERSION "%s"\n' "$1" >"$include/event2/event-config.h"
}

make_header() { # NAME: from standard input
  cat >"$include/event2/$1.h"
}

make_program() { # FILE: from standard input
  cat >"$course/$1"
}

coverage() { # [OPTION...]
  "$ROOT/scripts/text/api-coverage" --root "$course" --include "$include" "$@"
}

@test "the numbers are printed in all and by header, in the fixed order" {
  make_header util <<<'EVENT2_EXPORT_SYMBOL int evutil_socketpair(int d);'
  make_program chapters/03-event/a.c <<<'int main(void) { event_base_new(); }'
  run -0 coverage
  assert_output "1 of 4 public functions shown (25 %)
  event2/event.h             1 of   2
  event2/util.h              0 of   1
  event2/zebra.h             0 of   1"
}

@test "--missing lists the functions that no program calls" {
  make_program chapters/03-event/a.c <<<'int main(void) { event_base_new(); }'
  run -0 coverage --missing
  assert_output "event2/event.h: event_add
event2/zebra.h: zebra_run"
}

@test "a name in a comment, in a string, or without a call does not count" {
  make_program chapters/03-event/a.c <<'END'
/* event_base_new() and
 * event_add(ev, NULL) */
// zebra_run()
char *text = "a \" event_base_new() \\" /* "*/ "event_add(";
char quote = '"'; int x; // "
void *pointer = zebra_run;
int my_event_add(int x) { return x; }
END
  run -0 coverage
  assert_line --index 0 '0 of 3 public functions shown (0 %)'
}

@test "a call behind a comment or a string on its line counts" {
  make_program chapters/03-event/a.c <<'END'
/* one */ event_add(0, 0); /* two */ printf("(", '\'', "//"), zebra_run();
x = /* a comment
of two lines */ event_base_new ();
END
  run -0 coverage
  assert_line --index 0 '3 of 3 public functions shown (100 %)'
}

@test "compat, struct, rpc and tag headers, and what is deprecated, are left out" {
  local name
  for name in event_compat event_struct rpc tag; do
    make_header "$name" <<<"EVENT2_EXPORT_SYMBOL int ${name}_function(void);"
  done
  make_header util <<'END'
/** Old.
    @deprecated Use another. */
EVENT2_EXPORT_SYMBOL
int evutil_old(void);
/* Old (misspelled) version: This is deprecated; use evutil_new instead. */
EVENT2_EXPORT_SYMBOL
int evutil_nwe(void);
/** New. */
EVENT2_EXPORT_SYMBOL
int evutil_new(void);
int evutil_private(void);
END
  run -0 coverage --missing
  assert_output "event2/event.h: event_base_new
event2/event.h: event_add
event2/util.h: evutil_new
event2/zebra.h: zebra_run"
}

@test "what the preprocessor drops is left out" {
  make_header util <<'END'
#if 0
EVENT2_EXPORT_SYMBOL int evutil_never(void);
#endif
#ifdef _WIN32
EVENT2_EXPORT_SYMBOL int evutil_windows(void);
#define evutil_gettime(x) (x)
#endif
END
  run -0 coverage
  assert_line --index 0 '0 of 3 public functions shown (0 %)'
  coverage --update
  run -1 grep evutil "$page"
}

@test "functions that return pointers to functions, or span lines, are found" {
  make_header util <<'END'
EVENT2_EXPORT_SYMBOL
int (*evutil_get_function(int which))(void (*)(int), int);
EVENT2_EXPORT_SYMBOL
struct evutil_thing *
evutil_thing_new(
    void (*callback)(int),
    int x) /* a comment; with a semicolon */
#ifdef __GNUC__
  __attribute__((format(printf, 2, 3)))
#endif
;
EVENT2_EXPORT_SYMBOL void evutil_set_function(unsigned long (*function)(void));
EVENT2_EXPORT_SYMBOL extern int evutil_variable;
END
  run -0 coverage --missing
  assert_output --partial "event2/util.h: evutil_get_function
event2/util.h: evutil_thing_new
event2/util.h: evutil_set_function
event2/zebra.h"
}

@test "the page names chapters and samples, three programs at most, and macros" {
  make_program chapters/03-event/a.c <<<'int main(void) { event_base_new(); evtimer_add(e, t); }'
  make_program chapters/03-event/b.c <<<'int main(void) { event_base_new(); }'
  make_program samples/chat/chat.c <<<'int main(void) { event_base_new(); zebra_run(); }'
  make_program samples/chat/load.c <<<'int main(void) { event_base_new(); zebra_run(); }'
  coverage --update
  run -0 cat "$page"
  # shellcheck disable=SC2016 # the page's own backticks
  assert_output '# API

<!-- one language -->

2 of 3 functions are shown: the public functions of libevent 2.1.12-stable,
header by header, each with the first programs of this course that call it.
What is deprecated, and the RPC and tagging headers, are left out.

## event2/event.h

1 of 2 functions are shown.

| Function | Shown in |
|---|---|
| `event_base_new` | [03](03-event/README.md) a, b, [chat](../samples/chat/README.md) |
| `event_add` | |

| Macro | Shown in |
|---|---|
| `evtimer_add` | [03](03-event/README.md) a |

## event2/zebra.h

1 of 1 functions are shown.

| Function | Shown in |
|---|---|
| `zebra_run` | [chat](../samples/chat/README.md), load |'
}

@test "a fresh table passes, a stale or missing one fails" {
  make_program chapters/03-event/a.c <<<'int main(void) { event_base_new(); }'
  run -1 coverage --check
  assert_output 'api-coverage: chapters/API.md is missing; run scripts/text/api-coverage --update'
  coverage --update
  run -0 coverage --check
  assert_output ''
  make_program chapters/03-event/b.c <<<'int main(void) { event_base_new(); }'
  run -1 coverage --check
  assert_output 'api-coverage: chapters/API.md is stale; run scripts/text/api-coverage --update'
}

@test "a number that falls fails, and is written only with --accept-fewer" {
  make_program chapters/03-event/a.c <<<'int main(void) { event_base_new(); zebra_run(); }'
  coverage --update
  make_program chapters/03-event/a.c <<<'int main(void) { event_base_new(); }'
  run -1 coverage --check
  assert_output 'api-coverage: chapters/API.md is stale: the number falls from 2 to 1'
  run -1 coverage --update
  assert_output --partial 'the number falls from 2 to 1'
  run -0 grep -c '^2 of 3 functions are shown:' "$page"
  coverage --update --accept-fewer
  run -0 coverage --check
}

@test "a table of another libevent is not checked, which is said" {
  coverage --update
  make_version 2.2.1-alpha
  run -0 coverage --check
  assert_output 'chapters/API.md is about libevent 2.1.12-stable, here is 2.2.1-alpha: not checked'
}

@test "a folder without headers is an error" {
  include=$BATS_TEST_TMPDIR/nothing
  mkdir -p "$include"
  run -1 coverage
  assert_output "api-coverage: no headers in $include/event2"
}

@test "wrong arguments exit 2, --help exits 0" {
  run -2 coverage --nonesuch
  run -2 coverage --check --update
  run -2 coverage --accept-fewer
  run -0 coverage --help
  assert_output --partial 'Usage: scripts/text/api-coverage'
}

setup() {
  load ../lib/course
  unset MAKEFLAGS MAKELEVEL BUILD
}

# A copy of what the Makefile works on, to be changed.
copy_course() {
  mkdir "$BATS_TEST_TMPDIR/course"
  cd "$BATS_TEST_TMPDIR/course" || return
  cp -R "$ROOT/Makefile" "$ROOT/scripts" .
  mkdir -p chapters/01-install chapters/03-event
  cp "$ROOT/chapters/01-install/method-probe.c" chapters/01-install
  cp "$ROOT/chapters/03-event/event-states.c" chapters/03-event
}

@test "make builds every program of every chapter, and all are listed by make help" {
  cd "$ROOT"
  run -0 make help
  for source in chapters/*/*.c; do
    if is_part "$source" || is_left_out "$source"; then continue; fi
    name=$(basename "$source" .c)
    assert_line --regexp "^  $name +[a-z]"
    [[ -x $ROOT/build/$name ]] || fail "build/$name was not built"
  done
}

@test "make help lists every target of the Makefile that a reader calls" {
  cd "$ROOT"
  run -0 make help
  for target in all help demo test asan test-asan test-valgrind test-backends \
    test-short test-tools test-the-tests lint install-libevent compile_commands.json clean; do
    assert_line --regexp "^  $target +[^ ]"
  done
}

@test "a new file in a new chapter has its targets without an edit" {
  copy_course
  mkdir chapters/42-new
  sed 's/method-probe/brand-new/' chapters/01-install/method-probe.c >chapters/42-new/brand-new.c
  run -0 make -s brand-new
  run -0 build/brand-new
  assert_line --partial "libevent"
  rm build/brand-new
  run -0 make -s 42
  [[ -x build/brand-new ]]
  run -0 make help
  assert_line --partial "42-new: make 42, demo-42, test-42"
  run make -n demo-42 demo-brand-new test-42
  assert_success
}

@test "make NN builds that chapter alone" {
  copy_course
  run -0 make -s 03
  [[ -x build/event-states && ! -e build/method-probe ]]
}

@test "a sample of two parts is one program, built again when a part has changed" {
  copy_course
  mkdir -p samples/twice
  cat >samples/twice/twice.c <<'END'
/* twice.c -- says what its part says.
 *
 * Build: cc -o twice twice.c part.c -levent
 */
#include <stdio.h>
#include "part.h"
int main(void)
{
    puts(part());
}
END
  echo 'const char *part(void);' >samples/twice/part.h
  printf '#include "part.h"\nconst char *part(void) { return "once"; }\n' >samples/twice/part.c
  run -0 make -s
  run -0 ls build
  refute_line part
  run -0 build/twice
  assert_output once
  sed -i 's/once/again/' samples/twice/part.c
  touch -d '1 minute ago' build/twice
  run -0 make -s twice
  run -0 build/twice
  assert_output again
}

@test "a file of a chapter with a header is a part of the programs that name it, also in another chapter" {
  copy_course
  local folder
  echo 'const char *part(void);' >chapters/03-event/part.h
  printf '#include "part.h"\nconst char *part(void) { return "once"; }\n' >chapters/03-event/part.c
  for folder in 03-event 01-install; do
    cat >"chapters/$folder/in-${folder%%-*}.c" <<END
/* in-${folder%%-*}.c -- says what its part says.
 *
 * Build: cc -I ../03-event -o in-${folder%%-*} in-${folder%%-*}.c ../03-event/part.c -levent
 */
#include <stdio.h>
#include "part.h"
int main(void)
{
    puts(part());
}
END
  done
  run -0 make -s
  run -0 ls build
  refute_line part
  run -0 build/in-01
  assert_output once
  sed -i 's/once/again/' chapters/03-event/part.c
  touch -d '1 minute ago' build/*
  run -0 make -s in-01 in-03
  run -0 build/in-01
  assert_output again
  run -0 build/in-03
  assert_output again
}

@test "a wrong chapter is an error that lists the chapters" {
  copy_course
  for target in 42 demo-42 test-42; do
    run -2 make "$target"
    assert_line "make: no target '$target'. Chapters: 01 03. Programs: method-probe event-states. All targets: make help"
  done
}

@test "make with libevent missing says so in one line, and what to type" {
  copy_course
  mkdir bin
  printf '#!/bin/sh\nexit 1\n' >bin/pkg-config
  chmod +x bin/pkg-config
  PATH=$PWD/bin:$PATH run -2 --separate-stderr make -s
  assert_output ""
  assert_equal "${#stderr_lines[@]}" 1
  assert_regex "$stderr" "^Makefile:[0-9]+: \*\*\* missing: .*libevent.* \(run \./scripts/setup build\)\.  Stop\.$"
}

@test "the user's compiler and flags are added to ours" {
  copy_course
  printf '#!/bin/sh\necho "$@" >>args\nexec cc "$@"\n' >mycc
  chmod +x mycc
  run -0 make -s CC=./mycc CFLAGS=-O0 CPPFLAGS=-DNOTHING method-probe
  run -0 cat args
  assert_output --partial "-Wextra"
  assert_output --partial "-std=gnu11"
  assert_output --partial "-O0"
  assert_output --partial "-DNOTHING"
  refute_output --partial "-O2"
}

@test "where liburing is not installed, make builds all but the program that needs it, and says so" {
  copy_course
  mkdir chapters/17-reactor bin
  cp "$ROOT/chapters/17-reactor/uring-echo.c" chapters/17-reactor
  # shellcheck disable=SC2016 # for the stand-in
  printf '#!/bin/sh\ncase " $* " in *" liburing "*) exit 1 ;; esac\nexec %s "$@"\n' "$(type -P pkg-config)" >bin/pkg-config
  chmod +x bin/pkg-config
  PATH=$PWD/bin:$PATH run -0 make -s
  [[ -x build/event-states && ! -e build/uring-echo ]]
  PATH=$PWD/bin:$PATH run -2 make -s uring-echo
  assert_line --partial "uring-echo needs liburing: run ./scripts/setup"
}

@test "a parallel build and a second make do no more than is needed" {
  copy_course
  run -0 make -s -j 4
  run -0 make -j 4
  refute_output --partial "-o build"
  touch chapters/03-event/event-states.c
  run -0 make
  assert_output --partial "-o build/event-states"
  refute_output --partial "-o build/method-probe"
}

@test "the compiler says nothing about any program" {
  cd "$ROOT"
  for source in chapters/*/*.c samples/*/*.c; do
    if [[ ! -f $source ]] || is_left_out "$source"; then continue; fi
    run -0 cc -std=gnu11 -Wall -Wextra -Wpedantic -Wshadow -Wno-unused-parameter \
      -O2 -fsyntax-only -I chapters/13-http "$source" # of https-server
    assert_output ""
  done
}

@test "make compile_commands.json writes an entry for every program" {
  copy_course
  run -0 make -s compile_commands.json
  run -0 grep -c '"file"' compile_commands.json
  assert_output 2
  run -0 perl -MJSON::PP -0777 -e 'print scalar @{decode_json(<>)}' compile_commands.json
  assert_output 2
}

@test "make install-libevent without a prefix says how it is called" {
  copy_course
  run -2 make -s install-libevent
  assert_line --partial "usage:"
}

@test "the test runner counts, shows the output of a failure, and exits 1" {
  copy_course
  mkdir -p tests
  printf '@test "good" { true; }\n@test "bad" { echo the reason; false; }\n@test "later" { skip "no time"; }\n' >tests/some.bats
  run -1 scripts/test
  assert_line --regexp "^✓ good$"
  assert_line --regexp "^✗ bad$"
  assert_line --partial "the reason"
  assert_line --partial "(skipped: no time)"
  assert_equal "${lines[-1]}" "1 passed, 1 failed, 1 skipped"
}

@test "the parts of the chapters' tests are all of them, each once" {
  copy_course
  mkdir tests
  for i in 01 02 03 04 05 06 07 08; do printf '@test "chapter %s" { true; }\n' "$i" >"tests/$i-x.bats"; done
  printf '@test "none" { true; }\n' >tests/text.bats
  for number in 1 3; do
    # shellcheck disable=SC2016 # for the inner shell
    run -0 bash -c 'for ((i = 1; i <= $1; i++)); do scripts/test --part "$i/$1"; done | grep "✓" | sort' bash "$number"
    assert_output "$(printf '✓ chapter %s\n' 01 02 03 04 05 06 07 08)"
  done
  run -2 scripts/test --part 4
  assert_output --partial "usage: "
}

@test "the test runner fails when a file cannot be read or no test was run" {
  copy_course
  mkdir -p tests
  echo 'if then' >tests/some.bats
  run scripts/test
  assert_failure
  : >tests/some.bats
  run scripts/test
  assert_failure
}

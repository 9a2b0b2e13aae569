# text.bats -- the pages: what they show comes from the programs, and both
# languages say the same

setup() {
  load lib/course
  cd "$ROOT" || return
}

@test "each C block of the pages is as in its source" {
  run scripts/snippets --check
  assert_success
  refute_output
}

@test "the English and the Chinese pages say the same" {
  run scripts/languages
  assert_success
  refute_output
}

@test "each command of the pages prints what the page shows" {
  export BUILD
  run scripts/transcripts -j 4
  assert_success
}

@test "the table of libevent's functions is as the sources say, and shows no fewer" {
  run scripts/api-coverage --check
  assert_success
}

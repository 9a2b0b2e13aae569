# text.bats -- the pages: what they show comes from the programs, and both
# languages say the same

setup() {
  load lib/course
  cd "$ROOT" || return
}

@test "each C block of the pages is as in its source" {
  run scripts/text/snippets --check
  assert_success
  refute_output
}

@test "the English and the Chinese pages say the same" {
  run scripts/text/languages
  assert_success
  refute_output
}

@test "each skeleton of a program shows what its functions call" {
  local -a pages
  mapfile -t pages < <(grep -l '^<!-- skeleton: ' chapters/*/*.md)
  ((${#pages[@]} >= 10)) || fail "skeletons on ${#pages[@]} pages: five chapters have them, in two languages"
  run awk -f tests/lib/skeletons.awk "${pages[@]}"
  assert_success
  refute_output
}

@test "each command of the pages prints what the page shows" {
  export BUILD
  # As a reader runs them: memory that was freed is not overwritten.
  unset MALLOC_PERTURB_ GLIBC_TUNABLES
  run --separate-stderr scripts/text/transcripts -j 4
  assert_equal "$stderr" "" # what differs; stdout only counts the commands
  assert_success
}

@test "the table of libevent's functions is as the sources say, and shows no fewer" {
  run scripts/text/api-coverage --check
  assert_success
}

# The file and the test of: `tests/NAME.bats`, "name" -- a line each, with a tab.
tests_named_in() { # PAGE
  # shellcheck disable=SC2016 # the backquotes of Markdown
  grep -oE '`tests/[^`]+\.bats`[^"`]{0,3}"[^"]+"' "$1" | sed -E 's/^`([^`]+)`[^"]*"(.*)"$/\1\t\2/'
}

@test "each chapter ends with five to eight questions, whose answers name what backs them" {
  local page file name questions backed
  local -a others
  # A chapter may have more pages, some with questions of their own.
  mapfile -t others < <(grep -lE '<summary>(What backs these answers|答案的依据)<' "$ROOT"/chapters/[0-9][0-9]-*/[!R]*.md)
  for page in "$ROOT"/chapters/[0-9][0-9]-*/README.md "$ROOT"/chapters/[0-9][0-9]-*/README.zh.md "${others[@]}"; do
    questions=$(grep -cE '^<details><summary>[0-9]+\. ' "$page") || fail "no questions in $page"
    backed=$(sed -nE '/<summary>(What backs these answers|答案的依据)</,/<\/details>/p' "$page" | grep -cE '^[0-9]+\. ')
    ((questions >= 5 && questions <= 8)) || fail "$page has $questions questions"
    assert_equal "$backed answers of $questions in $page" "$questions answers of $questions in $page"
    while IFS=$'\t' read -r file name; do
      grep -qF "@test \"$name" "$ROOT/$file" || fail "$page: no test \"$name\" in $file"
    done < <(tests_named_in "$page")
  done
}

# A page whose heading was renamed would leave the checks and their reports behind.
@test "each heading to which a lab sends a student stands on a page of its chapter" {
  local lab section page
  cd "$ROOT" || exit
  for lab in chapters/*/labs/*/; do
    while read -r section; do
      grep -qxhF -e "## $section" -e "### $section" "$lab"/../../*.md || fail "$lab: no heading \"$section\""
    done < <(sed -nE 's/^check [0-9]+ "([^"]*)".*/\1/p' "$lab/checks.bash")
    while IFS=$'\t' read -r page section; do
      grep -qxF -e "## $section" -e "### $section" "$page" || fail "$lab/mutants: no heading \"$section\" in $page"
    done < <(sed -nE 's/^ +(read on: |参考：)([^,，]+)(, "|，“)(.*)["”]$/\2\t\4/p' "$lab"/mutants/reports.*.txt)
  done
}

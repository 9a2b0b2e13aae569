# assertions.bash -- bats-support and bats-assert, and a bats that takes no longer
# than it has to.

bats_require_minimum_version 1.5.0

# Bats notes each command before it runs, so that it can name the line of a failure.
# That takes a third of a millisecond, longer than most commands of a helper take: so
# only the lines of the test file itself are noted.
if declare -F bats_debug_trap >/dev/null; then
  trap '[[ $BASH_SOURCE != "$BATS_TEST_SOURCE" ]] || bats_debug_trap "$BASH_SOURCE"' DEBUG
fi

# Their own load.bash starts a process for each of their twenty files, for each test.
load_library() { # NAME
  local folder file
  for folder in ${BATS_LIB_PATH//:/ }; do
    [[ -d $folder/$1/src ]] || continue
    for file in "$folder/$1"/src/*.bash; do
      # shellcheck disable=SC1090
      source "$file"
    done
    return
  done
  bats_load_library "$1"
}

load_library bats-support
load_library bats-assert

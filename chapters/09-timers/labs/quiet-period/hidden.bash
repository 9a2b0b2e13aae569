# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
QUIET=1000 MOST=1300 LINES_AT_ONCE=7

# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
FIRST="good\tmorning" SECOND="and\x01good night" COUNT=20

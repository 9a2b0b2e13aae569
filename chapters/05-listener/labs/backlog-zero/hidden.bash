# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
COUNT=19 TIMES=7 CROWD=100

# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
COUNT=70 TICKS=24

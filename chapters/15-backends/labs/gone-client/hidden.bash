# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
TICKS=4 COUNT=9 UNREAD_MB=12

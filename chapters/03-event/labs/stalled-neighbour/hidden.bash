# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
COUNT=70 MESSAGE="a line of another length" AGAIN="\tand its \x01 successor" UNREAD_MB=37 LATE_MB=15 SEED=40

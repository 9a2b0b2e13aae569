# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
FIRST="wake up" SECOND="7:30 train" THIRD=lunch ALARMS=70

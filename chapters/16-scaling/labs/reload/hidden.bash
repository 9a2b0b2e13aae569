# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
OLD=before NEW=after TIMES=5

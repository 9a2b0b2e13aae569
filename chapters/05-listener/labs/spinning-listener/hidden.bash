# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
FDS=31 FIRST="the first of them" SECOND="\tanother" ROUNDS=30 TIMES=4

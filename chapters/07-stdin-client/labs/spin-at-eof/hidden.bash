# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
FIRST="good\\x00morning" SECOND="and good night" LAST="42" REST=70001 PIECE=73728 MUCH=7000000 SEED=9

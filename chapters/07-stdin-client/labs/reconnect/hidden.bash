# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
FIRST="good morning" SECOND="and good night" THIRD="4\\x002" TRIES=6 BIG=7000001 TALK=25000001 SEED=3 LOSSES=10

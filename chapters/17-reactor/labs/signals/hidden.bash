# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
TIMES=700 SAYS=salve ROUNDS=5

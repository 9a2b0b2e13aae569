# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORD="another word" SIZE=400000 COUNT=13 CLIENTS=100 SEED=5

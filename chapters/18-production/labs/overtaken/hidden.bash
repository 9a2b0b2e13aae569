# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORD="another word" LONG=1200001 BIG=13000000 COUNT=17 SEED=7

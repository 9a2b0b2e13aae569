# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORD="another word" COUNT=40 FRAMES=1300 SEED=7

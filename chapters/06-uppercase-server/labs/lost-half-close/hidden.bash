# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORDS="straight on" REST="x" BIG=2222222 SEED=11

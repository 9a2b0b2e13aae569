# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORDS="straight on" REST='x\x00 and y\xc3\xa9' BIG=2222222 SEED=11 COUNT=40

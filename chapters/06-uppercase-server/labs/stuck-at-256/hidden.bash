# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORDS="another word" LENGTHS="257 511 2049 3900 4097 20000" BIG=77777 SEED=7 COUNT=40

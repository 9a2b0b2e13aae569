# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORDS="all men are mortal" CLIENTS=16 BIG=654321 FIRST=9000 SEED=3

# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORDS="another line" MEGABYTES=40 COUNT=20 SEED=5 READS=4

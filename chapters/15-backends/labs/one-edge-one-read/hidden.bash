# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORD=salve LONG=50000 LATE_MB=9 COUNT=12 SEED=7 SIZES="2 999 3001 16000 500000"

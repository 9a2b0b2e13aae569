# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORD=salve SLEEP_MS=1100 COUNT=14

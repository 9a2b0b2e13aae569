# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
EVERY_MS=70 HELD_MS=1900

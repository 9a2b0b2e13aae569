# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
FAR=1234567 ONCE_MS=260 EVERY_MS=110

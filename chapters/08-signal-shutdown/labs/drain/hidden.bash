# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
BYTES=7340033 WAIT=777 COUNT=20 SHORT=410

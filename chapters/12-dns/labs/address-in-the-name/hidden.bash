# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
ADDRESSES="172.16.254.3 8.8.4.4 255.255.255.255" ASKER=127.0.3.4 TIMES=40

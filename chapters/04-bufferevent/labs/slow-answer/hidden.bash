# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
SMALL=73 MIDDLE=4321 LONG=15000 HUGE=40000000 CLIENTS=70

# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
SIZE=47 CLIENTS=80 ENDLESS=800001 COMMANDS=7000

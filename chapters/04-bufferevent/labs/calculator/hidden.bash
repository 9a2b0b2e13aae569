# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
X=-98765 Y=432 COUNT=2345 CLIENTS=70 WORDS="7 * seven"

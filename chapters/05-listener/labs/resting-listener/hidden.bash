# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
MOST=5 FIRST="the first of them" SECOND="another" PLACES=70 WAITING=100

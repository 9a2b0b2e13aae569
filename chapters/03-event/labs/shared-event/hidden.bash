# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
FIRST="first of all" SECOND="and\0then\tanother" COUNT=100

# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
TEXT="mississippi" MORE="so slow a ship" LETTER=s

# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
COUNT=70 QUESTION="and now?" ANSWER="\x00\x80\xff" MEGABYTES=28 SEED=3

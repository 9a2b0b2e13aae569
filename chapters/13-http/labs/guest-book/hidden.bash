# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
NAMES="Zoë <i>x</i>&amp; d'Artagnan\"; a=b&c=d" QUOTED="\\\" {\"a\":1} \\\\server\\share \\n" TIMES=30

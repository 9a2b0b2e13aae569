# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
FEW=34 SOME=61234 LOTS=1123456 WRAPS=4294967299 SLOW=4 TIMES=8

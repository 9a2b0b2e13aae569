# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
LIMIT=20000 BEST=17647 SMALL=300 SMALL_BEST=231 CLIENTS=50 LONG=123457 LONG_BEST=106239 QUESTIONS=2300

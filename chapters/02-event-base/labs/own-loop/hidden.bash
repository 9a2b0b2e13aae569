# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
CLIENTS=70 LIMIT=20000 PRIMES=2262 SMALL=7919 SMALL_PRIMES=1000 LONG=123457 LONG_PRIMES=11602

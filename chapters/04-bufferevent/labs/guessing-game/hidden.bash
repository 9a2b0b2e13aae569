# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
SEED=123456 PLAYERS=70 ROUNDS=2 TENTHS=8 WRONG="1000 00101 +5 5,5 42x"

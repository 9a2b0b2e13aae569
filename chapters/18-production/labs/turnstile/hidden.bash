# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORD="another word" OTHER=127.7.0.1 THIRD=127.0.7.1 ROUNDS=4

# hidden.bash -- other numbers, other orders, and two of each instead of one.
# shellcheck disable=SC2034 # for checks.bash
SEEDS="71 402"

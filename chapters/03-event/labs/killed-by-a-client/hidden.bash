# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
TEXT='\na \0 in the middle\n\n\nand no newline at the end' SIZE=777777 COUNT=15 MANY_CLIENTS=70 SEED=9

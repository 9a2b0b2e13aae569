# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
A=first B=second C=third P=pipe DUE=250 LATE=70

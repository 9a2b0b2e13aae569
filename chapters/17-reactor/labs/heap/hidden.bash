# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
SEED=7 TIMERS=400 SOON=550 LATER=800 CROWD=180000 FAR=700000000

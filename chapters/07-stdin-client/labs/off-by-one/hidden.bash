# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
WORDS="good evening" SIZE=2048 LONG=5000 PERCENT="%%d%%" ODD='\x80\x00\x00end\x00' SEED=7

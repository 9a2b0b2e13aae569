# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
REQUEST="who is there?" ANSWER="nobody but me, and my 10000 sheep" HALF="nobody" HOST=127.0.0.1 SIZE=123457 SEED=3

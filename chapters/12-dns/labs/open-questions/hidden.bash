# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
NAMES="a.test b.test c.test d.test e.test" NUMBER=198.51.100.23 CROWD=333

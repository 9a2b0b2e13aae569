# hidden.bash -- other values than the visible ones, and a back end whose name
# is not in the list.
# shellcheck disable=SC2034 # for checks.bash
OFF='' ODD="epoll (with changelist)"

# hidden.bash -- other values than the visible ones, and a back end whose name
# is not in the list.
# shellcheck disable=SC2034 # for checks.bash
OFF='' ODD="epoll (with changelist)"
OTHER=("2.0.22-stable > select poll" "2.2.0 > a b c d e f g h i j k l")

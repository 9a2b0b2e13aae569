# hidden.bash -- other values than the visible ones, and a back end whose name
# is not in the list.
# shellcheck disable=SC2034 # for checks.bash
OFF=

check 1 "What is in use?" with_changelist \
  "it prints the name that the base gives, also one that is not in the list" \
  "原样打印 event_base 给出的名字，即使列表中没有它"
with_changelist() {
  says "epoll (with changelist)" EVENT_EPOLL_USE_CHANGELIST=1
  says poll EVENT_EPOLL_USE_CHANGELIST=1 EVENT_NOEPOLL=1
}

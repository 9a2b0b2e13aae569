# hidden.bash -- other words than the visible ones, and a back end of another
# name.
# shellcheck disable=SC2034 # for checks.bash
SINGLE=(" > epoll" "o1 > epoll" "early-close early-close > epoll")
AVOID=(
  "avoid=poll > epoll" "avoid=poll avoid=epoll > select" "avoid=ep > epoll"
  "avoid=select avoid=epoll > poll")
TOGETHER=(
  "avoid=epoll fds > poll" "et early-close o1 > epoll" "avoid=poll fds > select"
  "fds avoid=kqueue early-close > poll")
NO_FIT=(
  "fds o1 > none" "early-close avoid=epoll avoid=poll > none" "avoid=epoll et > none"
  "fds avoid=poll early-close > none")
UNKNOWN=("ET" "early" "et early-closed" "avoid:poll" "fds avoids=poll")
SWITCHED=(
  "EVENT_NOEPOLL= EVENT_NOPOLL= > select" "EVENT_NOEPOLL=0 avoid=poll > select"
  "EVENT_NOPOLL=0 early-close avoid=epoll > none"
  "EVENT_EPOLL_USE_CHANGELIST=1 o1 > epoll (with changelist)"
  "EVENT_EPOLL_USE_CHANGELIST=1 avoid=epoll > poll")
SHOWN=("early-close > epoll" "avoid=epoll > poll")
WORDS=70

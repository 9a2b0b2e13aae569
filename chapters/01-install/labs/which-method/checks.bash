# checks.bash -- the back end in use is the one that a base has picked.

lab mend 1 15
: "${OFF=1}" # the value of EVENT_NO...: any value counts, even an empty one
: "${ODD=}"  # the name of the first back end with EVENT_EPOLL_USE_CHANGELIST: in no list
[[ ${OTHER-} ]] || OTHER=("2.9.1-beta > devpoll kqueue epoll poll select")
SUPPORTED="epoll poll select"

# Only one check looks for leaks, and does so thoroughly: a pointer that is left on
# the stack of main after its return does not count as in use. Otherwise a leak would
# be found in some runs and missed in others.
LEAKS=detect_leaks=0

# A program that only starts and ends gets more time than a server gets for an
# answer: a busy machine may start it late. After it has ended, no more will come on
# standard error.
run_it() {
  LIMIT_MS=6000 run
}

expect_on_stderr() { # REGEX
  LIMIT_MS=0 expect_error "$1"
}

# Run it with these variables: the whole output is right, and ends with METHOD.
says() { # METHOD [VARIABLE=VALUE...]
  # shellcheck disable=SC2034 # for scripts/labs/check
  ENVIRONMENT=("LSAN_OPTIONS=$LEAKS" "${@:2}")
  step "${*:2}${2+ }./which-method: $1 is in use" "${*:2}${2+ }./which-method：正在使用 $1"
  run_it
  expect_exit 0
  prints "in use: $1\n"
}

# The output: the version, the list, and TEXT.
prints() { # TEXT
  local version
  version=$(pkg-config --modversion libevent)
  expect_line "^libevent ${version%%-*}[^ ]*\$"
  version=$(grep -m 1 '^libevent ' "$WORK/stdout")
  expect_output "$version\nsupported: $SUPPORTED\n$1"
}

# "VERSION > METHODS": it is run with such a libevent, and says what that is.
says_of_another() { # CASE
  ENVIRONMENT=("LSAN_OPTIONS=$LEAKS")
  other_libevent "${1% > *}" "${1#* > }"
  step "with a libevent ${1% > *} that has ${1#* > }, the program prints this version and these back ends" "换成 libevent ${1% > *}，后端为 ${1#* > }：打印的就是这个版本和这些后端"
  run_it
  expect_exit 0
  expect_output "libevent ${1% > *}\nsupported: ${1#* > }\nin use: epoll\n"
}

check 1 "Which versions?" names_all \
  "the program prints the version of libevent, every back end, and the back end in use" \
  "打印 libevent 的版本、每一个后端，以及正在使用的后端"
names_all() {
  local other
  says epoll
  if [[ $ODD ]]; then
    says "$ODD" EVENT_EPOLL_USE_CHANGELIST=1
    says poll EVENT_EPOLL_USE_CHANGELIST=1 EVENT_NOEPOLL=1
  fi
  for other in "${OTHER[@]}"; do says_of_another "$other"; done
}

check 3 "What goes wrong" switched_off \
  "with the first back ends switched off, the program prints the next one" \
  "禁用排在前面的后端后，打印的是列表里的下一个"
switched_off() {
  says poll "EVENT_NOEPOLL=$OFF"
  says select "EVENT_NOEPOLL=$OFF" "EVENT_NOPOLL=$OFF"
}

check 1 "What is in use?" not_its_turn \
  "switching off a back end further down the list changes nothing" \
  "禁用排在后面的后端，结果不变"
not_its_turn() {
  says epoll "EVENT_NOPOLL=$OFF"
  says epoll "EVENT_NOSELECT=$OFF"
  says epoll "EVENT_NOPOLL=$OFF" "EVENT_NOSELECT=$OFF"
  says poll "EVENT_NOEPOLL=$OFF" "EVENT_NOSELECT=$OFF"
}

# With EVENT_SHOW_METHOD set, libevent itself prints the back end of a new base.
check 2 "What is in use?" libevent_agrees \
  "libevent itself reports the same back end" \
  "libevent 自己报告的也是同一个后端"
libevent_agrees() {
  local method
  for method in epoll poll; do
    if [[ $method == epoll ]]; then
      says epoll "EVENT_SHOW_METHOD=$OFF"
    else
      says poll "EVENT_SHOW_METHOD=$OFF" "EVENT_NOEPOLL=$OFF"
    fi
    step "libevent reports $method" "libevent 报告使用 $method"
    expect_on_stderr "libevent using: $method\$"
  done
}

check 2 "What goes wrong" none_left \
  "with no back end left, the program gives a reason and fails" \
  "所有后端都被禁用时，说明原因并失败退出"
none_left() {
  local all=("EVENT_NOEPOLL=$OFF" "EVENT_NOPOLL=$OFF" "EVENT_NOSELECT=$OFF")
  # shellcheck disable=SC2034 # for scripts/labs/check
  ENVIRONMENT=("LSAN_OPTIONS=$LEAKS" "${all[@]}")
  step "${all[*]} ./which-method: exit status 1" "${all[*]} ./which-method：退出码为 1"
  run_it
  expect_exit 1
  step "standard error has the reason" "标准错误中有原因"
  expect_on_stderr '^which-method: .'
  step "standard output has only the version and the list" "标准输出只有版本和后端列表"
  prints ""
}

check 1 "What is in use?" frees_all \
  "the program frees all that it has made" \
  "释放自己创建的一切"
frees_all() {
  LEAKS=use_stacks=0:use_registers=0
  says select "EVENT_NOEPOLL=$OFF" "EVENT_NOPOLL=$OFF"
  says epoll "EVENT_NOPOLL=$OFF"
}

# checks.bash -- a base by features, by names to avoid, and by the environment.
# shellcheck disable=SC2034 # ENVIRONMENT is for scripts/labs/check

lab make 2 40
# The arguments, and the back end that fits, or none.
[[ ${SINGLE-} ]] || SINGLE=(" > epoll" "et > epoll" "fds > poll" "early-close > epoll")
[[ ${AVOID-} ]] || AVOID=(
  "avoid=epoll > poll" "avoid=epoll avoid=poll > select" "avoid=kqueue > epoll")
[[ ${TOGETHER-} ]] || TOGETHER=(
  "fds avoid=poll > select" "fds early-close > poll"
  "avoid=epoll early-close > poll" "early-close fds avoid=select > poll")
[[ ${NO_FIT-} ]] || NO_FIT=(
  "et avoid=epoll > none" "avoid=select avoid=poll avoid=epoll > none" "et fds > none")
[[ ${UNKNOWN-} ]] || UNKNOWN=("etc" "fds fd" "avoid" "avoid= et")
[[ ${SWITCHED-} ]] || SWITCHED=(
  "EVENT_NOEPOLL=1 early-close > poll" "EVENT_NOPOLL=1 fds > select"
  "EVENT_NOEPOLL=1 o1 > none")
[[ ${SHOWN-} ]] || SHOWN=("o1 > epoll" "fds > poll" "fds avoid=poll > select")

: "${WORDS:=20}"

# Only one check looks for leaks, and does so thoroughly: a pointer that is left on
# the stack of main after its return does not count as in use. Otherwise a leak would
# be found in some runs and missed in others.
LEAKS=detect_leaks=0

# A program that only starts and ends gets more time than a server gets for an
# answer: a busy machine may start it late. After it has ended, no more will come on
# standard error.
run_it() { # [ARG...]
  LIMIT_MS=6000 run "$@"
}

expect_on_stderr() { # REGEX
  LIMIT_MS=0 expect_error "$1"
}

# The words of a case: those that begin with EVENT_ are for the environment, the
# rest are arguments. COMMAND is what a student would type.
split() { # WORDS
  local word variables=()
  ARGUMENTS=()
  for word in $1; do
    if [[ $word == EVENT_* ]]; then
      variables+=("$word")
    else
      ARGUMENTS+=("$word")
    fi
  done
  ENVIRONMENT=("LSAN_OPTIONS=$LEAKS" "${variables[@]}")
  COMMAND="${variables[*]}${variables[*]:+ }./pick-backend${ARGUMENTS[*]:+ }${ARGUMENTS[*]}"
}

# "WORDS > METHOD": the whole output; or none, and a reason. A back end has the
# same features wherever libevent 2.1 runs on Linux.
picks() { # CASE
  local method=${1##* > } features
  split "${1% > *}"
  case $method in
    none)
      step "$COMMAND: none fits, exit status 1" "${COMMAND}：没有合适的后端，退出码为 1"
      run_it "${ARGUMENTS[@]}"
      expect_exit 1
      expect_on_stderr '^pick-backend: .'
      expect_output ""
      return
      ;;
    epoll*) features="et o1 early-close" ;;
    poll) features="fds early-close" ;;
    select) features="fds" ;;
  esac
  step "$COMMAND: $method is picked" "${COMMAND}：选择 $method"
  run_it "${ARGUMENTS[@]}"
  expect_exit 0
  expect_output "method: $method\nfeatures: $features\n"
}

check 1 "What is in use?" by_feature \
  "the program picks the best back end that has the feature, and prints all of its features" \
  "选择具有该特性的最好的后端，并打印它的全部特性"
by_feature() {
  local case
  for case in "${SINGLE[@]}"; do picks "$case"; done
}

check 1 "What is in use?" by_name \
  "the program does not pick a back end that is to be avoided" \
  "不会选择要求避开的后端"
by_name() {
  local case
  for case in "${AVOID[@]}"; do picks "$case"; done
}

check 1 "What is in use?" many_words \
  "any number of arguments count, whatever their length" \
  "参数再多、再长也都有效"
many_words() {
  local words
  words=$(printf 'avoid=b%d ' $(seq "$WORDS"))
  step "avoid= with $WORDS unknown names, then avoid=epoll: poll is picked" "先避开 $WORDS 个不存在的名字，然后是 avoid=epoll：选择 poll"
  picks_quietly "${words}avoid=epoll > poll"
  step "the same with fds before these names and avoid=poll after them: select is picked" "这些名字前面加 fds，后面加 avoid=poll：选择 select"
  picks_quietly "fds ${words}avoid=poll > select"
  step "avoid= with an unknown name of $((20 * WORDS)) letters avoids nothing" "avoid= 加上 $((20 * WORDS)) 个字母的名字，不会避开任何后端"
  picks_quietly "avoid=epoll$(printf '%0*d' $((20 * WORDS)) 0) > epoll"
  step "et repeated $WORDS times, then fds: none fits" "et 重复 $WORDS 次，然后是 fds：没有合适的后端"
  picks_quietly "$(printf 'et%.0s ' $(seq "$WORDS"))fds > none"
}

# As picks, as part of the step that has begun: such a command is too long to be shown.
picks_quietly() { # CASE
  eval "loud_$(declare -f step)"
  step() { :; }
  picks "$1"
  eval "$(declare -f loud_step | sed '1s/loud_//')"
}

check 1 "What is in use?" all_words \
  "all arguments apply together, in any order" \
  "所有参数同时有效，与顺序无关"
all_words() {
  local case
  for case in "${TOGETHER[@]}"; do picks "$case"; done
}

check 1 "What goes wrong" none_fits \
  "when no back end fits, the program gives a reason and fails" \
  "没有合适的后端时，说明原因并失败退出"
none_fits() {
  local case
  for case in "${NO_FIT[@]}"; do picks "$case"; done
}

check 1 "What the programs do with their arguments" unknown_word \
  "for an unknown argument the program prints its usage" \
  "遇到不认识的参数时打印用法"
unknown_word() {
  local words
  for words in "${UNKNOWN[@]}"; do
    split "$words"
    step "$COMMAND: a usage line, exit status 2" "${COMMAND}：打印用法，退出码为 2"
    run_it "${ARGUMENTS[@]}"
    expect_exit 2
    expect_on_stderr '^usage: pick-backend'
    expect_output ""
  done
}

check 1 "What goes wrong" environment_counts \
  "a back end that the environment has switched off is not picked" \
  "不会选择已被环境变量禁用的后端"
environment_counts() {
  local case
  for case in "${SWITCHED[@]}"; do picks "$case"; done
}

# With EVENT_SHOW_METHOD set, libevent itself prints the back end of a new base.
check 2 "What is in use?" libevent_agrees \
  "libevent itself reports the same back end" \
  "libevent 自己报告的也是同一个后端"
libevent_agrees() {
  local case
  for case in "${SHOWN[@]}"; do
    picks "EVENT_SHOW_METHOD=1 $case"
    step "libevent reports ${case##* > }" "libevent 报告使用 ${case##* > }"
    expect_on_stderr "libevent using: ${case##* > }\$"
  done
}

check 1 "What is in use?" frees_all \
  "the program frees all that it has made" \
  "释放自己创建的一切"
frees_all() {
  LEAKS=use_stacks=0:use_registers=0
  picks "${SINGLE[1]}"
  picks "${AVOID[0]}"
}

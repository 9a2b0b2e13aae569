# process.bash -- watching a process from outside: whether it is ready, runs, sleeps or
# has ended, and what it uses. For the demos, the labs' checks, the tests, the benchmark
# and the transcripts of the pages.
#
# What is asked again and again starts no process. A function called X_of prints;
# find_X, state_of and now_ms leave their result in a variable, which they name. A
# process that is not there, or has no number, uses nothing and has ended.
#
# shellcheck disable=SC2034 # the variables are for the callers

# The form of a server's ready line.
READY='^listening on .* port [0-9]+$'

# The time in milliseconds, since some moment in the past, into MS.
now_ms() {
  MS=$((10#${EPOCHREALTIME/[.,]/} / 1000))
}

# Try a command until it succeeds; status 1 if it has not within MS milliseconds.
within() { # MS COMMAND...
  local end
  now_ms
  end=$((MS + $1))
  until "${@:2}"; do
    now_ms
    ((MS < end)) || return 1
    sleep 0.01
  done
}

# Set STATE to the letter of its state; status 1 if there is no such process. See
# proc(5), stat.
state_of() { # PID
  local stat=''
  # To its end: the name of a process can have a newline in it.
  { read -r -d '' stat <"/proc/${1:-none}/stat"; } 2>/dev/null || [[ $stat ]] || return 1
  stat=${stat##*) }
  STATE=${stat:0:1}
}

is_running() { # PID
  state_of "$1" && [[ $STATE != [ZX] ]]
}

has_ended() { # PID
  ! is_running "$1"
}

is_asleep() { # PID
  state_of "$1" && [[ $STATE == S ]]
}

# The processor time that processes have used, in ticks of 10 ms, into TICKS: see
# proc(5), stat.
find_ticks() { # PID...
  local pid stat fields
  TICKS=0
  for pid in "$@"; do
    stat=''
    { read -r -d '' stat <"/proc/${pid:-none}/stat"; } 2>/dev/null || [[ $stat ]] || continue
    read -r -a fields <<<"${stat##*) }"
    TICKS=$((TICKS + fields[11] + fields[12]))
  done
}

ticks_of() { # PID...
  local TICKS
  find_ticks "$@"
  echo "$TICKS"
}

# The resident memory of processes, in kB: see proc(5), statm, which counts pages of
# 4 kB.
memory_of() { # PID...
  local pid pages sum=0
  for pid in "$@"; do
    { read -r _ pages _ <"/proc/${pid:-none}/statm"; } 2>/dev/null || continue
    sum=$((sum + 4 * pages))
  done
  echo "$sum"
}

# A process and all that it has started, which still runs, into FAMILY: see proc(5),
# children. Processes that are excepted are left out with all that they have started.
find_family() { # PID [EXCEPT-PID...]
  local i list child children
  FAMILY=("$1")
  for ((i = 0; i < ${#FAMILY[@]}; i++)); do
    for list in /proc/"${FAMILY[i]}"/task/*/children; do
      children=()
      { read -r -a children <"$list"; } 2>/dev/null || ((${#children[@]} > 0)) || continue
      for child in "${children[@]}"; do
        [[ " ${*:2} " == *" $child "* ]] || FAMILY+=("$child")
      done
    done
  done
}

# Where a process stands in a file that it has open, in bytes, into POSITION; status 1
# if it has not. See proc(5), fdinfo. (All of a file in /proc has to be read: what is
# left of one, bash may give to the next that is read.)
find_position() { # PID DESCRIPTOR
  local text=''
  { read -r -d '' text <"/proc/${1:-none}/fdinfo/$2"; } 2>/dev/null || [[ $text ]] || return 1
  [[ $text =~ ^pos:[[:space:]]*([0-9]+) ]] && POSITION=${BASH_REMATCH[1]}
}

# The port in a server's ready line, into PORT; status 1 if it has not printed
# one yet.
find_port() { # LOG
  local line
  while IFS= read -r line; do
    [[ ! $line =~ $READY ]] || { PORT=${line##* } && return; }
  done 2>/dev/null <"$1"
  return 1
}

# End a child at once, without a message of bash.
end_child() { # PID
  { kill -KILL "$1" && wait "$1"; } 2>/dev/null || return 0
}

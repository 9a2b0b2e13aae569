# terminal.bash -- for tests of what a program does on a terminal: need_terminal in
# the test, and then on_terminal as often as it likes.

# Skip the test where no terminal can be made: a chroot and some build machines have
# no /dev/pts. (To be called by the test itself, not by `run` or in a subshell.)
need_terminal() {
  local words
  command -v script >/dev/null || skip "script(1), which makes terminals, is not installed"
  # Its exit status would be that of `true`, were there a terminal.
  words=$(script -qec true /dev/null 2>&1 </dev/null) ||
    skip "no terminal can be made here: ${words//[^[:print:]]/ }"
}

# Run a command on a terminal of its own. Standard input is typed
# there; its output goes to standard output, and into FILE as it comes.
# (Bash, whatever SHELL says: at Ctrl-C it waits for its command, and goes on.)
on_terminal() { # SHELL-TEXT [FILE]
  SHELL=$(command -v bash) timeout "${LIMIT:-60}" script -qefc "$1" "${2:-/dev/null}"
}

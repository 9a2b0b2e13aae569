# turn.bash -- what a short run tries: others with each commit, so that each gets its
# turn, and the same again when it is repeated.

# The number of commits; 0 where git does not know it.
turn() {
  git rev-list --count HEAD 2>/dev/null || echo 0
}

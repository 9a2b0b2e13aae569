# find-labs.bash -- which labs are meant by the words of a command line.
#
# shellcheck disable=SC2034 # FOUND is for the caller

# The folders of the labs that are named, or of all, into FOUND. A lab has the name of
# its folder, with its chapter's number before it or without. Ends the script with
# status 2 if there is no such lab. The working folder is the repository's root.
find_labs() { # [NAME...]
  local name lab
  FOUND=()
  (($# > 0)) || set -- chapters/*/labs/*/
  for name in "$@"; do
    name=${name%/}
    name=${name##*/}
    for lab in chapters/*/labs/"${name#[0-9][0-9]-}"; do
      [[ -f $lab/checks.bash ]] || { echo "${0##*/}: no lab $name; make labs lists them" >&2 && exit 2; }
      FOUND+=("$lab")
    done
  done
}

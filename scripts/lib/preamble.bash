# preamble.bash -- what each script does first: no setting of a user's shell may
# change what a script does. In setup, which is plain sh, the same is done in its
# own words.

# Posix mode lacks what the scripts use; the others change what cd, grep, tar, a
# pattern or a new shell does.
set +o posix +o noclobber +o noglob
unset POSIXLY_CORRECT CDPATH GREP_OPTIONS TAR_OPTIONS GLOBIGNORE BASH_ENV ENV \
  GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

# The reader's language stays; characters are UTF-8, as the pages are, and numbers
# and the order of names are the same everywhere.
keep_language() {
  local language=${LC_ALL:-${LC_MESSAGES:-${LANG-}}} name
  [[ $language == zh* ]] && language=zh_CN.UTF-8 || language=C.UTF-8
  for name in ${!LC_*}; do unset "$name"; done
  export LC_CTYPE=C.UTF-8 LANG=$language
}
keep_language 2>/dev/null # bash warns of a locale that the system lacks

# A descriptor that is closed would be given to a file, and what is printed with it.
{ : <&0; } 2>/dev/null || exec </dev/null
{ : >&1; } 2>/dev/null || exec >/dev/null
{ : >&2; } 2>/dev/null || exec 2>/dev/null

# A folder for temporary files that is not there, or cannot be written, is none.
if [[ ${TMPDIR-} ]]; then
  [[ $TMPDIR == /* ]] || TMPDIR=$PWD/$TMPDIR
  [[ -d $TMPDIR && -w $TMPDIR && -x $TMPDIR ]] || unset TMPDIR
fi

# language.bash -- in which language the tools of the labs speak: Chinese where
# the locale is, else English.
#
# A locale that the system does not have, or an encoding other than UTF-8, would spoil
# what the tools read and write. So the locale only chooses the language; all commands
# that are called from here on work in UTF-8 and print English.

if [[ ! ${LAB_LANGUAGE-} ]]; then
  LAB_LANGUAGE=en
  [[ ${LC_ALL:-${LC_MESSAGES:-${LANG-}}} != zh* ]] || LAB_LANGUAGE=zh
fi
export LAB_LANGUAGE LC_ALL=C.UTF-8 LANG=C.UTF-8
unset LC_MESSAGES LANGUAGE

is_chinese() {
  [[ $LAB_LANGUAGE == zh ]]
}

# Print a message in the reader's language.
say() { # EN ZH
  if is_chinese; then echo "$2"; else echo "$1"; fi
}

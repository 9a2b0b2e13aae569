# lab-language.bash -- in which language the tools of the labs speak: Chinese where
# the locale is, else English.

is_chinese() {
  [[ ${LC_ALL:-${LC_MESSAGES:-${LANG-}}} == zh* ]]
}

# All that is said is said in the reader's language.
say() { # EN ZH
  if is_chinese; then echo "$2"; else echo "$1"; fi
}

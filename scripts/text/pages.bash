# pages.bash -- the pages of the repository, and how a page is changed
#
# shellcheck disable=SC2034 # the scripts of this folder use pages

# Sets pages, from the root of the repository: those that can hold code, or with
# those of the labs too.
find_pages() { # code|all
  shopt -s nullglob
  pages=({README,CONTRIBUTING}*.md chapters/*.md chapters/*/*.md)
  [[ $1 != all ]] || pages+=(chapters/*/labs/*/*.md)
  pages+=(samples/*/README*.md)
  shopt -u nullglob
}

# Puts NEW in the place of FILE at one stroke.
replace() { # NEW FILE
  chmod --reference="$2" "$1"
  cp --preserve=mode "$1" "$2.new"
  mv -f "$2.new" "$2"
}

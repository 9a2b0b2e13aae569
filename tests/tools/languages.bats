# languages.bats -- scripts/text/languages, which holds the two languages together
#
# shellcheck disable=SC2016 # the backticks and $ are of sed and Markdown

setup() {
  load ../lib/course
  cd "$BATS_TEST_TMPDIR" || return
  mkdir ch
  cat >ch/README.md <<'END'
[中文](README.zh.md)

# 1. Install it

See [below](#how-it-works), [others](../OTHER.md#a-b) and [libevent][1].

> **Note**
> It is small.

## How it works

- one
- two `[no](link.md)`

```console
$ echo "one"
one
```

| call | what |
|---|---|
| `f` | does |

```mermaid
graph: client asks
```

[1]: https://libevent.org
END
  cat >ch/README.zh.md <<'END'
[English](README.md)

# 1. 安装

参见[下文](#工作原理怎样)、[其他](../OTHER.zh.md#甲乙)和 [libevent][1]。

> **注意**
> 它很小。

## 工作原理：怎样？

- 一
- 二

```console
$ echo "one"
one
```

| 函数 | 作用 |
|---|---|
| `f` | 做 |

```mermaid
graph: 客户端提问
```

[1]: https://libevent.org
END
  printf '# Others\n\n## A, B!\n' >OTHER.md
  printf '# 其他\n\n## 《“甲”》（乙）\n' >OTHER.zh.md
}

languages() { # [ARGUMENT]...
  "$ROOT/scripts/text/languages" "$@" ch/README.md
}

record() { # -- records both languages as they are
  languages --accept >accepted
}

edit() { # en|zh SED-SCRIPT -- changes a page, and checks that it did
  local page=ch/README.md
  [[ $1 == en ]] || page=ch/README.zh.md
  cp "$page" before
  sed -i -E "$2" "$page"
  ! cmp -s before "$page" || fail "no change: $2"
}

right() { # -- languages is content
  run languages
  assert_success
  refute_output
}

wrong() { # COMPLAINT... -- what languages says, whole
  run languages
  assert_failure 1
  assert_output "$(printf '%s\n' "$@")"
}

@test "languages takes pages that say the same, once they are recorded" {
  run languages --update
  assert_success
  assert_output 'recorded ch/README.zh.md'
  right
  run languages --update
  assert_success
  refute_output
}

@test "languages takes either page's name for the pair's" {
  record
  edit en 's/small/tiny/'
  run "$ROOT/scripts/text/languages" ch/README.zh.md ch/README.md
  assert_failure 1
  assert_equal "${#lines[@]}" 1
}

@test "languages complains of a missing record" {
  wrong 'ch/README.zh.md:10: there is no record of the sections; scripts/text/languages --update makes it'
}

@test "languages complains of a page without its partner" {
  rm ch/README.zh.md
  wrong 'ch/README.md:1: there is no ch/README.zh.md'
  run "$ROOT/scripts/text/languages" ch/nothing.zh.md
  assert_failure 1
  assert_output 'ch/nothing.zh.md:1: there is no ch/nothing.md'
}

@test "languages passes a page over that is in one language" {
  rm ch/README.zh.md
  printf '\n<!-- one language -->\n' >>ch/README.md
  right
}

@test "languages complains of a section that changed in English alone" {
  record
  edit en 's/small/tiny/'
  wrong 'ch/README.zh.md:3: section "1. 安装" changed in English and not in Chinese'
}

@test "languages complains of a section that changed in Chinese alone" {
  record
  edit zh 's/提问/问/'
  wrong 'ch/README.md:10: section "How it works" changed in Chinese and not in English'
}

@test "languages complains of a section that changed in both, until it is recorded" {
  record
  edit en 's/small/tiny/'
  edit zh 's/很小/极小/'
  wrong 'ch/README.zh.md:3: section "1. 安装" changed in both languages; scripts/text/languages --update records it'
  languages --update
  right
}

@test "languages --update refuses the sections that changed in one language alone" {
  record
  edit en 's/small/tiny/;s/- one/- first/'
  edit zh 's/- 一/- 甲/'
  run languages --update
  assert_failure 1
  assert_output 'ch/README.zh.md:3: section "1. 安装" changed in English and not in Chinese
recorded ch/README.zh.md'
  wrong 'ch/README.zh.md:3: section "1. 安装" changed in English and not in Chinese'
}

@test "languages --accept records a change in one language alone" {
  record
  edit en 's/small/tiny/'
  run languages --accept
  assert_success
  right
}

@test "languages does not mind how lines are broken, nor what commands print" {
  record
  edit en 's/^one$/1/;s/, \[others/,\n[others/;s/^```console/<!-- vary: s,1,N, -->\n&/'
  edit zh 's/^one$/1/;s/、\[其他/、\n[其他/'
  right
}

@test "languages sees a section that went" {
  record
  edit en '/^## How/,$d;s/\[below\]\(#how-it-works\)/below/'
  edit zh '/^## 工作/,/^\[1\]/d;s/\[下文\]\(#工作原理怎样\)/下文/'
  languages --update
  run grep -cE '^[0-9a-f]{8} [0-9a-f]{8} ' ch/README.zh.md
  assert_output 2
  edit zh '/^<!-- English/a 00000000 00000000 gone'
  wrong 'ch/README.zh.md:10: the record of the sections is old; scripts/text/languages --update renews it'
}

@test "languages complains of text below the record" {
  record
  echo 'More.' >>ch/README.zh.md
  wrong 'ch/README.zh.md:35: text below the record of the sections'
}

@test "languages complains of a heading of another level" {
  edit zh 's/^## /### /'
  wrong 'ch/README.zh.md:10: section "工作原理：怎样？" has level 3, in ch/README.md:10 it has level 2'
}

@test "languages complains of a heading that one page lacks" {
  printf '\n## More\n' >>ch/README.md
  wrong 'ch/README.md:30: section "More" has no counterpart in ch/README.zh.md'
  printf '\n## 更多\n\n## 再多\n' >>ch/README.zh.md
  wrong 'ch/README.zh.md:32: section "再多" has no counterpart in ch/README.md'
}

@test "languages complains of a block that one page lacks" {
  edit zh '/^```mermaid/,/^```$/d'
  wrong 'ch/README.zh.md:10: section "工作原理：怎样？" has 1 blocks, in ch/README.md:10 it has 2'
}

@test "languages complains of a block of another kind" {
  edit zh 's/^```console/```sh/'
  wrong 'ch/README.zh.md:15: the block is "sh", in ch/README.md:15 it is "console"'
}

@test "languages complains of a block with another text" {
  edit zh 's/echo "one"/echo one/'
  wrong 'ch/README.zh.md:16: the block differs from ch/README.md:16'
  edit zh 's/echo one/echo "one"/;s/^one$/one\n/'
  wrong 'ch/README.zh.md:18: the block differs from ch/README.md:18'
}

@test "languages complains of a drawing with more lines" {
  edit zh 's/^graph.*/&\n  more/'
  wrong 'ch/README.zh.md:24: the block has 2 lines, in ch/README.md:24 it has 1'
}

@test "languages complains of a block or a comment that is never closed" {
  edit zh '/^\[1\]/i ```text'
  wrong 'ch/README.zh.md:28: the block is never closed'
  edit zh '/^```text/,$d'
  echo '<!-- to be' >>ch/README.zh.md
  wrong 'ch/README.zh.md:28: a comment is never closed'
}

@test "languages complains of rows, items and notes that one page lacks" {
  edit zh '/^\| `f`/d;/^- 二/d'
  edit en 's/^> It/\n&/'
  wrong 'ch/README.zh.md:3: section "1. 安装" has 1 notes, in ch/README.md:3 it has 2' \
    'ch/README.zh.md:10: section "工作原理：怎样？" has 2 table rows, in ch/README.md:11 it has 3' \
    'ch/README.zh.md:10: section "工作原理：怎样？" has 1 list items, in ch/README.md:11 it has 2'
}

@test "languages complains of a link that one page lacks" {
  edit zh 's,libevent.org,libevent.net,'
  wrong \
    'ch/README.md:28: the link to https://libevent.org has no counterpart in ch/README.zh.md:10' \
    'ch/README.zh.md:28: the link to https://libevent.net has no counterpart in ch/README.md:10'
}

@test "languages complains of anchors that mean different headings" {
  edit en 's/#how-it-works/#1-install-it/'
  wrong \
    'ch/README.md:5: the link to #1-install-it has no counterpart in ch/README.zh.md:3' \
    'ch/README.zh.md:5: the link to #工作原理怎样 has no counterpart in ch/README.md:3'
}

@test "languages complains of an anchor that no heading makes" {
  edit en 's/#a-b/#ab/'
  edit zh 's/#甲乙/#ab/'
  run languages --accept
  assert_failure 1
  wrong 'ch/README.md:5: no heading in ch/../OTHER.md makes #ab' \
    'ch/README.zh.md:5: no heading in ch/../OTHER.zh.md makes #ab'
}

@test "languages knows the anchors of headings that are there twice" {
  printf '\n## A B\n' >>OTHER.md
  printf '\n## 甲乙\n' >>OTHER.zh.md
  edit en 's/#a-b/#a-b-1/'
  edit zh 's/#甲乙/#甲乙-1/'
  record
  right
}

@test "languages complains of a link to a file that is not there" {
  edit en 's,\[libevent\],[x](x.c)\n&,'
  edit zh 's,\[libevent\],[x](x.c)\n&,'
  run languages --update
  assert_failure 1
  assert_line 'recorded ch/README.zh.md'
  wrong 'ch/README.md:5: there is no x.c' 'ch/README.zh.md:5: there is no x.c'
  touch ch/x.c
  right
}

@test "languages complains of a Chinese page's link to an English page" {
  edit zh 's/OTHER.zh.md#甲乙/OTHER.md#a-b/'
  run languages --update
  wrong 'ch/README.zh.md:5: the link to ../OTHER.md leads to the English page'
  rm OTHER.zh.md
  right
}

@test "languages complains of an English page's link to a Chinese page" {
  edit en 's/OTHER.md#a-b/OTHER.zh.md#甲乙/'
  run languages --update
  wrong 'ch/README.md:5: the link to ../OTHER.zh.md leads to the Chinese page'
}

@test "languages --update and --accept write nothing while the pages differ" {
  edit zh '/^- 二/d'
  cp ch/README.zh.md before
  for mode in --update --accept; do
    run languages "$mode"
    assert_failure 1
    assert_output 'ch/README.zh.md:10: section "工作原理：怎样？" has 1 list items, in ch/README.md:10 it has 2'
    cmp ch/README.zh.md before
  done
}

@test "languages finds the pages of its repository by itself" {
  mkdir -p scripts/text chapters/01-x samples/y elsewhere
  cp -r "$ROOT/scripts/text" "$ROOT/scripts/lib" scripts
  for page in README.md chapters/A.md chapters/01-x/README.zh.md \
    samples/y/README.md elsewhere/README.md; do
    echo '# A' >"$page"
  done
  run scripts/text/languages
  assert_failure 1
  assert_output 'README.md:1: there is no README.zh.md
chapters/A.md:1: there is no chapters/A.zh.md
chapters/01-x/README.zh.md:1: there is no chapters/01-x/README.md
samples/y/README.md:1: there is no samples/y/README.zh.md'
}

@test "languages explains itself, and refuses arguments that it does not know" {
  run "$ROOT/scripts/text/languages" --help
  assert_success
  assert_line --index 0 'usage: languages [--update | --accept] [FILE...]'
  for arguments in --nonsense '--update --accept'; do
    # shellcheck disable=SC2086 # several arguments
    run "$ROOT/scripts/text/languages" $arguments
    assert_failure 2
  done
}

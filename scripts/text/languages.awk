# languages.awk -- compares English pages X.md with their Chinese X.zh.md
#
#   LC_ALL=C awk -v mode=check|update|accept -v dir=DIR -f languages.awk -- X.md...
#
# Faults are listed on stderr. On stdout come the links that lead to files
# ("link<tab>PAGE<tab>LINE<tab>FILE") and the Chinese pages whose record is new,
# which are written to DIR/N ("new<tab>N<tab>PAGE"). The status is 1 if anything
# was wrong. It works on bytes, so it needs LC_ALL=C.

function complain(page, at, what) {
  print page ":" at ": " what >"/dev/stderr"
  bad = 1
}

# A complaint about how the pages are built, which bars their record.
function broken(page, at, what) {
  complain(page, at, what)
  barred[current] = 1
}

# --- Links --------------------------------------------------------------------

# The anchor that GitHub makes from a heading: no mark-up and no
# punctuation, neither ASCII nor Chinese; hyphens for spaces.
function slug(title) {
  while (match(title, /\]\([^)]*\)/))
    title = substr(title, 1, RSTART - 1) substr(title, RSTART + RLENGTH)
  title = tolower(title)
  gsub(/[!-,.\/:-@[-^`{-~]/, "", title)
  gsub(/\302[\200-\277]|\303[\227\267]/, "", title)
  gsub(/\342[\200-\257][\200-\277]|\360\237[\200-\277][\200-\277]/, "", title)
  gsub(/\343\200[\200-\204\210-\277]/, "", title)
  gsub(/\357\274[\200-\217\232-\240\273-\277]/, "", title)
  gsub(/\357\275[\200\233-\245]/, "", title)
  gsub(/ /, "-", title)
  return title
}

# Which heading of a page an anchor means, counted from 1; 0 for none,
# -1 if the page cannot be read.
function anchor(page, name,    text, status, fence, n, key) {
  if (!(page in anchors)) {
    while ((status = (getline text <page)) > 0) {
      if (text ~ /^ *```/)
        fence = !fence
      if (fence || text !~ /^##* /)
        continue
      sub(/^#* */, "", text)
      sub(/[ #]*$/, "", text)
      key = slug(text)
      if ((page, key) in times)
        key = key "-" times[page, key]++
      else
        times[page, key] = 1
      heading[page, key] = ++n
    }
    close(page)
    anchors[page] = status
  }
  if (anchors[page] < 0)
    return -1
  return heading[page, name] + 0
}

# Takes a note of a link: in the form in which both languages have it.
function one_link(page, k, at, target,    path, name, file, n, key) {
  key = target
  if (target !~ /^[A-Za-z]+:/) {
    path = name = target
    sub(/#.*/, "", path)
    if (!sub(/^[^#]*#/, "", name))
      name = ""
    if (path != "")
      print "link\t" page "\t" at "\t" path
    key = path
    sub(/^\.\//, "", key)
    sub(/\.zh\.md$/, ".md", key)
    if (name != "" && (path == "" || path ~ /\.md$/)) {
      file = path == "" ? page : folder(page) path
      n = anchor(file, name)
      if (n == 0)
        complain(page, at, "no heading in " file " makes #" name)
      if (n > 0)
        name = n
    }
    if (name != "")
      key = key "#" name
  }
  if (!((page, k, key) in linked)) {
    linked[page, k, key] = 1
    n = ++links[page, k]
    link[page, k, n] = key
    link_at[page, k, n] = at
    link_text[page, k, n] = target
  }
}

function folder(page) {
  return page ~ /\// ? substr(page, 1, match(page, /[^\/]*$/) - 1) : ""
}

function all_links(page, k, at, text,    target) {
  gsub(/``([^`]|`[^`])*``/, "", text)
  gsub(/`[^`]*`/, "", text)
  if (text ~ /^ *\[[^]^][^]]*\]: *[^ ]/) {
    target = text
    sub(/^ *\[[^]]*\]: */, "", target)
    sub(/ .*/, "", target)
    one_link(page, k, at, target)
  }
  while (match(text, /\]\(([^() ]|\([^() ]*\))+|(href|src)="[^"]+/)) {
    target = substr(text, RSTART, RLENGTH)
    text = substr(text, RSTART + RLENGTH)
    sub(/^\]\(|^(href|src)="/, "", target)
    one_link(page, k, at, target)
  }
}

# --- Taking a page apart ------------------------------------------------------
#
# Section 0 is the text above the first heading. last[page] is the section
# that is being read, and when all is read, the last one.

function read_page(page,    text) {
  last[page] = 0
  heading_text[page, 0] = "(top)"
  head_at[page, 0] = 1
  while (!is_over[page] && (getline text <page) > 0) {
    lines[page]++
    one_line(page, text)
  }
  close(page)
  read_links(page)
  if (ticks[page])
    broken(page, block_at[page, last[page], blocks[page, last[page]]], "the block is never closed")
  if (comment[page])
    broken(page, comment_at[page], "a comment is never closed")
}

function one_line(page, text) {
  if (ticks[page]) {
    line_of_block(page, text)
  } else if (comment[page]) {
    line_of_comment(page, text)
  } else if (records[page] && text !~ /^ *$/) {
    broken(page, lines[page], "text below the record of the sections")
    is_over[page] = 1
  } else if (text ~ /^ *<!--/ && text !~ /-->/) {
    begin_comment(page, text)
  } else if (text ~ /^ *```/) {
    begin_block(page, text)
  } else if (text !~ /^ *(<!--.*--> *)+$/) {
    line_of_text(page, text)
  }
}

# A fenced block, which may be indented, in a list: ticks[page] is how many
# backticks have to end it.
function begin_block(page, text,    k, f, info) {
  info = text
  sub(/^ */, "", info)
  match(info, /^```+/)
  ticks[page] = RLENGTH
  sub(/^```+ */, "", info)
  k = last[page]
  f = ++blocks[page, k]
  block_at[page, k, f] = lines[page]
  block_info[page, k, f] = info
  prose[page, k] = prose[page, k] "\n```" info
  was[page] = ""
}

function line_of_block(page, text,    k, f, bare) {
  k = last[page]
  f = blocks[page, k]
  bare = text
  sub(/^ */, "", bare)
  if (bare ~ /^```+ *$/ && length(bare) >= ticks[page]) {
    ticks[page] = 0
    return
  }
  block[page, k, f, ++rows[page, k, f]] = text
  if (block_info[page, k, f] != "c" && block_info[page, k, f] != "console")
    prose[page, k] = prose[page, k] "\n" text
}

# A comment of several lines, one of which is the record.
function begin_comment(page, text) {
  comment[page] = "any"
  comment_at[page] = lines[page]
  if (text == opening) {
    comment[page] = "record"
    record_at[page] = lines[page]
    records[page] = 0
  }
}

function line_of_comment(page, text) {
  if (text ~ /-->/)
    comment[page] = ""
  else if (comment[page] == "record")
    record[page, ++records[page]] = text
}

function begin_section(page, text,    k) {
  k = ++last[page]
  head_at[page, k] = lines[page]
  match(text, /^#*/)
  level[page, k] = RLENGTH
  sub(/^#* */, "", text)
  heading_text[page, k] = text
}

function line_of_text(page, text,    k, m) {
  if (text ~ /^##* /)
    begin_section(page, text)
  k = last[page]
  if (text ~ /^ *\|/)
    count[page, k, "table rows"]++
  if (text ~ /^ *([-*+]|[0-9]+[.)]) /)
    count[page, k, "list items"]++
  if (text ~ /^ *>/ && was[page] !~ /^ *>/)
    count[page, k, "notes"]++
  if (text ~ /\]\(|\]:|="/) {
    m = ++linkings[page]
    linking[page, m] = text
    linking_at[page, m] = lines[page]
    linking_in[page, m] = k
  }
  prose[page, k] = prose[page, k] "\n" text
  was[page] = text
}

# Only now, since a link to a heading of the page itself reads the page again.
function read_links(page,    m) {
  for (m = 1; m <= linkings[page]; m++)
    all_links(page, linking_in[page, m], linking_at[page, m], linking[page, m])
}

# --- Comparing two pages ------------------------------------------------------

function named(page, k) {
  return "section \"" heading_text[page, k] "\""
}

function same_block(e, z, k, f,    i, where, n, drawn) {
  where = e ":" block_at[e, k, f]
  if (block_info[e, k, f] != block_info[z, k, f]) {
    broken(z, block_at[z, k, f], "the block is \"" block_info[z, k, f] \
      "\", in " where " it is \"" block_info[e, k, f] "\"")
    return
  }
  n = rows[e, k, f] + 0
  if (rows[z, k, f] + 0 > n)
    n = rows[z, k, f] + 0
  drawn = block_info[e, k, f] ~ /^(mermaid|text)/
  if (drawn && rows[e, k, f] + 0 != rows[z, k, f] + 0)
    broken(z, block_at[z, k, f], "the block has " rows[z, k, f] + 0 \
      " lines, in " where " it has " rows[e, k, f] + 0)
  for (i = 1; i <= n && !drawn; i++)
    if (block[e, k, f, i] "" != block[z, k, f, i] "" ||
        (i > rows[e, k, f] + 0) != (i > rows[z, k, f] + 0)) {
      broken(z, block_at[z, k, f] + i, "the block differs from " e ":" \
        block_at[e, k, f] + i)
      return
    }
}

function same_section(e, z, k,    i, f, n, m) {
  n = blocks[e, k] + 0
  m = blocks[z, k] + 0
  if (n != m)
    broken(z, head_at[z, k], named(z, k) " has " m " blocks, in " e ":" \
      head_at[e, k] " it has " n)
  for (f = 1; f <= n && n == m; f++)
    same_block(e, z, k, f)
  for (i = 1; i <= kinds; i++) {
    n = count[e, k, kind[i]] + 0
    m = count[z, k, kind[i]] + 0
    if (n != m)
      broken(z, head_at[z, k], named(z, k) " has " m " " kind[i] ", in " e \
        ":" head_at[e, k] " it has " n)
  }
  only_in(e, z, k)
  only_in(z, e, k)
}

# Complains of the links that just one of the pages has.
function only_in(page, other, k,    i) {
  for (i = 1; i <= links[page, k]; i++)
    if (!((other, k, link[page, k, i]) in linked))
      broken(page, link_at[page, k, i], "the link to " \
        link_text[page, k, i] " has no counterpart in " other ":" \
        head_at[other, k])
}

function same_pages(e, z,    k) {
  for (k = 1; k <= last[e] || k <= last[z]; k++) {
    if (k > last[e])
      broken(z, head_at[z, k], named(z, k) " has no counterpart in " e)
    else if (k > last[z])
      broken(e, head_at[e, k], named(e, k) " has no counterpart in " z)
    else if (level[e, k] != level[z, k])
      broken(z, head_at[z, k], named(z, k) " has level " level[z, k] ", in " \
        e ":" head_at[e, k] " it has level " level[e, k])
    else
      continue
    return
  }
  for (k = 0; k <= last[e]; k++)
    same_section(e, z, k)
}

# --- The record ---------------------------------------------------------------

# Writes a section as it is hashed: white space is folded, between Chinese
# characters it means nothing.
function write_section(page, k, file, blank,    text) {
  text = prose[page, k]
  gsub(/[ \t\n]+/, blank, text)
  print text >file
  close(file)
}

# Sets hash[FILE] for all sections that were written.
function read_hashes(    text, n, part, command) {
  command = "cd \"" dir "\" && sha256sum -- *.section"
  while ((command | getline text) > 0) {
    n = split(text, part, " ")
    hash[part[n]] = substr(part[1], 1, 8)
  }
  if (close(command) != 0) {
    print "languages: cannot hash the sections" >"/dev/stderr"
    exit 2
  }
}

# Compares the sections of a pair with what was recorded, and gives the
# record that follows from them.
function compare_record(p, e, z,
    i, k, part, old_e, old_z, both, he, hz, keep, all) {
  for (i = 1; i <= records[z]; i++) {
    split(record[z, i], part, " ")
    old_e[part[1]] = old_z[part[2]] = record[z, i]
    both[part[1], part[2]] = 1
  }
  for (k = 0; k <= last[e]; k++) {
    if (k == 0 && prose[e, 0] ~ /^[ \n]*$/ && prose[z, 0] ~ /^[ \n]*$/)
      continue
    he = hash[p "." k ".e.section"]
    hz = hash[p "." k ".z.section"]
    keep = he " " hz " " heading_text[e, k]
    gsub(/-->/, "", keep)
    if (mode != "accept" && !((he, hz) in both)) {
      if (he in old_e && !(hz in old_z)) {
        complain(e, head_at[e, k], named(e, k) \
          " changed in Chinese and not in English")
        keep = old_e[he]
      } else if (hz in old_z && !(he in old_e)) {
        complain(z, head_at[z, k], named(z, k) \
          " changed in English and not in Chinese")
        keep = old_z[hz]
      } else if (mode == "check" && records[z]) {
        complain(z, head_at[z, k], named(z, k) " changed in both languages;" \
          " scripts/text/languages --update records it")
      }
    }
    all = all keep "\n"
  }
  return all
}

# Writes a Chinese page with its new record.
function write_page(page, file, all,    text, n, blank) {
  while ((getline text <page) > 0 && ++n != record_at[page]) {
    if (text ~ /^ *$/) {
      blank = blank "\n"
      continue
    }
    print blank text >file
    blank = ""
  }
  close(page)
  print "\n" opening "\n" all "-->" >file
  close(file)
}

function check_record(p, e, z,    i, old, now, wrong) {
  if (!(z in record_at) && mode == "check") {
    complain(z, head_at[z, last[z]], "there is no record of the sections;" \
      " scripts/text/languages --update makes it")
    return
  }
  wrong = bad
  bad = 0
  now = compare_record(p, e, z)
  for (i = 1; i <= records[z]; i++)
    old = old record[z, i] "\n"
  if (now != old || !(z in record_at)) {
    if (mode == "check" && !bad)
      complain(z, record_at[z], "the record of the sections is old;" \
        " scripts/text/languages --update renews it")
    if (mode != "check") {
      write_page(z, dir "/" p, now)
      print "new\t" p "\t" z
    }
  }
  bad = bad || wrong
}

function read_pair(pair,    e, z, k) {
  e = ARGV[pair]
  z = chinese(e)
  read_page(e)
  read_page(z)
  if (!(pair in barred))
    same_pages(e, z)
  for (k = 0; k <= last[e] && !(pair in barred); k++) {
    write_section(e, k, dir "/" pair "." k ".e.section", " ")
    write_section(z, k, dir "/" pair "." k ".z.section", "")
    is_written = 1
  }
}

function chinese(page) {
  return substr(page, 1, length(page) - 3) ".zh.md"
}

function all_pairs(    i) {
  for (current = 1; current < ARGC; current++)
    read_pair(current)
  if (is_written)
    read_hashes()
  for (i = 1; i < ARGC; i++)
    if (!(i in barred))
      check_record(i, ARGV[i], chinese(ARGV[i]))
}

BEGIN {
  opening = "<!-- English, Chinese, section: kept by scripts/text/languages"
  kinds = split("table rows,list items,notes", kind, ",")
  all_pairs()
  exit bad
}

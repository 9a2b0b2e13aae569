# report.awk -- from the records of a run to the text of a report, a check after the
# other.
#
# zh, colour, machine: whether it is for a Chinese reader, a terminal, or a program.
# chapter: its folder; headings: those of its pages, each behind the page and in both
# languages, with tabs between them. For a program each check is points, total,
# visibility, title and text, each field ended by US (\037), each check by RS (\036).

function say(english, chinese) { return zh ? chinese : english }
function paint(code, text) { return colour ? "\033[" code "m" text "\033[0m" : text }
function line(label, value) { put("          " label "  " value) }
function put(text) { body = body text "\n" }
function percent() { return int(100 * got / total) }
function quote(text) { return text == "" ? say("nothing", "没有内容") : text }

# What a sanitizer has reported. A crash that was shown before is not shown again,
# except to a machine, which may show each check alone.
function crash() {
  if (report == "") return
  if (!machine && (report details) in told) {
    put("          " (report ~ /^LeakSanitizer/ ? say("the same leak as above", "与上面相同的泄漏") \
      : say("the same crash as above", "与上面相同的崩溃")))
  } else {
    line("sanitizer:", report)
    body = body details
  }
  told[report details] = 1
  report = details = ""
}
function detail(label, value) { details = details "          " label "  " value "\n" }

# All of a check is known: show it.
function show(passed) {
  crash()
  if (machine) {
    printf "%s\037%s\037%s\037%s\037%s\037\036", passed ? points : 0, points, visibility, title, steps body
  } else {
    mark = passed ? paint(32, "✓") : paint(31, "✗")
    print "  " mark " " title (visibility == "hidden" ? say(" [hidden]", " [隐藏]") : "") \
      say("  (" (passed ? points : 0) " of " points " points)", "  (" (passed ? points : 0) "/" points " 分)")
    if (!passed) printf "%s", steps
    printf "%s", body
  }
  got += passed ? points : 0
  steps = body = ""
}

BEGIN {
  n = split(headings, pair, "\n")
  for (i = 1; i <= n; i++) {
    split(pair[i], side, "\t")
    if (side[2] in section) continue
    page[side[2]] = side[1]
    section[side[2]] = zh ? side[3] : side[2]
  }
}
$1 == "total" { total = $2 }
$1 == "build" { building = 1 }
$1 == "build" && $2 != "ok" {
  broken = 1
  points = total; visibility = "visible"; title = zh ? $4 : $3
}
$1 == "check" {
  if (building && !machine) printf "%s", body
  building = 0
  visibility = $2; points = $4; read_on = $5; title = zh ? $7 : $6
  steps = body = ""
}
$1 == "pass" { steps = steps "      " paint(32, "✓") " " (zh ? $3 : $2) "\n" }
$1 == "fail" { put("      " paint(31, "✗") " " (zh ? $3 : $2)) }
$1 == "sent" { line(say("sent    ", "发送"), zh ? $3 : $2) }
$1 == "expected" { line(say("expected", "期望"), quote(zh ? $3 : $2)) }
$1 == "came" { nothing = $2 == ""; line(say("received", "收到"), quote(zh ? $3 : $2)) }
$1 == "mark" && !nothing {
  put(sprintf("          %*s%s", (zh ? 6 : 10) + $2, "", paint(31, "^") " " \
    ($3 > $4 + 0 ? say("too much from here on", "从这里起是多余的") \
      : say("byte " $3 " of " $4, "第 " $3 " 字节，共 " $4 " 字节"))))
}
$1 == "why" { put((broken ? "    " : "          ") (zh ? $3 : $2)) }
$1 == "shown" { put((building ? "    " : "          ") "| " $2) }
$1 == "report" { report = zh ? $3 : $2 }
$1 == "source" { detail($2, $3) }
$1 == "freed" { detail(say("freed at ", "释放于 ") $2, $3) }
$1 == "failed" {
  crash()
  if (read_on in section)
    put("      " say("read on: ", "参考：") chapter "/" page[read_on] (zh ? ".zh.md，" : ".md, ") \
      say("\"" section[read_on] "\"", "“" section[read_on] "”"))
  show(0)
}
$1 == "passed" { show(1) }
END {
  if (broken) show(0)
  # Without a total nothing was graded.
  if (!machine && total > 0)
    print say("score: " got + 0 " of " total " (" percent() " %)", "得分：" got + 0 "/" total "（" percent() "%）")
}

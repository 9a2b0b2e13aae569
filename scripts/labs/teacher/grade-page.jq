# grade-page.jq -- grades.json as a page that needs nothing else. $words holds the
# words in the reader's language.

include "grade-points";

def colour: if . == 100 then "all" elif . >= 50 then "some" else "few" end;
def median: sort | if length > 0 then .[length / 2 | floor] else 0 end;

def head:
  "<!DOCTYPE html>\n<html lang=\"\($words.lang)\"><head><meta charset=\"utf-8\"><title>\($words.title)</title><style>",
  "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}",
  "table{border-collapse:collapse;display:block;overflow-x:auto}th,td{border:1px solid #ccc;padding:.25em .6em;text-align:right}",
  "th:first-child,td:first-child{text-align:left}thead th{position:sticky;top:0;background:#fff}",
  ".all{background:#d8f0d8}.some{background:#fff3cd}.few{background:#f8d7da}",
  "pre{background:#f6f6f6;padding:1em;overflow:auto}summary{cursor:pointer}</style></head><body>";

def grades:
  "<h1>\($words.title)</h1><p>\(length) \($words.students) · \($words.median) \(map(.labs | percent) | median) %</p>",
  "<table><thead><tr><th>\($words.student)</th>",
  (.[0].labs[]? | "<th title=\"\(.title | @html)\">\(.lab | @html)</th>"),
  "<th>\($words.sum)</th><th>%</th></tr></thead><tbody>",
  (.[] | "<tr><td>\(.student | @html)</td>",
    (.labs[] | "<td class=\"\([.] | percent | colour)\">\([.] | points)/\([.] | total)</td>"),
    (.labs | "<td>\(points)/\(total)</td><td class=\"\(percent | colour)\">\(percent)</td></tr>")),
  "</tbody></table>";

def similar_lab($limit):
  "<h3>\(.lab | @html)</h3><p>\($words.compared): \(.compared)" +
    (if .why_not then " · \(.why_not | @html)"
    elif .pairs == [] then " · \($words.no_pair) \($limit) %"
    else "" end) + "</p>",
  (select(.pairs != []) | "<table><tbody>",
    (.pairs[:200][] | "<tr><td>\(.students[0] | @html)</td><td>\(.students[1] | @html)</td><td>\(.percent) %</td></tr>"),
    "</tbody></table>"),
  (select((.pairs | length) > 200) | "<p>\($words.more): \((.pairs | length) - 200)</p>");

def similar:
  "<h2 id=\"similar\">\($words.similar)</h2>",
  if .why_not then "<p>\($words.none_made)\(.why_not | @html)</p>" else
    "<p>\($words.note | @html)</p>",
    (.limit as $limit | .labs[] | similar_lab($limit))
  end;

def not_looked_at:
  select(length > 0) | "<h2 id=\"not-looked-at\">\($words.not_looked_at)</h2><table><tbody>",
  (.[] | "<tr><td>\(.name | @html)</td><td>\(.reason | @html)</td></tr>"),
  "</tbody></table>";

def details:
  .[] | "<h2>\(.student | @html)</h2>",
  (.labs[] | "<details><summary>\(.lab | @html): \([.] | points)/\([.] | total)</summary><pre>" +
    (.checks | map((if .points == .total then "✓ " else "✗ " end) + .name +
      (if .visibility == "hidden" then " [\($words.hidden)]" else "" end) + "\n" + .output) | add // "" | @html) +
    "</pre></details>");

head, (.students | grades), (.not_looked_at | not_looked_at), (.similar | similar),
(.students | details), "</body></html>"

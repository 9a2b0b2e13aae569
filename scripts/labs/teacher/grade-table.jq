# grade-table.jq -- grades.json as a table for a spreadsheet: $table is grades,
# similar or not_looked_at.

include "grade-points";

# A name that would be a formula there is made text.
def cell: gsub("[\\x00-\\x1f\\x7f]"; "?") | if test("^[-=+@]") then "\u0027" + . else . end;

def grades:
  .students |
  ["student"] + (.[0].labs | map(.lab)) + ["points", "total", "percent"],
  (.[] | [(.student | cell)] + (.labs | map([.] | points)) +
    [(.labs | points), (.labs | total), (.labs | percent)]);

def similar:
  ["lab", "student", "like", "percent"],
  (.similar.labs[] | .lab as $lab | .pairs[] | [$lab, (.students[] | cell), .percent]);

def not_looked_at:
  ["name", "reason"], (.not_looked_at[] | [(.name | cell), (.reason | cell)]);

if $table == "grades" then grades elif $table == "similar" then similar else not_looked_at end | @csv

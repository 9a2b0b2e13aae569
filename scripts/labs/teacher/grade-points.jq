# grade-points.jq -- sums over labs, for what else reads grades.json.

def points: map(.checks[].points) | add // 0;
def total: map(.checks[].total) | add // 0;
def percent: if total > 0 then 100 * points / total | floor else 0 end;

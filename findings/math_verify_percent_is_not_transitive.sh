#!/usr/bin/env bash
# math-verify: 72 % is equal to 72, and to 0.72, and these two are not equal.
#
# One would guess: two answers that are both equal to a third are equal, and "72%" is either 72 or 0.72.
#
# Seen: "72%" is parsed as 72 * (1/100), with the text "72" beside it. Against the whole number 72 the percent sign is left
# out, against 0.72 it divides by 100. So the gold answer "72%" accepts 72 and 0.72; the gold answer 72 accepts "72%" and
# refuses 0.72. Votes and clusters that are made with verify depend on the order of the answers. "72%" is not equal to 72.0,
# which is equal to 72.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the package; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check "math-verify[antlr4-13-2]==0.9.0"
fi
cd "$folder"
"$python" - <<'PROGRAM'
import sys
from importlib.metadata import version

from math_verify import parse, verify

print(f"math-verify {version('math-verify')}")
found = {}
for gold in ("72", "0.72", "72%"):
    for answer in ("72", "0.72", "72%"):
        found[gold, answer] = verify(parse(gold), parse(answer))
        print(f"gold {gold:5} answer {answer:5} {'equal' if found[gold, answer] else 'not equal'}")
found["72.0", "72%"] = verify(parse("72.0"), parse("72%"))
found["72.0", "72"] = verify(parse("72.0"), parse("72"))
print(f"gold 72.0  answer 72%: {found['72.0', '72%']}, answer 72: {found['72.0', '72']}")


def clusters(answers):
    """Each answer joins the first cluster whose first answer it is equal to: a majority vote's usual way to count."""
    groups = []
    for answer in answers:
        group = next((group for group in groups if verify(parse(group[0]), parse(answer))), None)
        groups.append([answer]) if group is None else group.append(answer)
    return groups


orders = [clusters(["72", "0.72", "72%"]), clusters(["72%", "72", "0.72"])]
for groups in orders:
    print("clusters:", groups)
different = {pair for pair, equal in found.items() if not equal}
as_seen = different == {("72", "0.72"), ("0.72", "72"), ("72.0", "72%")}
as_seen &= orders == [[["72", "72%"], ["0.72"]], [["72%", "72", "0.72"]]]
sys.exit(0 if as_seen else 1)
PROGRAM

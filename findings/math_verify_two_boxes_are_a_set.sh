#!/usr/bin/env bash
# math-verify: who corrects himself from one \boxed{} to the next has answered with a set of two.
#
# One would guess: of two boxes the last counts, as in the scripts of MATH, so a correction is judged by its last box.
#
# Seen: two boxes without $ around them are parsed together as {71, 72}, where the text between them has less than 70
# characters and a comma or "and" in it. So "So \boxed{71}. No, \boxed{72}." is wrong for 72, and right for a gold answer that is the set. The
# same correction without a comma is right, and so is the one with $ around the boxes.
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
for text in (
    r"So \boxed{71}. No, \boxed{72}.",
    r"So \boxed{71}. I forgot one and it is \boxed{72}.",
    r"So \boxed{71}. That is wrong: \boxed{72}.",
    r"So $\boxed{71}$. No, $\boxed{72}$.",
):
    taken = parse(text)
    found[text] = [verify(parse(gold), taken) for gold in ("72", r"$\{71, 72\}$")]
    print(f"{text:52} parsed {taken[0]!s:9} equal to 72: {found[text][0]}, to {{71, 72}}: {found[text][1]}")
as_seen = list(found.values()) == [[False, True], [False, True], [True, False], [True, False]]
sys.exit(0 if as_seen else 1)
PROGRAM

#!/usr/bin/env bash
# verl: a full stop behind the answer costs the whole reward of GSM8K, and bold type that of math_dapo.
#
# One would guess: "#### 72." is right for 72, as in lm-eval, from which the pattern is; the method "flexible" takes what
# "strict" takes, and more; a reward for "Answer: 72" does not depend on bold type.
#
# Seen: the pattern takes full stops, and nothing removes a last one, so "72." is compared with "72": reward 0, in both
# methods. "strict" removes commas and "flexible" does not: "#### 1,234" is right in the first and wrong in the second. Only
# the last 300 characters are read: an answer with 300 characters behind it has none. math_dapo, the default for AIME, gives
# -1 to "Answer: 72.", to "**Answer:** 72" and to "Answer: 72 apples", and 1 to "Answer: 72 points": a list of units is removed.
#
# Two files of verl, as they are in the package; the rest of verl is not imported. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the package; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps verl==0.9.1
fi
cd "$folder"
"$python" - <<'PROGRAM'
import importlib.util, sys
from importlib.metadata import distribution

package = distribution("verl")
print(f"verl {package.version}")


def load(name):
    place = package.locate_file(f"verl/utils/reward_score/{name}.py")
    spec = importlib.util.spec_from_file_location(name, place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gsm8k, math_dapo = load("gsm8k"), load("math_dapo")
texts = {
    "#### 72": "72", "#### 72.": "72", "#### $72": "72", "#### 72.0": "72", "#### 1,234": "1234",
    "#### 72\n" + "That is all. " * 25: "72",
}
found = {}
for text, gold in texts.items():
    found[text] = [gsm8k.compute_score(text, gold, method=method) for method in ("strict", "flexible")]
    taken = [gsm8k.extract_solution(text, method=method) for method in ("strict", "flexible")]
    print(f"gsm8k     {text[:24]!r:28} gold {gold:5} taken {taken!s:18} reward strict {found[text][0]}, flexible {found[text][1]}")
dapo = {}
for text in ("Answer: 72", "Answer: 72.", "**Answer:** 72", "Answer: 72 apples", "Answer: 72 points", r"Answer: \boxed{72}"):
    result = math_dapo.compute_score(text, "72")
    dapo[text] = result["score"]
    print(f"math_dapo {text!r:28} gold 72    taken {result['pred']!r:18} reward {result['score']}")
as_seen = list(found.values()) == [[1, 1], [0, 0], [0, 1], [0, 0], [1, 0], [0, 0]]
as_seen &= list(dapo.values()) == [1, -1, -1, -1, 1, 1]
sys.exit(0 if as_seen else 1)
PROGRAM

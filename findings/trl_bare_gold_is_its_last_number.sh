#!/usr/bin/env bash
# TRL: accuracy_reward pays 0 for the right answer and 1 for its last number, if the gold answer has no $ around it.
#
# One would guess: the reward of \boxed{x^2 + 1} for the gold answer x^2 + 1 is 1, and a gold answer that cannot be read is
# skipped, as the documentation says.
#
# Seen: the gold answer is searched for an answer, as a completion is. Without LaTeX marks that is its last number, so the
# gold answers "x^2 + 1", "(1, 2)" and "3:4" become 1, 2 and 3: the right answer earns 0, and \boxed{1}, \boxed{2} and
# \boxed{3} earn 1. Nothing is skipped and nothing is said; only the column gold_parsed of the logged completions shows it.
# With $ around the gold answer all is right. A completion without LaTeX, "The answer is 72.", earns 0 for the gold answer 72.
#
# The reward function is TRL's. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 trl==1.16.0 \
    "math-verify[antlr4-13-2]==0.9.0"
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

from trl.rewards import accuracy_reward

print(*(f"{name} {version(name)}" for name in ("trl", "math-verify")), sep=", ")


def reward(text, gold):
    seen = {}
    (earned,) = accuracy_reward([[{"role": "assistant", "content": text}]], [gold], log_extra=seen.__setitem__)
    return earned, seen["gold_parsed"][0]


found = []
for gold, last in (("x^2 + 1", "1"), ("(1, 2)", "2"), ("3:4", "3"), ("2 hours and 30 minutes", "30")):
    right, parsed = reward(rf"\boxed{{{gold}}}", gold)
    number, _ = reward(rf"\boxed{{{last}}}", gold)
    marked, _ = reward(rf"\boxed{{{gold}}}", f"${gold}$")
    found.append((right, number, marked))
    print(f"gold {gold:23} parsed {parsed:12} the right answer {right}, \\boxed{{{last}}} {number}, with $ around the gold {marked}")
plain = {text: reward(text, "72")[0] for text in ("The answer is 72.", "#### 72", r"The answer is \boxed{72}.")}
for text, earned in plain.items():
    print(f"gold 72  {text:26} {earned}")
as_seen = found == [(0.0, 1.0, 1.0)] * 4 and list(plain.values()) == [0.0, 0.0, 1.0]
sys.exit(0 if as_seen else 1)
PROGRAM

#!/usr/bin/env bash
# math-verify: a word in \boxed{} is a product of letters, so "east" is right for "seat", and BA for AB.
#
# One would guess: an answer that is a word or a label is compared as text.
#
# Seen: without \text{} the letters of a word are multiplied, in any order and without regard to capitals. So another word
# with the same letters is right: listen for silent, east for seat, Amy for May, and BA for AB. TRL's accuracy_reward
# compares with it. With \text{} on both sides words are compared as words.
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
found = []
for gold, answer in (
    ("silent", "listen"), ("seat", "east"), ("May", "Amy"), ("AB", "BA"), ("yes", "no"),
    (r"\text{silent}", r"\text{listen}")
):
    read = [parse(rf"\boxed{{{text}}}") for text in (gold, answer)]
    found.append(verify(*read))
    print(f"gold {gold:14} answer {answer:14} read as {read[0][0]!s:14} and {read[1][0]!s:14} equal: {found[-1]}")
sys.exit(0 if found == [True] * 4 + [False] * 3 else 1)
PROGRAM

#!/usr/bin/env bash
# inspect-ai: match(numeric=True) calls 123456 right for 123457, and match() calls 172 right for 72.
#
# One would guess: numeric=True compares numbers, and location="end" compares what stands at the end.
#
# Seen: numeric=True writes both numbers with five significant digits and compares these: every answer from 123455 to
# 123465 is right for 123460, 100004 for 100000, and 72.0001 for 72. Without numeric the completion has to end with the
# characters of the target: 172, -72 and 3.72 are right for 72, "casino" is right for "no", and "72 clips" is wrong.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the package; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check inspect-ai==0.3.285
fi
cd "$folder"
"$python" - <<'PROGRAM'
import asyncio, sys
from importlib.metadata import version
from types import SimpleNamespace

from inspect_ai.scorer import CORRECT, Target, match

print(f"inspect-ai {version('inspect-ai')}")


def is_correct(completion, target, **options):
    state = SimpleNamespace(output=SimpleNamespace(completion=completion))
    correct = asyncio.run(match(**options)(state, Target(target))).value == CORRECT
    print(f"{options or 'default'!s:18} target {target:7} completion {completion!r:24} {'CORRECT' if correct else 'INCORRECT'}")
    return correct


numeric = [
    [is_correct(f"The answer is {n}", target, numeric=True) for n in numbers]
    for target, numbers in {
        "123457": (123456, 123457, 123459, 123467), "100000": (100004, 100006), "12345": (12346,), "72": (172, 72.0001),
    }.items()
]
text = [is_correct(completion, "72") for completion in ("The answer is 172", "The answer is -72", "It is 3.72.", "72 clips")]
text.append(is_correct("We went to the casino.", "no"))
between = [n for n in range(123440, 123480) if asyncio.run(
    match(numeric=True)(SimpleNamespace(output=SimpleNamespace(completion=str(n))), Target("123460"))).value == CORRECT]
print(f"right for 123460: {between[0]} to {between[-1]}, {len(between)} numbers")
as_seen = numeric == [[True, True, True, False], [True, False], [False], [False, True]]
as_seen &= text == [True, True, True, False, True]
sys.exit(0 if as_seen else 1)
PROGRAM

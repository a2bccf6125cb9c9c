#!/usr/bin/env bash
# evalplus: a completion that corrects its function is judged by the function before the correction.
#
# One would guess: of two functions with one name the last counts, as in Python, and as a reader would take the answer.
#
# Seen: sanitize keeps the longest run of lines that is Python, and of it the FIRST function of each name. So a wrong add and
# below it a right one becomes the wrong one, where Python would run the right one. Of two code blocks with words between
# them the longer one is kept, and the first if both are as long. evalplus.codegen writes what sanitize returns, and this
# is what is tested.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the package; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --disable-pip-version-check"
  $pip --no-deps evalplus==0.3.1
  $pip tree_sitter==0.26.1 tree_sitter_python==0.25.0 tqdm numpy psutil wget appdirs tempdir multipledispatch datasets
fi
cd "$folder"
"$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

from evalplus.sanitize import sanitize

print(f"evalplus {version('evalplus')}")
wrong, right = "def add(a, b):\n    return a - b\n", "def add(a, b):\n    return a + b\n"
longer = "def add(a, b):\n    total = a + b\n    return total\n"
completions = {
    "one block, wrong, then right": f"```python\n{wrong}\n{right}```\n",
    "two blocks, wrong, then right": f"First:\n```python\n{wrong}```\nNo, it subtracts:\n```python\n{right}```\n",
    "two blocks, the right one is longer": f"First:\n```python\n{wrong}```\nNo, it subtracts:\n```python\n{longer}```\n",
}
found = []
for what, completion in completions.items():
    kept = sanitize(completion, entrypoint="add")
    namespace = {}
    exec(kept, namespace)
    found.append(namespace["add"](3, 2))
    print(f"{what:36} kept {kept.splitlines()[-1].strip()!r:16} add(3, 2) = {found[-1]}")
plain = {}
exec(wrong + right, plain)
print(f"{'Python itself, wrong, then right':36} add(3, 2) = {plain['add'](3, 2)}")
sys.exit(0 if found == [1, 1, 5] and plain["add"](3, 2) == 5 else 1)
PROGRAM

#!/usr/bin/env bash
# verl: the file logger writes NaN and infinity as null, and a run that is resumed deletes what was logged before.
#
# One would guess: with trainer.logger=["file"] the JSONL holds what the console shows, also a gradient norm that is NaN
# or infinite; and after a resume the rows of the second part stand behind those of the first.
#
# Seen: NaN, infinity and minus infinity are all null, so a scalar that exploded cannot be told from one that has no
# value; the console shows nan and inf. Each start opens the file for writing: a resumed run begins with an empty one.
# The console prints numpy's numbers as np.float64(1e-06), the file as 1e-6.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --disable-pip-version-check"
  $pip torch==2.13.0 transformers==5.23.0 ray tensordict==0.10.0 omegaconf hydra-core codetiming dill pandas pillow \
    cachetools orjson
  $pip --no-deps verl==0.9.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import contextlib, io, json, math, sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from verl.utils.tracking import Tracking

print(f"verl {version('verl')}, numpy {np.__version__}")


def run(steps, **scalars):
    """What a part of a run shows on the console."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        logger = Tracking("project", "run", ["file", "console"])
        for step in steps:
            logger.log(data={f"actor/{name}": value for name, value in scalars.items()}, step=step)
        logger.finish()
    return shown.getvalue().splitlines()[-1]


shown = run((1, 2), grad_norm=math.nan, loss=math.inf, entropy=-math.inf, lr=np.float64(1e-6))
lines = Path("project/run.jsonl").read_text().splitlines()
print(f"console: {shown}\nfile:    {lines[-1]}")
data = json.loads(lines[-1])["data"]
nulls = [data[f"actor/{name}"] is None for name in ("grad_norm", "loss", "entropy")]
run((3, 4), loss=0.5)  # as after a resume from step 2
after = [json.loads(line)["step"] for line in Path("project/run.jsonl").read_text().splitlines()]
print(f"steps in the file: {len(lines)} after the first part, {after} after the second")
if not all(nulls) or "grad_norm:nan" not in shown or "np.float64" not in shown or after != [3, 4]:
    sys.exit("this has changed: the file logger no longer writes null for NaN, or keeps the rows of the first part")
print("as described: NaN and infinity are null in the file, and a resumed run deletes the rows before")
PROGRAM

#!/usr/bin/env bash
# pass@k for a k above the number of samples is 1.0 where none of them is right, in lighteval and in evalplus.
#
# One would guess: what cannot be estimated from the samples is an error, or at least not a perfect score.
#
# Seen: both ask `n - c < k` first, which means "every k of the n samples hold a right one" as long as k is at most n. Above
# n it is always true. lighteval's pass@k with k=8 and n=4 draws four samples, and every problem scores 1.0. evalplus's
# function gives 1.0 for 3 samples, none right, and k=5; its own command reports only a k that all problems have samples for.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check lighteval==0.13.0
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps evalplus==0.3.1
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

from evalplus.eval import estimate_pass_at_k
from lighteval.metrics.metrics import Metrics
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.requests import Doc

print(*(f"{name} {version(name)}" for name in ("lighteval", "evalplus")), sep=", ")
doc = Doc(query="What is 48 + 24?", choices=["72"], gold_index=0)
found = {}
for k in (1, 4, 5, 8):
    metric = Metrics.pass_at_k(sample_params={"k": k, "n": 4})
    samples = metric.sample_level_fn.num_samples()
    (lighteval,) = metric.compute_sample(doc=doc, model_response=ModelResponse(text=["71"] * samples)).values()
    (evalplus,) = estimate_pass_at_k(4, [0], k)
    found[k] = (samples, float(lighteval), float(evalplus))
    print(f"{samples} samples, none right, k = {k}: lighteval {float(lighteval)}, evalplus {float(evalplus)}")
as_seen = found == {1: (4, 0.0, 0.0), 4: (4, 0.0, 0.0), 5: (4, 1.0, 1.0), 8: (4, 1.0, 1.0)}
sys.exit(0 if as_seen else 1)
PROGRAM

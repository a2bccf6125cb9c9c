#!/usr/bin/env bash
# lighteval: its MATH tasks call an answer right only where the whole solution is the gold one, word for word.
#
# One would guess: maj@4 of the task math:algebra takes the boxed answer of four completions, votes, and compares the winner
# with the boxed answer of the gold solution: that is what the normaliser in the task's options does.
#
# Seen: the task passes the normaliser as normalize_pred and normalize_gold, and the metric reads an option of another name,
# normalize. No option is refused, so nothing is normalised: whole completions vote, and the winner is compared with the
# whole gold solution. Four right answers in other words score 0, and so does the gold solution with spaces around its =.
#
# The task and its metric are lighteval's own; no data set is loaded. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the package; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check lighteval==0.13.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

from lighteval.models.model_output import ModelResponse
from lighteval.tasks.tasks.math import math_algebra, math_normalizer

print(f"lighteval {version('lighteval')}")
(metric,) = math_algebra.metrics
options = vars(metric.sample_level_fn)
print({name: getattr(options[name], "__name__", options[name]) for name in ("normalize", "normalize_pred", "normalize_gold")})
doc = math_algebra.prompt_function({"problem": "What is 48 + 24?", "solution": r"We get $48+24=\boxed{72}$."}, "math:algebra")
found = {}
for completion in (r"We get $48+24=\boxed{72}$.", r"We get $48+24 = \boxed{72}$.", r"The sum is $\boxed{72}$."):
    (found[completion],) = metric.compute_sample(doc=doc, model_response=ModelResponse(text=[completion] * 4)).values()
    print(f"{completion:30} normaliser {math_normalizer(completion)}, gold {math_normalizer(doc.choices[0])}, maj@4 {found[completion]}")
three_of_four = [r"The sum is $\boxed{72}$.", r"So \boxed{72}.", r"It is \boxed{72}.", r"We get $48+24=\boxed{72}$."]
(vote,) = metric.compute_sample(doc=doc, model_response=ModelResponse(text=three_of_four)).values()
print("four right answers, the last one as in the gold solution: maj@4", vote)
as_seen = list(found.values()) == [1, 0, 0] and vote == 0 and options["normalize"] is None
as_seen &= all(math_normalizer(completion) == "72" for completion in [*found, *three_of_four])
sys.exit(0 if as_seen else 1)
PROGRAM

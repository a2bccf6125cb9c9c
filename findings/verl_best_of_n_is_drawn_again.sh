#!/usr/bin/env bash
# verl: best@8 of eight responses, of which one is right, is not 1 but about 0.65.
#
# One would guess: best@8 of eight responses is the best of them, and maj@8 is what the vote of the eight says.
#
# Seen: both are means over 1000 draws of eight WITH replacement from the eight. So best@N is 1 - (1 - c/n)^N and a little
# noise, for c right responses of n: too low for pass@N on average, and most where few are right. The estimator of the Codex
# paper (2107.03374) says 1. A right answer that has four votes of eight, against four wrong ones with one each, wins the
# vote, and maj@8 is about 0.8. These are the numbers that verl logs as val-core/.../best@N/mean and maj@N/mean.
#
# The function is verl's, with its defaults. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --disable-pip-version-check"
  $pip torch==2.13.0 transformers==5.23.0 ray tensordict==0.10.0 omegaconf hydra-core codetiming dill pandas pillow \
    cachetools
  $pip --no-deps verl==0.9.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version
from math import comb

from verl.trainer.ppo.metric_utils import process_validation_metrics

print(f"verl {version('verl')}")


def metrics(right, answers):
    n = len(right)
    values = {"acc": [float(each) for each in right], "pred": answers}
    return process_validation_metrics(["openai/gsm8k"] * n, ["one problem"] * n, values)["openai/gsm8k"]["acc"]


close = []
for n, c in ((8, 1), (8, 2), (16, 1)):
    found = metrics([True] * c + [False] * (n - c), ["72"] * c + ["71"] * (n - c))
    for k in (2, n):
        drawn_again, unbiased = 1 - (1 - c / n) ** k, 1 - comb(n - c, k) / comb(n, k)
        best = found[f"best@{k}/mean"]
        close.append(abs(best - drawn_again) < 0.05)
        print(f"{c} of {n:2} right  best@{k:<2} {best:.3f}   1 - (1 - c/n)^k {drawn_again:.3f}   unbiased {unbiased:.3f}")
few = metrics([True] + [False] * 7, ["72"] + ["71"] * 7)
vote = metrics([True] * 4 + [False] * 4, ["72"] * 4 + ["70", "71", "73", "74"])
print(f"right answer with 4 votes of 8, the others with 1 each: maj@8 {vote['maj@8/mean']:.3f}, the vote itself: right")
as_seen = all(close) and few["best@8/mean"] < 0.7 and 0.75 < vote["maj@8/mean"] < 0.85
sys.exit(0 if as_seen else 1)
PROGRAM

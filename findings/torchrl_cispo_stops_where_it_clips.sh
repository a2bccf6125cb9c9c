#!/usr/bin/env bash
# torchrl: tokens that CISPOLoss clips have no gradient, fewer tokens are trained than with PPO.
#
# One would guess: CISPO clips the weight of a token and keeps its gradient. That is what the method was made for: rare
# tokens, whose ratio moves far, are trained at every step (2506.13585).
#
# Seen: the ratio is clipped and not detached, and log-probs are nowhere else in the loss, so a clipped token has a
# gradient of 0. PPO's minimum keeps the gradient of a token that has moved against its advantage, so that it comes back;
# torchrl's CISPO stops this one too. Of six tokens with ratios of 0.5, 1 and 2, CISPO as published trains six, PPO four,
# and torchrl's CISPO two.
#
# The objective is the method of torchrl's CISPOLoss, with its defaults, and of its GRPOLoss for PPO. Exits with 1 if this
# changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 torchrl==0.14.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

import torch
from torchrl.objectives.llm import CISPOLoss, GRPOLoss

print(*(f"{name} {version(name)}" for name in ("torchrl", "tensordict", "torch")), sep=", ")
ratios = torch.tensor([0.5, 1.0, 2.0, 0.5, 1.0, 2.0])
advantages = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
old = torch.full((6,), 0.2).log()
print(f"clip_epsilon {CISPOLoss().clip_epsilon_low.item():.1f}, {CISPOLoss().clip_epsilon_high.item():.1f}")


def of_torchrl(kind):
    return lambda logp: kind()._compute_policy_objective(logp - old, advantages)[0]


def published(logp):
    weight = (logp - old).exp().clamp(1 - 0.2, 1 + 0.2).detach()
    return -weight * advantages * logp


found = {}
for name, loss in {"CISPO, published": published, "PPO, GRPOLoss": of_torchrl(GRPOLoss),
                   "CISPO, CISPOLoss": of_torchrl(CISPOLoss)}.items():
    logp = (old + ratios.log()).requires_grad_()
    (found[name],) = torch.autograd.grad(loss(logp).sum(), logp)
    print(f"{name:17} gradient for A = 1 {[round(x, 2) for x in found[name][:3].tolist()]} and for A = -1 "
          f"{[round(x, 2) for x in found[name][3:].tolist()]}, at ratios of 0.5, 1 and 2")
trained = {name: int((gradient != 0).sum()) for name, gradient in found.items()}
print("tokens with a gradient:", trained)
sys.exit(0 if list(trained.values()) == [6, 4, 2] else 1)
PROGRAM

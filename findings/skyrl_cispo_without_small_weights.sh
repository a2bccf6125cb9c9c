#!/usr/bin/env bash
# SkyRL: of a token that became less likely, cispo counts the whole and rollout_is nothing. CISPO's weight is its ratio.
#
# One would guess: cispo weighs log p by the ratio, cut from above, as in 2506.13585, where the lower bound is not used. And
# rollout_is, "the same as cispo" with other log-probs and with zeros in place of the cut, which "does not change the gradient".
#
# Seen: the bounds of cispo are 1 - cispo_eps_clip_low and 1 + cispo_eps_clip_high, and the defaults are 0 and 5: no weight is
# below 1. A ratio of 0.01 counts as 1, as if the token were on-policy; cispo_eps_clip_low=1 gives the paper's weights.
# rollout_is has the bounds of PPO, 0.8 and 1.2, and the gradient is 0 outside: for a ratio of 10 too, where cispo has 6.
# The zero stands in the gradient too, not only in the value of the loss.
#
# The losses are those of SkyRL's registry, with its defaults. Three packages of SkyRL are entered without their __init__, which
# imports more. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --no-compile --disable-pip-version-check"
  $pip torch==2.13.0 numpy omegaconf pyyaml jaxtyping loguru ray==2.56.0 pandas func_timeout requests
  $pip --no-deps skyrl==0.3.0 skyrl-gym==0.4.0
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import importlib.util, os, sys
from importlib.metadata import version
from types import ModuleType

(HOME,) = importlib.util.find_spec("skyrl").submodule_search_locations
for name in ("skyrl.backends", "skyrl.backends.skyrl_train", "skyrl.backends.skyrl_train.utils"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [os.path.join(HOME, *name.split(".")[1:])]

import torch
from skyrl.backends.skyrl_train.utils.ppo_utils import PolicyLossRegistry
from skyrl.train.config import AlgorithmConfig, CISPOConfig

print(f"skyrl {version('skyrl')}, torch {version('torch')}")
RATIOS = [0.01, 0.5, 0.9, 1.1, 2.0, 10.0]


def weights(name, config):
    """What log p is multiplied by, for tokens with advantage 1. The sampler's log-probs are the old ones."""
    ratios = torch.tensor([RATIOS])
    old, ones = torch.full_like(ratios, -5.0), torch.ones_like(ratios)
    policy = (old + ratios.log()).requires_grad_()
    PolicyLossRegistry.get(name)(policy, old, ones, config, ones, old)[0].backward()
    return [round(-each, 3) for each in policy.grad[0].tolist()]


cases = {
    "cispo": ("cispo", AlgorithmConfig(), [1.0, 1.0, 1.0, 1.1, 2.0, 6.0]),
    "rollout_is": ("rollout_is", AlgorithmConfig(), [0.0, 0.0, 0.9, 1.1, 0.0, 0.0]),
    "cispo, cispo_eps_clip_low=1": (
        "cispo", AlgorithmConfig(cispo=CISPOConfig(cispo_eps_clip_low=1.0)), [0.01, 0.5, 0.9, 1.1, 2.0, 6.0]
    ),
}
print(f"{'ratio':30}", RATIOS)
as_seen = True
for label, (name, config, expected) in cases.items():
    found = weights(name, config)
    as_seen &= found == expected
    print(f"{label:30}", found)
sys.exit(0 if as_seen else 1)
PROGRAM

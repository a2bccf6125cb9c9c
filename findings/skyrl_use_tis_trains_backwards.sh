#!/usr/bin/env bash
# SkyRL: use_tis=true alone turns the sign of the policy loss, so right answers become less likely.
#
# One would guess: trainer.algorithm.use_tis=true multiplies each token by the old policy's probability over the sampler's,
# cut at a bound of about 2, and a deprecated name of an option does the same as its new name.
#
# Seen: the bound is tis_imp_ratio_cap, whose default is -1, and validate_cfg copies it over the new option's default of 2.
# Ratios are above 0, so all are cut to -1. The gradient of a token with advantage 1 is +1 instead of -1.1 and -0.6: the
# optimizer lowers its probability. The new option off_policy_correction.tis_ratio_type=token alone is fine, and so is use_tis
# with tis_imp_ratio_cap=2. The one sign of it: a warning at the start names token_tis_ratio_clip_high=-1.0, and the metric
# tis_token_clip_high_ratio is 1.0.
#
# The config is read and checked by SkyRL, and the loss is the one of its registry. Three packages of SkyRL are entered without
# their __init__, which imports more. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --no-compile --disable-pip-version-check"
  $pip torch==2.13.0 numpy omegaconf pyyaml jaxtyping loguru ray==2.56.0 pandas func_timeout requests aiohttp
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
from skyrl.train.config import SkyRLTrainConfig
from skyrl.train.utils.utils import validate_cfg

print(f"skyrl {version('skyrl')}, torch {version('torch')}")


def gradient(*options):
    """Of the default loss, at two tokens with advantage 1, whose old probabilities are 1.1 and 0.61 times the sampler's."""
    config = SkyRLTrainConfig.from_cli_overrides(["trainer.logger=console"] + [f"trainer.algorithm.{each}" for each in options])
    validate_cfg(config)
    algorithm = config.trainer.algorithm
    old, sampler, ones = torch.tensor([[-1.0, -1.0]]), torch.tensor([[-1.1, -0.5]]), torch.ones(1, 2)
    policy = old.clone().requires_grad_()
    loss_of = PolicyLossRegistry.get(algorithm.policy_loss_type)
    loss, metrics = loss_of(policy, old, ones, algorithm, ones, sampler)
    loss.backward()
    result = [round(each, 2) for each in policy.grad[0].tolist()]
    print(f"{' '.join(options) or 'no option':50} bound {algorithm.off_policy_correction.token_tis_ratio_clip_high:4}, gradient "
          f"{result}, share that is cut {metrics.get('tis_token_clip_high_ratio', '-')}")
    return result


corrected = [-1.11, -0.61]
seen = gradient("use_tis=true") == [1.0, 1.0]
seen &= gradient() == [-1.0, -1.0]
seen &= gradient("use_tis=true", "tis_imp_ratio_cap=2.0") == corrected
seen &= gradient("off_policy_correction.tis_ratio_type=token") == corrected
sys.exit(0 if seen else 1)
PROGRAM

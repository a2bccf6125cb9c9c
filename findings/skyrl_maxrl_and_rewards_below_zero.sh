#!/usr/bin/env bash
# SkyRL: with maxrl and its own AIME environment, the right answers of most groups are pushed down.
#
# One would guess: an advantage divided by the group's mean keeps its sign, since a mean reward is the share of right answers.
#
# Seen: advantage_estimator=maxrl divides the distance to the mean by the mean plus 1e-6, whatever its sign. The AIME
# environment pays 1 and -1, so the mean is below 0 where fewer than half are right: of eight with one right answer, that one
# gets -2.333 and each wrong one +0.333. Where half are right the mean is 0, and the advantages are a million. Of eight, only
# five to seven right answers are treated as one would expect. Paid 1 and 0, the one right answer gets +7.
#
# The rewards are the environment's, and the estimator is the one of SkyRL's registry. Three packages of SkyRL are entered
# without their __init__, which imports more. Exits with 1 if this changes.
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

import numpy as np
import skyrl_gym
import torch
from omegaconf import DictConfig
from skyrl.backends.skyrl_train.utils.ppo_utils import compute_advantages_and_returns
from skyrl.train.config import AlgorithmConfig

print(*(f"{name} {version(name)}" for name in ("skyrl", "skyrl-gym", "torch")), sep=", ")
SIZE = 8


def reward(answer):
    extras = {"reward_model": {"method": "rule", "ground_truth": "72"}}
    env = skyrl_gym.make("aime", env_config=DictConfig({}), extras=extras)
    env.init([{"role": "user", "content": "How much is 8 times 9?"}])
    return env.step(f"Eight times nine.\nAnswer: {answer}")["reward"]


def advantages(right, good, bad):
    """Of a right and of a wrong answer, in a group of eight."""
    rewards = torch.tensor([[good]] * right + [[bad]] * (SIZE - right))
    config = AlgorithmConfig(advantage_estimator="maxrl")
    options = {"index": np.zeros(SIZE, dtype=int), "adv_estimator": config.advantage_estimator, "config": config}
    found, _ = compute_advantages_and_returns(rewards, torch.ones_like(rewards), **options)
    return round(found[0].item(), 3), round(found[-1].item(), 3)


good, bad = reward("72"), reward("71")
print(f"the environment pays {good} for a right answer and {bad} for a wrong one")
found = {right: advantages(right, good, bad) for right in range(1, SIZE)}
for right, (of_right, of_wrong) in found.items():
    print(f"{right} of 8 right: a right answer gets {of_right:14.3f}, a wrong one {of_wrong:14.3f}")
usual = advantages(1, 1.0, 0.0)
print(f"1 of 8 right, paid 1 and 0: {usual}")
as_seen = (good, bad) == (1.0, -1.0) and found[1] == (-2.333, 0.333) and round(found[4][0]) == 1_000_000
as_seen &= [right for right, pair in found.items() if pair[0] < pair[1]] == [1, 2, 3] and usual == (7.0, -1.0)
sys.exit(0 if as_seen else 1)
PROGRAM

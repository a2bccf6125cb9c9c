#!/usr/bin/env bash
# SkyRL: zero_variance_filter filters nothing that its own generator wrote, and repetition_penalty never reaches vLLM.
#
# One would guess: an option that is accepted has an effect, or says that it has none.
#
# Seen: trainer.algorithm.zero_variance_filter=true masks groups with equal rewards where a completion has one reward. SkyRL's
# generator writes one reward per token by default (generator.batched=false, no template of one's own), and for these the
# trainer skips the filter without a word: both dead groups stay in the loss, and so does the KL loss on them, which is on by
# default. The mean over tokens counts them too, so with two dead groups of four the other two weigh half. The counter
# num_zero_variance_filtered is missing then, it is not 0. With generator.batched=true the same groups are masked. The option's
# description says that it is for rewards per response; nothing says that the generator does not write these.
# generator.sampling_params.repetition_penalty is a field of the config, and not among the sampling parameters that are made of
# it, so vLLM samples with its own default. The same name in additional_kwargs gets through.
#
# The trainer's method is taken out of its module, which imports a cluster. Four packages of SkyRL are entered without their
# __init__. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --no-compile --disable-pip-version-check"
  $pip torch==2.13.0 numpy omegaconf pyyaml jaxtyping loguru ray==2.56.0 pandas func_timeout requests aiohttp tqdm
  $pip --no-deps skyrl==0.3.0 skyrl-gym==0.4.0
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, importlib.util, os, sys, typing
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace as Bag

(HOME,) = importlib.util.find_spec("skyrl").submodule_search_locations
for name in ("skyrl.backends", "skyrl.backends.skyrl_train", "skyrl.backends.skyrl_train.utils", "skyrl.train.generators"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [os.path.join(HOME, *name.split(".")[1:])]

import torch
from loguru import logger
from skyrl.backends.skyrl_train.inference_servers.engine_utils import get_sampling_params_for_backend
from skyrl.backends.skyrl_train.utils.ppo_utils import apply_loss_reduction_to_advantages_minibatch as scale
from skyrl.train.config import SkyRLTrainConfig
from skyrl.train.generators.skyrl_gym_generator import SkyRLGymGenerator
from skyrl.train.generators.utils import get_metrics_from_generator_output

logger.remove()
print(f"skyrl {version('skyrl')}, torch {version('torch')}")


def taken(file, *path, **needs):
    """A function, or a method of a class, of a module of SkyRL, without the module's imports."""
    nodes = ast.parse((Path(HOME) / file).read_text()).body
    for name in path:
        (node,) = (each for each in nodes if getattr(each, "name", None) == name)
        nodes = node.body
    space = {**vars(typing), "torch": torch, "defaultdict": defaultdict, "logger": logger, **needs}
    exec(compile("from __future__ import annotations\n" + ast.unparse(node), file, "exec"), space)
    return space[path[-1]]


same_rewards = taken("train/utils/trainer_utils.py", "zero_variance_filter")
process = taken("train/trainer.py", "RayPPOTrainer", "postprocess_generator_output", zero_variance_filter=same_rewards,
                get_metrics_from_generator_output=get_metrics_from_generator_output)

REWARDS = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]  # four groups of two: the second and the third are dead
TOKENS = 5


def after_the_filter(batched):
    """How many of the eight completions stay, how much an advantage of 1 counts, and the trainer's counter."""
    options = [f"generator.batched={batched}", "trainer.algorithm.zero_variance_filter=true"]
    config = SkyRLTrainConfig.from_cli_overrides(options)
    rewards, ids = REWARDS, [[7] * TOKENS for _ in REWARDS]
    if not batched:
        generator = Bag(custom_chat_template=None)
        rewards = [SkyRLGymGenerator._build_per_token_rewards(generator, [(each, TOKENS - 1)], [7] * TOKENS, False)
                   for each in REWARDS]
    output = {"rewards": rewards, "response_ids": ids, "loss_masks": [[1] * TOKENS for _ in REWARDS]}
    trainer = Bag(cfg=config, all_metrics={})
    output, _ = process(trainer, output, [str(row // 2) for row in range(8)])
    mask = torch.tensor(output["loss_masks"])
    weight = scale(torch.ones(8, TOKENS), mask, config.trainer.algorithm.loss_reduction, 8, None)[0, 0].item()
    return mask.any(dim=1).sum().item(), round(weight, 3), trainer.all_metrics.get("reward/num_zero_variance_filtered")


found = {batched: after_the_filter(batched) for batched in (False, True)}
for batched, (stay, weight, counter) in found.items():
    print(f"generator.batched={batched!s:5}  completions in the loss: {stay} of 8, weight of a token {weight}, counter {counter}")

NAME = "repetition_penalty"


def sampling(option):
    config = SkyRLTrainConfig.from_cli_overrides([f"generator.sampling_params.{option}"])
    params = get_sampling_params_for_backend(config.generator.inference_engine.backend, config.generator.sampling_params)
    print(f"{option:45} vLLM is given {NAME}: {params.get(NAME, 'not at all')}")
    return params


lost = sampling(f"{NAME}=1.2")
kept = sampling(f"additional_kwargs={{{NAME}: 1.2}}")
as_seen = found == {False: (8, 0.025, None), True: (4, 0.05, 2)} and NAME not in lost and kept[NAME] == 1.2
sys.exit(0 if as_seen else 1)
PROGRAM

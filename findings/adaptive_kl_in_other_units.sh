#!/usr/bin/env bash
# verl, OpenRLHF, torchrl: with the paper's target of 6 nats, the adaptive KL coefficient falls where the KL is 10 nats.
#
# One would guess: "the adaptive KL controller of 1909.08593" compares the KL of a completion with the target, and raises
# the coefficient where the KL is above it.
#
# Seen: the formula is the paper's, and what is put into it is not. verl and OpenRLHF compare the mean per token: 10 nats
# over 200 tokens count as 0.05, and the coefficient falls at every step until the KL is 6 nats per TOKEN. A target per
# token lets long completions move further than short ones: at verl's default of 0.1, the same 10 nats make the coefficient
# fall over 200 tokens and rise over 20. With kl_penalty=abs they count twice as much here, and the KL is the same.
# torchrl's update() takes the "current KL value", and divides its negative by the coefficient: it is made for the penalty
# -coefficient * KL. A KL is above 0, so its coefficient falls whatever the KL is. Given the penalty, it rises.
#
# The functions are the libraries', read without their modules' other imports. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps verl==0.9.1 openrlhf==0.11.2 torchrl==0.14.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, itertools, logging, sys, time, typing
from datetime import timedelta
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace as Bag

import numpy as np
import torch

print(*(f"{name} {distribution(name).version}" for name in ("verl", "openrlhf", "torchrl", "torch")), sep=", ")


def taken(package, file, *names, **needs):
    """The named functions and classes of a module, run without its imports and without annotations of functions."""
    tree = ast.parse(Path(distribution(package).locate_file(file)).read_text())
    nodes = [node for node in tree.body if getattr(node, "name", None) in names]
    for node in nodes:
        node.decorator_list = []
    space = {"torch": torch, "np": np, "nn": torch.nn, "annotations": None, **vars(typing), **needs}
    exec(compile("from __future__ import annotations\n" + "\n".join(map(ast.unparse, nodes)), file, "exec"), space)
    return Bag(**{name: space[name] for name in names})


KL = 10.0  # nats per completion


def logprobs(length):
    """Log-probs of four completions under the policy and the reference: the KL is 10 nats, up and down around its mean."""
    wave = 0.1 * torch.tensor([1.0, -1.0]).repeat(length // 2)
    ref = torch.full((4, length), -2.0)
    return ref + KL / length + wave, ref


verl_core = taken("verl", "verl/trainer/ppo/core_algos.py", "AdaptiveKLController", "kl_penalty", "kl_penalty_forward")
verl_mean = taken("verl", "verl/utils/torch_functional.py", "masked_mean", "masked_sum").masked_mean
verl_trainer = taken("verl", "verl/trainer/ppo/ray_trainer.py", "apply_kl_penalty", core_algos=verl_core, masked_mean=verl_mean)


class Batch(dict):
    batch_size = (4,)


def of_verl(length, target, estimator="kl"):
    policy, ref = logprobs(length)
    batch = Batch(response_mask=torch.ones(4, length), token_level_scores=torch.zeros(4, length), old_log_probs=policy,
                  ref_log_prob=ref)
    control = verl_core.AdaptiveKLController(0.1, target, 10000)
    _, metrics = verl_trainer.apply_kl_penalty(Bag(batch=batch), control, estimator)
    return metrics["actor/reward_kl_penalty"], control.value


openrlhf = taken("openrlhf", "openrlhf/models/utils.py", "compute_approx_kl", "masked_mean")
openrlhf_control = taken("openrlhf", "openrlhf/trainer/ppo_utils/kl_controller.py", "AdaptiveKLController").AdaptiveKLController
maker = taken("openrlhf", "openrlhf/trainer/ppo_utils/experience_maker.py", "RemoteExperienceMaker", Experience=object,
              ray=Bag(put=lambda each: each, get=lambda each: each), logger=logging.getLogger(), time=time, timedelta=timedelta,
              itertools=itertools, compute_approx_kl=openrlhf.compute_approx_kl, masked_mean=openrlhf.masked_mean)


def of_openrlhf(length, target):
    policy, ref = logprobs(length)
    self = maker.RemoteExperienceMaker.__new__(maker.RemoteExperienceMaker)
    args = Bag(ds=Bag(ring_attn_size=1, tensor_parallel_size=1), algo=Bag(kl=Bag(use_loss=False, estimator="k1")),
               train=Bag(colocate_all=False, colocate_actor_ref=False, colocate_critic_reward=False))
    self.args, self.strategy, self.critic_model_group, self.reward_model_group = args, Bag(args=args), None, None
    self.actor_model_group, self.initial_model_group = (
        Bag(async_run_method_batch=lambda result=result, **options: [[result]]) for result in (policy, ref))
    samples = Bag(sequences=torch.zeros(4, length), attention_mask=None, action_mask=torch.ones(4, length), rewards=torch.zeros(4), info={},
                  mm_train_inputs=None)
    self.make_experience([samples])
    current = samples.info["kl"].mean().item()  # the trainer's status["kl"]: the mean over the samples
    control = openrlhf_control(0.1, target, 10000)
    control.update(current, 4)
    return current, control.value


torchrl_control = taken("torchrl", "torchrl/data/llm/utils.py", "KLControllerBase", "AdaptiveKLController",
                        abc=__import__("abc"))


def of_torchrl(values, target):
    control = torchrl_control.AdaptiveKLController(init_kl_coef=0.1, target=target, horizon=10000)
    return control.update(kl_values=values).item()


found = {}
for target in (6.0, 0.1):
    for length in (200, 20):
        for name, function in (("verl", of_verl), ("openrlhf", of_openrlhf)):
            current, coefficient = function(length, target)
            found[name, target, length] = (round(current, 3), "rises" if coefficient > 0.1 else "falls")
            print(f"{name:8} 10 nats over {length:3} tokens count as {current:.3f}, target {target}: the coefficient "
                  f"{found[name, target, length][1]} ({coefficient:.6f})")
absolute = round(of_verl(200, 6.0, "abs")[0], 3)
print(f"verl     with kl_penalty=abs they count as {absolute}")
for what, values in (("KL", [KL] * 4), ("penalty", [-0.1 * KL] * 4)):
    coefficient = of_torchrl(values, 6.0)
    found["torchrl", what] = "rises" if coefficient > 0.1 else "falls"
    print(f"torchrl  given the {what} {values[0]:4}, target 6.0: the coefficient {found['torchrl', what]} ({coefficient:.6f})")
as_seen = all(
    found[name, 6.0, length] == (KL / length, "falls")
    and found[name, 0.1, length] == (KL / length, "rises" if length == 20 else "falls")
    for name in ("verl", "openrlhf") for length in (200, 20)
) and (found["torchrl", "KL"], found["torchrl", "penalty"], absolute) == ("falls", "rises", 0.1)
sys.exit(0 if as_seen else 1)
PROGRAM

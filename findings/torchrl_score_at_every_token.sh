#!/usr/bin/env bash
# torchrl: KLComputation pays the score of a completion at each of its tokens, so a wrong answer of 200 tokens earns most.
#
# One would guess: a completion with the score 1 and no KL to the reference has a reward of 1 before and after the penalty is
# taken from it, and a coefficient of 0 changes nothing.
#
# Seen: the reward parsers of torchrl write one reward per completion, of shape (1, 1). KLComputation subtracts one KL per
# token from it, and the subtraction repeats the score along the tokens. GSM8KRewardParser pays 1 for a right answer and 0.1
# for a wrong one with tags: after a penalty with coefficient 0, a right answer of 10 tokens has 10 in all, and a wrong one of
# 200 tokens 20. MCAdvantage then normalises over all tokens of the group, not over its completions: instead of 0.71 and -0.71
# they get 4.46 and -0.22 per token. The KL of a token is charged to this token alone, and to none before it.
#
# The parser, the transform and the advantages are torchrl's. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --no-compile --disable-pip-version-check torch==2.13.0 tensordict==0.14.3 torchrl==0.14.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

import torch
from tensordict import TensorDict, lazy_stack
from torchrl.envs.llm.reward.gsm8k import GSM8KRewardParser
from torchrl.envs.llm.transforms.kl import KLComputation
from torchrl.objectives.llm import MCAdvantage

print(*(f"{name} {version(name)}" for name in ("torchrl", "tensordict", "torch")), sep=", ")
LENGTHS = (10, 200)

answers = ["<think>8 * 9</think><answer>72</answer>", "<think>8 * 9</think><answer>71</answer>"]
problem = TensorDict({"text": answers, "answer": ["It is 8 * 9 = 72. #### 72"] * 2}, batch_size=[2])
parser = GSM8KRewardParser(in_keys=["text", "answer"], input_mode="text")
scores = list(parser._step(problem, problem.copy())["reward"])


def with_penalty(coefficient, apart):
    """Per completion, what is left of its score. Each token is `apart` nats more likely than under the reference."""
    ref = [torch.full((length,), -1.0) for length in LENGTHS]
    steps = lazy_stack([
        TensorDict({"next": {"log_probs": {"full": row + apart}, "ref_log_probs": {"full": row}, "reward": score}})
        for row, score in zip(ref, scores)
    ])
    return KLComputation(coeff=coefficient)(steps)["next"].get("reward", as_list=True)


def advantages(rewards):
    """Of the two as a group, at their first tokens, and whether all tokens of a completion have the same."""
    transform = MCAdvantage(2, prompt_key="group")
    for reward in rewards:
        step = TensorDict({"reward": reward[None], "done": torch.ones(1, 1, dtype=torch.bool)}, batch_size=[1])
        group = transform.inv(TensorDict({"group": torch.zeros(1), "next": step}, batch_size=[1]))
    per_token = [each.flatten() for each in group.get("advantage", as_list=True)]
    assert all(torch.allclose(each, each[0]) for each in per_token)
    return [round(each[0].item(), 2) for each in per_token]


def report(label, rewards):
    total = [round(each.sum().item(), 2) for each in rewards]
    found = total, advantages(rewards)
    print(f"{label:32} shapes {[tuple(each.shape) for each in rewards]}, sums {total}, advantages {found[1]}")
    return found


as_seen = all(score.shape == (1, 1) for score in scores)
as_seen &= report("scores of the parser", scores) == ([1.0, 0.1], [0.71, -0.71])
as_seen &= report("coefficient 0", with_penalty(0.0, 0.5)) == ([10.0, 20.0], [4.46, -0.22])
as_seen &= report("coefficient 0.1, 0.5 nats apart", with_penalty(0.1, 0.5)) == ([9.5, 10.0], [4.46, -0.22])
sys.exit(0 if as_seen else 1)
PROGRAM

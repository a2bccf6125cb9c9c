#!/usr/bin/env bash
# torchtune: PPO's normalised advantages have the mean that they had before, so they can all be positive.
#
# One would guess: estimate_advantages normalises to a mean of 0 and a variance of 1, as its comment about variance
# suggests and as other PPO code does: the better half of the tokens is made likelier, and the other half less likely.
#
# Seen: whiten divides by the standard deviation and then adds the old mean, because shift_mean=True, its default, adds it.
# In verl, whose function has the same argument with the same default, shift_mean=False adds it. With a critic that does not know the level of the rewards
# yet, four completions with the scores 9, 10, 10 and 11 all have advantages around 10: the worst is reinforced too. The
# spread is in units of the standard deviation, and the mean is in units of the reward: with every score times 10 the
# advantages are around 100, and their spread is the same as before.
#
# The functions are the libraries', read without their other imports; the recipe calls estimate_advantages as it is called here,
# apart from discounting. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps torchtune==0.6.1 verl==0.9.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, sys, typing
from importlib.metadata import distribution, version
from pathlib import Path

import torch

print(*(f"{name} {version(name)}" for name in ("torchtune", "verl", "torch")), sep=", ")


def tree_of(package, file):
    return ast.parse(Path(distribution(package).locate_file(file)).read_text())


def functions(package, file, *names):
    nodes = [node for node in tree_of(package, file).body if getattr(node, "name", None) in names]
    space = {"torch": torch, **vars(typing)}
    exec(compile(ast.Module(nodes, []), file, "exec"), space)
    return space


torchtune = functions("torchtune", "torchtune/rlhf/rewards.py", "masked_mean", "masked_var", "whiten", "estimate_advantages")
verl = functions("verl", "verl/utils/torch_functional.py", "masked_sum", "masked_mean", "masked_var", "masked_whiten")
recipe = tree_of("torchtune", "recipes/ppo_full_finetune_single_device.py")
(call,) = (node for node in ast.walk(recipe) if isinstance(node, ast.Call)
           and ast.unparse(node.func) == "rlhf.estimate_advantages")
print("the recipe calls", ast.unparse(call))


def advantages(scores, values):
    """Of completions of two tokens with a score at the second."""
    rewards = torch.stack([torch.zeros_like(scores), scores], dim=1)
    masks = torch.ones(len(scores), 2, dtype=torch.bool)
    return torchtune["estimate_advantages"](values, rewards, 1.0, 1.0, masks=masks)[0]


scores = torch.tensor([9.0, 10.0, 10.0, 11.0])
untrained = torch.zeros(4, 2)
found = {}
for name, factor, values in (("critic of 0", 1, untrained), ("critic of 0, scores times 10", 10, untrained),
                             ("critic of 10", 1, untrained + 10)):
    found[name] = advantages(factor * scores, values)
    print(f"{name:28} first token {[round(x, 2) for x in found[name][:, 0].tolist()]}, "
          f"mean {found[name].mean():.2f}, std {found[name].std():.2f}")
x, every = torch.tensor([[9.0, 10.0, 10.0, 11.0]]), torch.ones(1, 4, dtype=torch.bool)
means = {"torchtune": torchtune["whiten"](x, every).mean().item(), "verl": verl["masked_whiten"](x, every).mean().item()}
print("mean of 9, 10, 10 and 11, whitened:", {name: round(mean, 2) for name, mean in means.items()})
one, ten = found["critic of 0"], found["critic of 0, scores times 10"]
as_seen = (
    abs(means["torchtune"] - 10) < 1e-3 and abs(means["verl"]) < 1e-3
    and (one > 0).all() and torch.isclose(one.mean(), torch.tensor(10.0), atol=1e-3)
    and torch.isclose(ten.mean(), torch.tensor(100.0), atol=1e-3)
    and torch.allclose(one - one.mean(), ten - ten.mean(), atol=1e-3)
)
sys.exit(0 if as_seen else 1)
PROGRAM

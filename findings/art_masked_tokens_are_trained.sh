#!/usr/bin/env bash
# ART (openpipe-art): mask_prob_ratio=True takes no token out of the default loss, and two other options for off-policy
# tokens do something else than their documentation says.
#
# One would guess: with mask_prob_ratio=True and epsilon=0.2, a token whose ratio is outside of 0.8 to 1.2 is not trained.
# epsilon_high "defaults to epsilon". max_negative_advantage_importance_sampling_weight is a "maximum weight for negative
# advantage samples".
#
# Seen, with loss_fn="cispo", the default: the ratio of such a token is set to 0 and clipped afterwards, which raises it to
# 1 - epsilon. A token with a ratio of 10 and one with a ratio of 0.01 both have the weight 0.8. (With loss_fn="ppo" they
# have no gradient. With the default epsilon of 1 the mask works: bounds are 0 and 5.) epsilon_high stays 4 if only epsilon
# is given: weights lie between 0.8 and 5. The maximum for negative advantages holds for positive ones too.
#
# Loss and configuration are ART's, read without their other imports, and called as its LocalBackend calls them. Exits with
# 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps openpipe-art==0.5.18
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, sys, typing
from importlib.metadata import distribution, version
from pathlib import Path
from types import SimpleNamespace as Bag

import torch

print(f"openpipe-art {version('openpipe-art')}, torch {version('torch')}")


def tree_of(file):
    return ast.parse(Path(distribution("openpipe-art").locate_file(file)).read_text())


def functions(file, *names):
    nodes = [node for node in tree_of(file).body if getattr(node, "name", None) in names]
    space = {"torch": torch, "Loss": Bag, "dev": Bag(TrainConfig=dict), "TrainConfig": dict, **vars(typing)}
    exec(compile(ast.Module(nodes, []), file, "exec"), space)
    return space


loss_fn = functions("art/loss.py", "loss_fn", "shift_tensor")["loss_fn"]
configs = functions("art/_backend_training.py", "build_rl_train_configs")["build_rl_train_configs"]
documented = " ".join(ast.get_docstring(next(
    node for node in ast.walk(tree_of("art/local/backend.py"))
    if isinstance(node, ast.AsyncFunctionDef) and "mask_prob_ratio" in (ast.get_docstring(node) or ""))).split())
for words in ("epsilon_high: Asymmetric upper clip bound. Defaults to epsilon.",
              "weight: Maximum weight for negative advantage samples."):
    print("documented:", words if words in documented else "not any more")

RATIOS = torch.tensor([[0.01, 0.5, 1.0, 1.1, 3.0, 10.0]])


def weights(advantage, **options):
    """By what each token's gradient is multiplied, beside its advantage."""
    old = torch.full_like(RATIOS, 0.05).log()
    new = (old + RATIOS.log()).requires_grad_()
    ones = torch.ones(1, RATIOS.shape[1] + 1)
    shifted = torch.cat([torch.zeros(1, 1), old], dim=1)  # inputs begin one token earlier than log-probs
    inputs = {"logprobs": shifted, "advantages": advantage * ones, "assistant_mask": ones.bool(), "weights": ones}
    padded = torch.cat([new, torch.zeros(1, 1)], dim=1)  # the last position predicts nothing
    _, config = configs(learning_rate=5e-6, **options)
    loss = loss_fn(inputs, padded, None, None, config, reduction="sum").policy_loss
    (gradient,) = torch.autograd.grad(loss, new)
    return [abs(round(x, 2)) for x in (-gradient[0] / advantage).tolist()]


BOUNDS = {"epsilon": 0.2, "epsilon_high": 0.2}
CASES = {"epsilon 0.2 and 0.2": (1.0, BOUNDS), "the same, mask_prob_ratio": (1.0, BOUNDS | {"mask_prob_ratio": True}),
         "the same, ppo": (1.0, BOUNDS | {"mask_prob_ratio": True, "ppo": True}),
         "mask_prob_ratio alone": (1.0, {"mask_prob_ratio": True}),
         "epsilon 0.2 alone": (1.0, {"epsilon": 0.2}),
         "max_negative_... 1.5, A = -1": (-1.0, {"max_negative_advantage_importance_sampling_weight": 1.5}),
         "max_negative_... 1.5, A = 1": (1.0, {"max_negative_advantage_importance_sampling_weight": 1.5})}
print(f"{'ratios':30} {[round(x, 2) for x in RATIOS[0].tolist()]}")
found = {name: weights(advantage, **options) for name, (advantage, options) in CASES.items()}
for name, found_weights in found.items():
    print(f"{name:30} {found_weights}")
as_seen = (
    found["the same, mask_prob_ratio"] == [0.8, 0.8, 1.0, 1.1, 0.8, 0.8]
    and found["the same, ppo"] == [0.0, 0.0, 1.0, 1.1, 0.0, 0.0]
    and found["mask_prob_ratio alone"] == [0.01, 0.5, 1.0, 1.1, 3.0, 0.0]
    and found["epsilon 0.2 alone"] == [0.8, 0.8, 1.0, 1.1, 3.0, 5.0]
    and found["max_negative_... 1.5, A = -1"] == found["max_negative_... 1.5, A = 1"] == [0.01, 0.5, 1.0, 1.1, 1.5, 1.5]
)
sys.exit(0 if as_seen else 1)
PROGRAM

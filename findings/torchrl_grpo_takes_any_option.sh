#!/usr/bin/env bash
# torchrl: GRPOLoss takes any option, misspelt or of another library, and three of its own do nothing.
#
# One would guess: GRPOLoss(policy, beta=0.04) is a TypeError, or has the KL term that beta has in the paper and in TRL.
#
# Seen: it ends in **kwargs, which nothing reads, so a KL coefficient of another name is a run without a KL term, and a
# misspelt clip_epsilon is a run with 0.2. Of the options in its docstring, reduction="sum" gives the mean, and clip_value is
# not read; gamma, in its signature, is not read either. The same holds for DAPO and CISPOLoss. A sum is not to be had:
# aggregation="sum" is the mean as well.
#
# The policy is a table of logits. Exits with 1 if this changes.
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
from tensordict import TensorDict
from torchrl.modules.distributions.discrete import LLMMaskedCategorical
from torchrl.objectives.llm.grpo import DAPO, CISPOLoss, GRPOLoss

print(*(f"{name} {version(name)}" for name in ("torchrl", "tensordict", "torch")), sep=", ")
torch.manual_seed(0)
ROWS, WIDTH, WORDS = 3, 5, 7
logits, tokens = torch.randn(ROWS, WIDTH, WORDS), torch.randint(WORDS, (ROWS, WIDTH))
mask = torch.arange(WIDTH) < torch.tensor([[5], [3], [4]])


class Policy(torch.nn.Module):
    def get_dist(self, batch, **options):
        return LLMMaskedCategorical(logits=logits, mask=mask)


logprobs = logits.log_softmax(-1).gather(2, tokens[..., None])[..., 0]
batch = TensorDict({
    "tokens": {"full": tokens},
    "log_probs": {"full": logprobs + torch.randn(ROWS, WIDTH)},
    "next": {"ref_log_probs": {"full": logprobs + torch.randn(ROWS, WIDTH)}},
    "advantage": torch.randn(ROWS, 1, 1).expand(ROWS, WIDTH, 1),
}, batch_size=[ROWS])


def losses(kind=GRPOLoss, **options):
    result = kind(Policy(), **options)(batch)
    return {key: getattr(result, key) for key in ("loss_objective", "loss_entropy", "loss_kl_to_ref")}


def differ(some, others):
    return [key for key, value in some.items() if str(value) != str(others[key])]


IGNORED = [{"beta": 0.04}, {"kl_coef": 0.04}, {"clip_epsilonn": 5.0}, {"epsilon_high": 5.0}, {"reduction": "sum"},
           {"aggregation": "sum"}, {"clip_value": 0.1}, {"gamma": 0.5}]
READ = [{"kl_to_ref_coeff": 0.04}, {"clip_epsilon": 0.01}, {"aggregation": "prompt_mean"}]
found = {}
for option in IGNORED + READ:
    found[str(option)] = [differ(losses(kind, **option), losses(kind)) for kind in (GRPOLoss, DAPO, CISPOLoss)]
    print(f"{option!s:32} changes", found[str(option)][0] or "nothing")
as_seen = all(not any(found[str(option)]) for option in IGNORED) and all(all(found[str(option)]) for option in READ)
sys.exit(0 if as_seen else 1)
PROGRAM

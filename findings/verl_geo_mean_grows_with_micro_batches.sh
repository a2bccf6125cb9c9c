#!/usr/bin/env bash
# verl: loss_mode=geo_mean (GMPO) has a gradient that grows with the number of micro-batches; sapo does not read
# loss_agg_mode.
#
# One would guess: how many micro-batches a mini-batch is split into (ppo_micro_batch_size_per_gpu, or use_dynamic_bsz,
# which splits by length) decides about memory, and not about the gradient; and loss_agg_mode decides how tokens are
# averaged, for each loss_mode.
#
# Seen: verl adds up the losses of the micro-batches, and each is divided by a count of the whole mini-batch. geo_mean is
# the mean over the rows of its micro-batch instead: eight rows in eight micro-batches have eight times the gradient of
# eight rows in one, before the gradient is clipped. Terms beside it, such as the KL loss, do not grow with it. It has the
# same value for each loss_agg_mode. sapo is split without a change, but is a mean over rows also where token-mean, verl's
# default, was asked for: a token of a short row weighs more than one of a long row.
#
# The loss is what verl's workers call on a micro-batch, and the sum over micro-batches is what they do. Exits with 1 if
# this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --disable-pip-version-check"
  $pip torch==2.13.0 transformers==5.23.0 ray tensordict==0.10.0 omegaconf hydra-core codetiming dill pandas pillow \
    cachetools
  $pip --no-deps verl==0.9.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

import torch
from tensordict import TensorDict
from verl.utils import tensordict_utils
from verl.workers.config import ActorConfig, PolicyLossConfig
from verl.workers.utils.losses import ppo_loss

print(f"verl {version('verl')}, torch {version('torch')}")
torch.manual_seed(0)
ROWS, WIDTH = 8, 6
LENGTHS = torch.tensor([6, 6, 6, 6, 1, 1, 1, 1])
mask = (torch.arange(WIDTH) < LENGTHS[:, None]).long()
logprobs = -torch.rand(ROWS, WIDTH)
old = logprobs + 0.02 * torch.randn(ROWS, WIDTH)  # inside of every clip
advantages = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, -1.0])[:, None].expand(ROWS, WIDTH)


def micro_batch_loss(logp, rows, config):
    """What a worker computes on some of the rows; each has a prompt of one token, and no padding in the model."""
    size = rows.stop - rows.start
    data = TensorDict(
        {"prompts": torch.ones(size, 1, dtype=torch.long), "responses": torch.ones(size, WIDTH, dtype=torch.long),
         "attention_mask": torch.cat([torch.ones(size, 1, dtype=torch.long), mask[rows]], dim=1),
         "response_mask": mask[rows], "old_log_probs": old[rows], "advantages": advantages[rows]}, batch_size=size)
    tensordict_utils.assign_non_tensor(data, dp_size=1, batch_num_tokens=int(mask.sum()), global_batch_size=ROWS)
    last = torch.zeros(1)  # the model's last output of a text predicts nothing
    packed = torch.cat([torch.cat([logp[row, :LENGTHS[row]], last]) for row in range(rows.start, rows.stop)])
    return ppo_loss(config, {"log_probs": packed}, data)[0]


def gradient(loss_mode, loss_agg_mode, micro_batches):
    config = ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1, loss_agg_mode=loss_agg_mode,
                         policy_loss=PolicyLossConfig(loss_mode=loss_mode))
    logp, size = logprobs.clone().requires_grad_(), ROWS // micro_batches
    for start in range(0, ROWS, size):
        micro_batch_loss(logp, slice(start, start + size), config).backward()  # gradients add up, as in verl's engines
    return logp.grad


growth, same_for_both = {}, {}
for mode in ("vanilla", "gspo", "cispo", "sapo", "geo_mean"):
    norms = [gradient(mode, "token-mean", count).norm().item() for count in (1, 2, 4, 8)]
    growth[mode] = norms[-1] / norms[0]
    tokens, rows = (gradient(mode, agg, 1) for agg in ("token-mean", "seq-mean-token-mean"))
    same_for_both[mode] = torch.equal(tokens, rows)
    print(f"{mode:9} norm of the gradient in 1, 2, 4 and 8 micro-batches {[round(n, 3) for n in norms]}, "
          f"token-mean and seq-mean-token-mean {'alike' if same_for_both[mode] else 'differ'}")
as_seen = (
    abs(growth["geo_mean"] - 8) < 1e-3
    and all(abs(growth[mode] - 1) < 1e-3 for mode in growth if mode != "geo_mean")
    and [mode for mode in same_for_both if same_for_both[mode]] == ["sapo", "geo_mean"]
)
sys.exit(0 if as_seen else 1)
PROGRAM

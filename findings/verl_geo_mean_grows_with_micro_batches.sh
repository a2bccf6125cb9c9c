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
# The loss is what verl's workers call on a micro-batch, read without its other imports, with padded tensors and verl's
# default options. The sum over micro-batches is what its engines do. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps verl==0.9.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, sys
from importlib.metadata import distribution, version
from pathlib import Path

import torch

print(f"verl {version('verl')}, torch {version('torch')}")


def alone(file, *names, **needs):
    """Functions and classes of a module of verl, with what they need, without decorators and annotations."""
    tree = ast.parse(Path(distribution("verl").locate_file(file)).read_text())
    nodes = [node for node in tree.body if getattr(node, "name", None) in names]
    for node in nodes:
        node.decorator_list, node.returns = [], None
        for argument in node.args.args:
            argument.annotation = None
    space = {"torch": torch, "AlgoConfig": type(None), "ActorConfig": Bag, **needs}
    exec(compile(ast.Module(nodes, []), file, "exec"), space)
    return Bag(space)


class Bag(dict):
    """As much of a configuration, a batch or a module as the functions ask for."""

    __getattr__ = dict.__getitem__

    def select(self, *names):
        return self

    def to_padded_tensor(self):
        return self


def metric(**parts):
    return None


metric.from_dict = lambda *_, **__: {}
MODES = ("vanilla", "gspo", "cispo", "sapo", "geo_mean")
verl_F = alone("verl/utils/torch_functional.py", "masked_sum", "masked_mean")
core = alone("verl/trainer/ppo/core_algos.py", "agg_loss", *(f"compute_policy_loss_{mode}" for mode in MODES),
             verl_F=verl_F, Optional=None)
ppo_loss = alone("verl/workers/utils/losses.py", "ppo_loss", agg_loss=core.agg_loss, no_padding_2_padding=lambda x, data: x,
                 get_policy_loss_fn=lambda mode: core[f"compute_policy_loss_{mode}"], Metric=metric,
                 AggregationType=Bag(SUM=0, MEAN=1)).ppo_loss
torch.manual_seed(0)
ROWS, WIDTH = 8, 6
LENGTHS = torch.tensor([6, 6, 6, 6, 1, 1, 1, 1])
mask = (torch.arange(WIDTH) < LENGTHS[:, None]).long()
logprobs = -torch.rand(ROWS, WIDTH)
old = logprobs + 0.02 * torch.randn(ROWS, WIDTH)  # inside of every clip
advantages = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, -1.0])[:, None].expand(ROWS, WIDTH)


def gradient(loss_mode, loss_agg_mode, micro_batches):
    config = Bag(policy_loss=Bag(loss_mode=loss_mode), loss_agg_mode=loss_agg_mode, loss_scale_factor=None,
                 clip_ratio=0.2, clip_ratio_low=0.2, clip_ratio_high=0.2, clip_ratio_c=3.0, tau_pos=1.0, tau_neg=1.05,
                 use_kl_loss=False, global_batch_info={})
    logp, size = logprobs.clone().requires_grad_(), ROWS // micro_batches
    for start in range(0, ROWS, size):
        rows = slice(start, start + size)
        data = Bag(response_mask=mask[rows], old_log_probs=old[rows], advantages=advantages[rows], dp_size=1,
                   batch_num_tokens=int(mask.sum()), global_batch_size=ROWS)
        loss, _ = ppo_loss(config, {"log_probs": logp[rows]}, data)
        loss.backward()  # gradients add up, as in verl's engines
    return logp.grad


growth, same_for_both = {}, {}
for mode in MODES:
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

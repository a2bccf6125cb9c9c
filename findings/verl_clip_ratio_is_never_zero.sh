#!/usr/bin/env bash
# verl: response_length/clip_ratio of its trainer is the share of responses as long as the longest one, and never 0.
#
# One would guess: response_length/clip_ratio is the share of responses that ran into data.max_response_length, 0 where
# each has ended before, and a rise of it says that the budget is too small.
#
# Seen: the trainer that runs by default (trainer.use_v1=true) pads the responses of a batch to the longest one, and
# counts those that are as long as the padding is wide. Four responses of 3, 5, 2 and 4 tokens have a clip_ratio of 0.25,
# whatever the budget is; if all have one token, it is 1. How many were cut off is not logged. The same holds for
# prompt_length/clip_ratio. Before, with use_v1=false, responses were padded to the budget, and the name was true.
#
# The trainer's own method is run, read without its other imports, with the store that it asks for its batch replaced by
# the batch. Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is
# installed.
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
import ast, sys
from importlib.metadata import distribution, version
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch
from tensordict import TensorDict
from verl import DataProto
from verl.trainer.ppo.metric_utils import compute_data_metrics

print(f"verl {version('verl')}, torch {version('torch')}")
place = Path(distribution("verl").locate_file("verl"))
config = (place / "trainer/config/ppo_trainer.yaml").read_text()
tree = ast.parse((place / "trainer/ppo/v1/trainer_base.py").read_text())
[method] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_compute_metrics"]
for arg in method.args.args:
    arg.annotation = None


def metrics_of(lengths):
    """What the trainer logs about responses of these lengths."""
    def rows(value, lengths):
        return torch.nested.as_nested_tensor([torch.full((n,), value) for n in lengths], layout=torch.jagged)

    names = ("responses", "response_mask", "advantages", "returns", "rm_scores")
    data = {name: rows(1.0, lengths) for name in names} | {"prompts": rows(1.0, [2] * len(lengths))}
    batch = TensorDict(data, batch_size=[len(lengths)])
    batch["num_turns"] = torch.full((len(lengths),), 2)
    needs = {
        "np": np, "DataProto": DataProto, "compute_data_metrics": compute_data_metrics,
        "get_metric_data_with_optional_routed_experts": lambda **_: batch, "tq": MagicMock(),
    }
    for name in ("compute_moe_lb_metrics", "compute_timing_metrics", "compute_throughout_metrics",
                 "compute_variance_proxy_metrics", "compute_spec_decode_metrics"):
        needs[name] = lambda *_, **__: {}
    exec(compile(ast.Module([method], []), "trainer_base.py", "exec"), needs)
    trainer = MagicMock(use_critic=False)
    trainer.config.actor_rollout_ref.model.get = lambda *_: None
    trainer.config.actor_rollout_ref.model.mtp = None
    trainer.config.data.max_response_length = 1000
    tags = [{"min_global_steps": 1, "max_global_steps": 1} for _ in lengths]
    found = {}
    needs["_compute_metrics"](trainer, SimpleNamespace(keys=[], partition_id="", tags=tags), found, {}, 1, 0)
    return found


default = "use_v1: true" in config
print(f"trainer.use_v1 is {'true' if default else 'not true'} by default")
cases = {(3, 5, 2, 4): 0.25, (1, 1, 1, 1): 1.0, (7, 6, 7, 5): 0.5}
seen = {}
for lengths in cases:
    metrics = metrics_of(lengths)
    seen[lengths] = metrics["response_length/clip_ratio"]
    print(f"responses of {lengths} tokens, budget 1000: mean {metrics['response_length/mean']}, "
          f"clip_ratio {seen[lengths]}, that of prompts {metrics['prompt_length/clip_ratio']}")
if seen != cases or not default:
    sys.exit("this has changed: clip_ratio is no longer the share of responses as long as the longest")
print("as described: clip_ratio is the share of responses as long as the longest, and never 0")
PROGRAM

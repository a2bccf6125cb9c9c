#!/usr/bin/env bash
# agentlightning: with a row per turn, the number of turns changes the baseline and the std of a group.
#
# One would guess: GRPO compares the rollouts of a prompt. Reward 1 against reward 0 gives +0.71 and -0.71, however many
# turns a rollout has.
#
# Seen: by default ("transition") every call of the model becomes a row, with the reward of the whole rollout, and the rows are
# grouped by the task. So a rollout counts as often as it has turns. A rollout of 3 turns with reward 1 against one of 1
# turn with reward 0: +0.5 for each of the three rows, and -1.5 for the other. The two rollouts as one row each: +-0.71.
# 0.3.0 is the newest release that pip installs; the tag v1.0.0 compares whole rollouts (rollout_level_advantage.py).
#
# agentlightning's method is taken out of its module, which starts servers. The rows that it makes go to verl's function
# for GRPO with the task as the group, as agentlightning's trainer does it.
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --disable-pip-version-check"
  $pip torch==2.13.0 transformers==5.23.0 ray tensordict==0.10.0 omegaconf codetiming dill pandas
  $pip --no-deps verl==0.9.1 agentlightning==0.3.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, importlib.metadata, importlib.util, sys, typing
from pathlib import Path
from types import SimpleNamespace

import numpy as np, torch
from tensordict import TensorDict
from verl import DataProto
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("agentlightning", "verl", "torch")), sep=", ")
(package,) = importlib.util.find_spec("agentlightning").submodule_search_locations
NAMES = ("get_left_padded_ids_and_attention_mask", "get_right_padded_ids_and_attention_mask", "get_train_data_batch", "_fillna_reward")
tree = ast.parse((Path(package) / "verl/daemon.py").read_text())
functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in NAMES]
home = vars(typing) | {"np": np, "torch": torch, "TensorDict": TensorDict, "DataProto": DataProto, "RolloutLegacy": object}
exec(compile(ast.Module(functions, []), "daemon.py", "exec"), home)

GROUPED_BY_TASK = 'batch.non_tensor_batch["uid"] = batch.non_tensor_batch["data_id_list"]'
as_seen = GROUPED_BY_TASK in (Path(package) / "verl/trainer.py").read_text()


def turn(prompt, response):
    return SimpleNamespace(prompt={"token_ids": prompt}, response={"token_ids": response})


def advantages(rollouts):
    """Of each row: the rollouts, each a reward and its turns, as agentlightning and verl take them."""
    daemon = SimpleNamespace(
        is_train=True, _total_tasks_queued=len(rollouts), reward_fillna_value=0.0, pad_token_id=0, _use_mrope=False,
        trace_aggregator={"level": "transition"}, _fillna_reward=lambda rollout: home["_fillna_reward"](daemon, rollout),
        _completed_rollouts_v0={name: SimpleNamespace(rollout_id=name, final_reward=reward, triplets=turns)
                                for name, (reward, turns) in rollouts.items()},
        _task_id_to_original_sample={name: {"data_id": "the task"} for name in rollouts},
    )
    rows, _ = home["get_train_data_batch"](daemon, 8, 4, torch.device("cpu"), 0)
    mask = rows.batch["attention_mask"][:, -4:]
    group = rows.non_tensor_batch["data_id_list"]
    per_token = compute_grpo_outcome_advantage(rows.batch["token_level_scores"].float(), mask, group)[0]
    return [(str(name), round(value.item(), 2)) for name, value in zip(rows.non_tensor_batch["rollout_id_list"], per_token[:, 0])]


long = [turn([1], [2, 3]), turn([1, 2, 3, 4], [5, 6]), turn([1, 2, 3, 4, 5, 6, 7], [8])]
found = {}
for name, turns in (("3 turns against 1", long), ("1 turn against 1", long[:1])):
    found[name] = advantages({"right": (1.0, turns), "wrong": (0.0, [turn([1], [9])])})
    print(f"{name}: {found[name]}")
as_seen &= found == {
    "3 turns against 1": [("right", 0.5)] * 3 + [("wrong", -1.5)],
    "1 turn against 1": [("right", 0.71), ("wrong", -0.71)],
}
sys.exit(0 if as_seen else 1)
PROGRAM

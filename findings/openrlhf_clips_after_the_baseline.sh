#!/usr/bin/env bash
# OpenRLHF: reward.clip_range does not bound a reward that is compared in a group. It bounds the difference to the baseline.
#
# One would guess: with the default range of -10 to 10, the rewards 1000, 1, 2 and 3 of a group count as 10, 1, 2 and 3.
#
# Seen: the baseline of the group is subtracted first, and the clip comes after it. With rloo one outlier of 1000 moves the
# baseline of the three others to about 335, so all three are cut at -10: which of them is best is gone, and the sum of the
# group is -20 and not 0. Clipped first, they would be -4, -2.67 and -1.33. With group_norm, whose results are seldom beyond
# 3, nothing is ever clipped: at 1000 the three others become equal to within 0.004. TRL's RLOOTrainer has
# reward_clip_range, and clips first. With gae and reinforce, which have no group baseline, OpenRLHF clips the reward
# itself.
#
# The methods are OpenRLHF's: experience_maker.py is read without its imports of ray and of the models. Exits with 1 if this
# changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps openrlhf==0.11.2
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, importlib.metadata, importlib.util, itertools, logging, sys, typing
from pathlib import Path
from types import SimpleNamespace as Bag

import torch

print(f"openrlhf {importlib.metadata.version('openrlhf')}, torch {torch.__version__}")
(home,) = importlib.util.find_spec("openrlhf").submodule_search_locations


def taken(file, *names, **needs):
    """The named functions and classes of a module, run without its imports."""
    tree = ast.parse((Path(home) / file).read_text())
    nodes = [node for node in tree.body if getattr(node, "name", None) in names]
    space = {"torch": torch, "itertools": itertools, "logger": logging.getLogger(), **vars(typing), **needs}
    exec(compile(ast.Module(nodes, []), file, "exec"), space)
    return space


penalties = taken("trainer/ppo_utils/length_penalty.py", "apply_overlong_penalty", "apply_stop_properly_penalty",
                  "apply_length_penalties")
formulas = taken("models/utils.py", "compute_reward")
maker = taken("trainer/ppo_utils/experience_maker.py", "RemoteExperienceMaker", Experience=object, RayActorGroup=object,
              apply_length_penalties=penalties["apply_length_penalties"], compute_reward=formulas["compute_reward"])
RemoteExperienceMaker = maker["RemoteExperienceMaker"]


def advantages(rewards, estimator):
    n = len(rewards)
    args = Bag(reward=Bag(clip_range=(-10, 10)), rollout=Bag(n_samples_per_prompt=n), data=Bag(max_len=8),
               algo=Bag(advantage=Bag(estimator=estimator, gamma=1.0, lambd=1.0, no_std_norm=False)))
    experience = Bag(rewards=torch.tensor(rewards), index=list(range(n)), action_mask=torch.ones(n, 2), info={},
                     kl=torch.zeros(n, 2), values=torch.zeros(n, 2))
    self = RemoteExperienceMaker.__new__(RemoteExperienceMaker)
    self.strategy, self.advantage_estimator, self.kl_ctl = Bag(args=args), estimator, Bag(value=0.0)
    (out,) = self.compute_advantages_and_returns([experience])
    return [round(each, 3) for each in out.returns[:, 0].tolist()]


found = {}
for rewards in ([1000.0, 1.0, 2.0, 3.0], [10.0, 1.0, 2.0, 3.0]):
    for estimator in ("rloo", "group_norm", "reinforce"):
        found[estimator, rewards[0]] = advantages(rewards, estimator)
        print(f"rewards {rewards}, {estimator:10}: per completion {found[estimator, rewards[0]]}")
as_seen = (
    found["rloo", 1000.0] == [10.0, -10.0, -10.0, -10.0]
    and found["rloo", 10.0] == [8.0, -4.0, -2.667, -1.333]
    and found["group_norm", 1000.0][1:] == [-0.502, -0.5, -0.498]
    and found["reinforce", 1000.0] == found["reinforce", 10.0] == [10.0, 1.0, 2.0, 3.0]
)
sys.exit(0 if as_seen else 1)
PROGRAM

#!/usr/bin/env bash
# OpenRLHF: --algo.advantage.no_std_norm does nothing for group_norm, the estimator that divides by the std of a group.
#
# One would guess: with the estimator group_norm, which is GRPO, no_std_norm gives the advantages of Dr. GRPO: "disable
# dividing by std for advantages while keeping mean normalization", as its help says.
#
# Seen: the option is read only where advantages of the whole batch are whitened, by gae, reinforce and reinforce_baseline.
# With group_norm a group that is nearly solved still gets an advantage of -1.5 for its one failure of four, where the
# difference to the mean is -0.75, and nothing tells that the option was not read. Its Dr. GRPO is an estimator of its own,
# dr_grpo. With reinforce_baseline the option works: there -1.6 becomes -0.75.
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


compute_reward = taken("models/utils.py", "compute_reward")["compute_reward"]
maker = taken("trainer/ppo_utils/experience_maker.py", "RemoteExperienceMaker", Experience=object, RayActorGroup=object,
              apply_length_penalties=lambda experiences, args: None, compute_reward=compute_reward)
RemoteExperienceMaker = maker["RemoteExperienceMaker"]


def advantages(estimator, no_std_norm):
    """Of two groups of four completions of one token: one nearly solved, one half solved."""
    rewards = torch.tensor([1.0, 1, 1, 0, 1, 1, 0, 0])
    n = len(rewards)
    args = Bag(reward=Bag(clip_range=(-10, 10)), rollout=Bag(n_samples_per_prompt=4),
               algo=Bag(advantage=Bag(estimator=estimator, gamma=1.0, lambd=1.0, no_std_norm=no_std_norm)))
    experience = Bag(rewards=rewards, index=list(range(n)), action_mask=torch.ones(n, 1), info={}, kl=torch.zeros(n, 1))
    self = RemoteExperienceMaker.__new__(RemoteExperienceMaker)
    self.strategy, self.advantage_estimator, self.kl_ctl = Bag(args=args), estimator, Bag(value=0.0)
    (out,) = self.compute_advantages_and_returns([experience])
    return [round(each, 2) for each in out.advantages[:, 0].tolist()]


found = {}
for estimator in ("group_norm", "dr_grpo", "reinforce_baseline"):
    for no_std_norm in (False, True):
        found[estimator, no_std_norm] = advantages(estimator, no_std_norm)
        print(f"{estimator:18} no_std_norm={no_std_norm!s:5} {found[estimator, no_std_norm]}")
(option,) = (node for node in ast.walk(ast.parse((Path(home) / "cli/train_ppo_ray.py").read_text()))
             if isinstance(node, ast.Call) and node.args and ast.unparse(node.args[0]) == "'--algo.advantage.no_std_norm'")
print("its help:", next(k.value.value for k in option.keywords if k.arg == "help"))
without_std = [0.25, 0.25, 0.25, -0.75, 0.5, 0.5, -0.5, -0.5]
as_seen = (
    found["group_norm", False] == found["group_norm", True] and found["group_norm", True][3] == -1.5
    and found["dr_grpo", False] == found["dr_grpo", True] == found["reinforce_baseline", True] == without_std
    and found["reinforce_baseline", False] != without_std
)
sys.exit(0 if as_seen else 1)
PROGRAM

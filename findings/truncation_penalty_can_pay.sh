#!/usr/bin/env bash
# OpenRLHF, torchtune: the penalty for a completion that did not end raises its reward, where the reward is low.
#
# One would guess: a penalty makes a reward smaller, so of two completions with equal scores the one that was cut is worse
# off.
#
# Seen: a reward model is trained on differences, and gives negative scores to half of what it reads. OpenRLHF's
# stop_properly_penalty_coef multiplies: at 0.5 a cut completion with -4 gets -2, and wins against a finished one with -3;
# at 0 it gets 0, more than any finished completion with a negative score. A coefficient below 0 does not multiply, and is
# the new reward itself: at -0.5 the cut completion has -0.5. torchtune's reward_penalty of -3 is the new score itself too:
# -5 becomes -3. It is given to completions without padding, so also to one whose EOS is the last token that the budget
# allows.
#
# The functions are the libraries', and of torchtune's PPO recipe the statement that applies the penalty; they need torch
# alone. Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is
# installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps openrlhf==0.11.2 torchtune==0.6.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, logging, sys, typing
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace as Bag

import torch

print(*(f"{name} {distribution(name).version}" for name in ("openrlhf", "torchtune", "torch")), sep=", ")


def tree_of(package, file):
    return ast.parse(Path(distribution(package).locate_file(file)).read_text())


def run(nodes, **space):
    exec(compile(ast.Module(list(nodes), []), "taken", "exec"), space)
    return Bag(**space)


def functions(package, file, *names, **needs):
    nodes = (node for node in tree_of(package, file).body if getattr(node, "name", None) in names)
    return run(nodes, torch=torch, logger=logging.getLogger(), **vars(typing), **needs)


openrlhf = functions("openrlhf", "openrlhf/trainer/ppo_utils/length_penalty.py", "apply_length_penalties",
                     "apply_stop_properly_penalty")
torchtune_cut = functions("torchtune", "torchtune/rlhf/sequence_processing.py", "truncate_sequence_at_first_stop_token")
torchtune_mask = functions("torchtune", "torchtune/rlhf/rewards.py", "get_reward_penalty_mask")
(statement,) = (node for node in ast.walk(tree_of("torchtune", "recipes/ppo_full_finetune_single_device.py"))
                if isinstance(node, ast.If) and "self._penalise_no_eos" in ast.unparse(node.test))
print("torchtune's recipe:", ast.unparse(statement.body[-1]))


def of_openrlhf(scores, cut, coefficient):
    experience = Bag(rewards=torch.tensor(scores), truncated=torch.tensor(cut), info={})
    args = Bag(reward=Bag(overlong_buffer_len=None, stop_properly_penalty_coef=coefficient))
    openrlhf.apply_length_penalties([experience], args)
    return experience.rewards.tolist()


def of_torchtune(scores, responses, stop, penalty):
    padded, _ = torchtune_cut.truncate_sequence_at_first_stop_token(torch.tensor(responses), torch.tensor([stop]), 0)
    recipe = Bag(_penalise_no_eos=True, _min_response_length=None, _reward_penalty=penalty)
    scores = torch.tensor(scores)
    run([statement], self=recipe, rlhf=torchtune_mask, response_padding_masks=padded, seq_lens=(~padded).sum(-1), scores=scores)
    return scores.tolist()


found = {}
for coefficient in (0.5, 0.0, -0.5):
    found[coefficient] = of_openrlhf([-3.0, -4.0, 4.0], [False, True, True], coefficient)
    print(f"OpenRLHF, coefficient {coefficient:4}: finished -3 -> {found[coefficient][0]}, cut -4 -> {found[coefficient][1]}, "
          f"cut 4 -> {found[coefficient][2]}")
STOP = 9
responses = [[5, 5, STOP, 1], [5, 5, 5, 5], [5, 5, 5, STOP]]  # finished, cut, finished with its last token
found["torchtune"] = of_torchtune([-4.0, -5.0, 2.0], responses, STOP, -3.0)
print("torchtune, penalty -3: finished -4 -> {}, cut -5 -> {}, finished with its last token 2 -> {}".format(*found["torchtune"]))
as_seen = found == {0.5: [-3, -2, 2], 0.0: [-3, 0, 0], -0.5: [-3, -0.5, -0.5], "torchtune": [-4, -3, -3]}
sys.exit(0 if as_seen else 1)
PROGRAM

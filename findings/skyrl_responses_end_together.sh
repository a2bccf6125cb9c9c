#!/usr/bin/env bash
# SkyRL: column 0 of the response's tensors is a token of the prompt, for every response but the longest.
#
# One would guess: as in verl and TRL, tensors per response token begin with the first token of the response, and padding follows.
# So a score belongs into column response_length - 1, where verl's agent loop puts it.
#
# Seen: SkyRL 0.3.0 pads on the left alone. All responses END in the last column, sequences[:, -K:] holds prompt tokens before
# a short one, and column response_length - 1 is one of these. GRPO does not notice a score there, since it sums over the
# columns. With GAE the score stands before the response: at gamma = lambda = 1 no token of a short response earns it, and the
# return is 0 where it should be 1; only the longest response of the batch earns its score.
#
# One package of SkyRL is entered without its __init__, which imports more. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --no-compile --disable-pip-version-check"
  $pip torch==2.13.0 transformers==5.23.0 numpy omegaconf pyyaml jaxtyping loguru ray==2.56.0 pandas func_timeout requests
  $pip --no-deps skyrl==0.3.0 skyrl-gym==0.4.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import importlib.util, os, sys
from importlib.metadata import version
from types import ModuleType, SimpleNamespace

(HOME,) = importlib.util.find_spec("skyrl").submodule_search_locations
INSIDE = ("backends", "backends.skyrl_train", "backends.skyrl_train.utils", "train", "train.dataset")
for name in INSIDE:
    sys.modules[f"skyrl.{name}"] = ModuleType(f"skyrl.{name}")
    sys.modules[f"skyrl.{name}"].__path__ = [os.path.join(HOME, *name.split("."))]

import torch
from skyrl.backends.skyrl_train.utils.ppo_utils import compute_gae_advantage_return, compute_grpo_outcome_advantage
from skyrl.train.config import AlgorithmConfig
from skyrl.train.dataset.preprocess import convert_prompts_responses_to_batch_tensors

print(f"skyrl {version('skyrl')}, torch {torch.__version__}")
PROMPT, RESPONSES = [10, 11, 12, 13], [[20, 21, 2], [30, 31, 32, 33, 34, 2]]
sequences, _, mask, rewards, _, _, _ = convert_prompts_responses_to_batch_tensors(
    SimpleNamespace(pad_token_id=0), [PROMPT, PROMPT], RESPONSES,
    [[0.0] * (len(r) - 1) + [1.0] for r in RESPONSES], [[1] * len(r) for r in RESPONSES],
)
columns = sequences[:, -mask.shape[1] :]
lengths = mask.sum(dim=1)
print("sequences[:, -K:]           ", columns.tolist())
print("response_mask               ", mask.tolist())
at_length = torch.zeros_like(rewards)
at_length[torch.arange(2), lengths - 1] = 1.0  # as verl places it
print("token at response_length - 1", columns[torch.arange(2), lengths - 1].tolist())


def first_returns(rewards):
    """The return of the first token of each response, with a critic that says 0."""
    _, returns = compute_gae_advantage_return(rewards, torch.zeros_like(rewards), mask, 1.0, 1.0)
    return [returns[i, -n].item() for i, n in enumerate(lengths.tolist())]


def grpo(rewards):
    return compute_grpo_outcome_advantage(rewards, mask, ["a", "b"], config=AlgorithmConfig())[0][:, -1].tolist()


print("GAE's returns: by SkyRL     ", first_returns(rewards), "at response_length - 1", first_returns(at_length))
print("GRPO:          by SkyRL     ", grpo(rewards), "at response_length - 1", grpo(at_length))
as_seen = (
    columns.tolist() == [[11, 12, 13, 20, 21, 2], RESPONSES[1]]
    and columns[torch.arange(2), lengths - 1].tolist() == [13, 2]
    and first_returns(rewards) == [1.0, 1.0] and first_returns(at_length) == [0.0, 1.0]
    and grpo(rewards) == grpo(at_length)
)
sys.exit(0 if as_seen else 1)
PROGRAM

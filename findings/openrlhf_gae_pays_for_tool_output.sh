#!/usr/bin/env bash
# OpenRLHF, SkyRL: the length of a tool's answer changes the advantage of the call before it. In verl it does not.
#
# One would guess: what a tool wrote is masked, so how much it wrote has no effect on the advantages of the model's tokens.
#
# Seen: OpenRLHF's GAE sets value and reward of these tokens to 0, and still runs over them, so each costs one lambda (and
# gamma). The critic says 0.5 everywhere, and the final reward is 1. At lambda 0.95 the advantage of a call's last token falls
# from 0.429 without a tool's answer to 0.056 with 10 tokens of it and to -0.495 with 100: it changes sign. SkyRL's GAE runs
# over them with the critic's values, 0.5 here: 0.257 and 0.003. verl's goes over the gap to the next token of the model: 0.429.
# At lambda 1, the default of all three, nothing changes. Advantages are compared before whitening, which all three do next.
#
# The functions of OpenRLHF and SkyRL are taken out of their modules, which import deepspeed and vLLM; they need torch alone.
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
  $pip --no-deps verl==0.9.1 openrlhf==0.11.2 skyrl==0.3.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, importlib.metadata, importlib.util, sys
from pathlib import Path

import torch
from verl.trainer.ppo.core_algos import compute_gae_advantage_return

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("openrlhf", "skyrl", "verl", "torch")), sep=", ")


def alone(package, file, name, **needs):
    """One function of a module, with what it needs, without its decorators and annotations."""
    (folder,) = importlib.util.find_spec(package).submodule_search_locations
    tree = ast.parse((Path(folder) / file).read_text())
    (function,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)
    function.decorator_list, function.returns = [], None
    for argument in function.args.args:
        argument.annotation = None
    home = {"torch": torch, **needs}
    exec(compile(ast.Module([function], []), file, "exec"), home)
    return home[name]


openrlhf_gae = alone("openrlhf", "trainer/ppo_utils/experience_maker.py", "get_advantages_and_returns")
skyrl_gae = alone("skyrl", "backends/skyrl_train/utils/ppo_utils.py", "compute_gae_advantage_return",
                  masked_whiten=lambda advantages, mask: advantages)


def of_openrlhf(values, rewards, mask, lam):
    return openrlhf_gae(None, values, rewards, mask, 1.0, lam)[0]


def of_skyrl(values, rewards, mask, lam):
    return skyrl_gae(rewards, values, mask, 1.0, lam)[0]


def of_verl(values, rewards, mask, lam):
    return compute_gae_advantage_return(rewards, values, mask, 1.0, lam)[1] - values  # its advantages are whitened


CALL, ANSWER = 3, 3
found = {}
for lam in (0.95, 1.0):
    for length in (0, 10, 100):
        mask = torch.cat([torch.ones(1, CALL), torch.zeros(1, length), torch.ones(1, ANSWER)], dim=1)
        rewards = torch.zeros_like(mask)
        rewards[0, -1] = 1.0
        for framework, function in (("openrlhf", of_openrlhf), ("skyrl", of_skyrl), ("verl", of_verl)):
            advantages = function(torch.full_like(mask, 0.5), rewards, mask, lam)
            found[framework, lam, length] = round(advantages[0, CALL - 1].item(), 3)
        print(f"lambda {lam}, {length:3} tokens of the tool: advantage of the call's last token "
              + ", ".join(f"{framework} {found[framework, lam, length]:6.3f}" for framework in ("openrlhf", "skyrl", "verl")))


expected = {("openrlhf", 0.95): (0.429, 0.056, -0.495), ("skyrl", 0.95): (0.429, 0.257, 0.003)}
expected |= {("verl", 0.95): (0.429,) * 3} | {(framework, 1.0): (0.5,) * 3 for framework in ("openrlhf", "skyrl", "verl")}
seen = {key: tuple(found[*key, length] for length in (0, 10, 100)) for key in expected}
sys.exit(0 if seen == expected else 1)
PROGRAM

#!/usr/bin/env bash
# OpenRLHF: the length of a tool's answer changes the advantage of the call before it, and verl's does not.
#
# One would guess: what a tool wrote is masked, so how much it wrote has no effect on the advantages of the model's tokens.
#
# Seen: OpenRLHF's GAE sets value and reward of these tokens to 0, and still runs over them, so each costs one lambda (and
# gamma). The critic says 0.5 at every token of the model, and the final reward is 1. At lambda 0.95 the advantage of a call's
# last token falls from 0.429 without a tool's answer to 0.056 with 10 tokens of it and to -0.495 with 100: it changes
# sign. At the default, lambda 1, nothing changes. verl's GAE goes over the gap to the next token of the model. Advantages are compared
# before whitening, which both do afterwards.
#
# OpenRLHF's method is taken out of its module, which imports deepspeed and vLLM; it needs torch alone.
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
  $pip --no-deps verl==0.9.1 openrlhf==0.11.2
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, importlib.metadata, importlib.util, sys, typing
from pathlib import Path

import torch
from verl.trainer.ppo.core_algos import compute_gae_advantage_return

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("openrlhf", "verl", "torch")), sep=", ")
(package,) = importlib.util.find_spec("openrlhf").submodule_search_locations
tree = ast.parse((Path(package) / "trainer/ppo_utils/experience_maker.py").read_text())
name = "get_advantages_and_returns"
(method,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)
home = {"torch": torch, "Tuple": typing.Tuple}
exec(compile(ast.Module([method], []), "experience_maker.py", "exec"), home)


def of_openrlhf(values, rewards, mask, lam):
    return home[name](None, values, rewards, mask, 1.0, lam)[0]


def of_verl(values, rewards, mask, lam):
    return compute_gae_advantage_return(rewards, values, mask, 1.0, lam)[1] - values  # its advantages are whitened


CALL, ANSWER = 3, 3
found = {}
for lam in (0.95, 1.0):
    for length in (0, 10, 100):
        mask = torch.cat([torch.ones(1, CALL), torch.zeros(1, length), torch.ones(1, ANSWER)], dim=1)
        rewards = torch.zeros_like(mask)
        rewards[0, -1] = 1.0
        for framework, function in (("openrlhf", of_openrlhf), ("verl", of_verl)):
            found[framework, lam, length] = function(0.5 * mask, rewards, mask, lam)[0, CALL - 1].item()
        print(f"lambda {lam}, {length:3} tokens of the tool: advantage of the call's last token "
              f"{found['openrlhf', lam, length]:6.3f} (OpenRLHF) {found['verl', lam, length]:6.3f} (verl)")


expected = {("openrlhf", 0.95, 0): 0.429, ("openrlhf", 0.95, 10): 0.056, ("openrlhf", 0.95, 100): -0.495}
expected |= {("verl", 0.95, length): 0.429 for length in (0, 10, 100)}
expected |= {(framework, 1.0, length): 0.5 for framework in ("openrlhf", "verl") for length in (0, 10, 100)}
as_seen = all(abs(found[case] - value) < 0.001 for case, value in expected.items())
sys.exit(0 if as_seen else 1)
PROGRAM

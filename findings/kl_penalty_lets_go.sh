#!/usr/bin/env bash
# OpenRLHF, verl: the KL penalty in the loss has no gradient where the policy is far from the reference.
#
# One would guess: the farther the policy is away, the harder the penalty pulls it back.
#
# Seen: OpenRLHF cuts every estimator at -10 and 10, per token, and a value that is cut has no gradient. k2 is half the
# square of the log-ratio, so it ends where a token is 87 times as probable as under the reference, or 87 times less. k3,
# which verl uses by default for its KL loss, is cut at 10 in both: it ends where a token is 14 times LESS probable than
# under the reference, and just before that its gradient is largest (12.6). A policy with 0.999 on a token that has 0.01
# under the reference, and 300 steps of gradient descent on nothing but the mean penalty: with OpenRLHF's k2 and k3 and with
# verl's k3 it stays at 0.999. With verl's k2, which is not cut, with k3 without the cut (TRL's), and with OpenRLHF's
# algo.kl.unbiased_gradient it goes back to 0.01.
#
# The functions are the libraries', read without their modules' other imports. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps verl==0.9.1 openrlhf==0.11.2
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, sys, typing
from importlib.metadata import distribution
from math import exp, log
from pathlib import Path
from types import SimpleNamespace as Bag

import torch

print(*(f"{name} {distribution(name).version}" for name in ("openrlhf", "verl", "torch")), sep=", ")


def taken(package, file, *names):
    """The named functions and numbers of a module, run without its imports."""
    tree = ast.parse(Path(distribution(package).locate_file(file)).read_text())
    named = [(getattr(node, "name", None) or ast.unparse(getattr(node, "targets", [node])[0]), node) for node in tree.body]
    space = {"torch": torch, **vars(typing)}
    exec(compile(ast.Module([node for name, node in named if name in names], []), file, "exec"), space)
    return Bag(**{name: space[name] for name in names})


of_openrlhf = taken("openrlhf", "openrlhf/models/utils.py", "compute_approx_kl", "KL_IS_WEIGHT_CLIP").compute_approx_kl
of_verl = taken("verl", "verl/trainer/ppo/core_algos.py", "kl_penalty", "kl_penalty_forward").kl_penalty
PENALTIES = {
    "openrlhf k2": lambda policy, ref: of_openrlhf(policy, ref, kl_estimator="k2"),
    "openrlhf k3": lambda policy, ref: of_openrlhf(policy, ref, kl_estimator="k3"),
    "openrlhf k3, unbiased": lambda policy, ref: of_openrlhf(policy, ref, kl_estimator="k3", unbiased_gradient=True),
    "verl k2": lambda policy, ref: of_verl(policy, ref, "k2"),
    "verl k3": lambda policy, ref: of_verl(policy, ref, "low_var_kl"),
    "k3 without the cut": lambda policy, ref: (ref - policy).exp() - (ref - policy) - 1,
}


def pull(penalty, log_ratio):
    """The derivative of the penalty of one token by its log-prob."""
    policy = torch.tensor([log_ratio - 12.0], requires_grad=True)
    penalty(policy, torch.tensor([-12.0])).sum().backward()
    return round(policy.grad.item(), 2)


def collapsed(penalty, steps=300):
    """The probability of the first of 100 tokens after so many steps on the mean penalty alone; it starts at 0.999."""
    ref = torch.full((100,), 0.01).log()
    logits = torch.zeros(100)
    logits[0] = log(0.999 / 0.001 * 99)
    logits.requires_grad_()
    for _ in range(steps):
        policy = logits.log_softmax(0)
        (gradient,) = torch.autograd.grad((policy.exp().detach() * penalty(policy, ref)).sum(), logits)
        logits = (logits - 1.0 * gradient).detach().requires_grad_()
    return logits.softmax(0)[0].item()


TIMES = (1 / 1000, 1 / 14, 1 / 13, 80, 90, 50_000, 70_000)
print(f"{'times as probable as under the reference':41}" + "".join(f"{times:9.3g}" for times in TIMES))
found, ends = {}, {}
for name, penalty in PENALTIES.items():
    found[name], ends[name] = [pull(penalty, log(times)) for times in TIMES], collapsed(penalty)
    print(f"{name:22} pull per token    " + "".join(f"{each:9.2f}" for each in found[name])
          + f"   0.999 becomes {ends[name]:.3f}")
as_seen = (
    [each == 0 for each in found["openrlhf k2"]] == [True, False, False, False, True, True, True]
    and [each == 0 for each in found["openrlhf k3"]] == [True, True, False, False, False, False, True]
    and [each == 0 for each in found["verl k3"]] == [True, True, False, False, False, False, True]
    and 0 not in found["verl k2"] + found["openrlhf k3, unbiased"]
    and all(ends[name] > 0.99 for name in ("openrlhf k2", "openrlhf k3", "verl k3"))
    and all(ends[name] < 0.02 for name in ("openrlhf k3, unbiased", "verl k2", "k3 without the cut"))
)
sys.exit(0 if as_seen else 1)
PROGRAM

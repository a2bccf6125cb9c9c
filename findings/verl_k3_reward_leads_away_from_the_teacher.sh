#!/usr/bin/env bash
# verl: on-policy distillation with use_policy_gradient=true can lead the student away from the teacher, unless loss_mode
# is set too.
#
# One would guess: with distillation.distillation_loss.use_policy_gradient=true the student comes closer to the teacher,
# step by step, whatever estimate of the KL it is rewarded with.
#
# Seen: loss_mode stays at its default, k3, so the advantage of a token is minus k3. k3 is never negative: each token with
# a probability that is not the teacher's is made less likely, whether the student has it too seldom or too often. The
# expected gradient is that of KL(student || teacher) minus that of KL(teacher || student), and close to the teacher they
# cancel. Of a token that the student has at 0.2 and the teacher at 0.4, k3 is 0.31, of the others less: so it is taken to
# 0. k1 as reward, and k3 as a loss (use_policy_gradient=false, the default), bring the student to the teacher. verl's
# docstring recommends k1 here; it refuses k1 as a loss and warns of forward_kl_topk as reward, and takes k3 silently.
#
# The loss is verl's, read without its other imports, with the defaults of its configuration file. The gradient is the exact expectation over the student's
# tokens, and the ratio to the old policy is 1. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 pyyaml
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps verl==0.9.1
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, contextlib, io, sys
from importlib.metadata import distribution, version
from pathlib import Path

import torch
import yaml

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


def text_of(file):
    return Path(distribution("verl").locate_file(file)).read_text()


verl_F = alone("verl/utils/torch_functional.py", "masked_sum", "masked_mean")
core = alone("verl/trainer/ppo/core_algos.py", "agg_loss", "kl_penalty", "kl_penalty_forward", "compute_policy_loss_vanilla",
             verl_F=verl_F)
needs = {"agg_loss": core.agg_loss, "kl_penalty": core.kl_penalty, "no_padding_2_padding": lambda x, data: x,
         "get_policy_loss_fn": lambda mode: core[f"compute_policy_loss_{mode}"], "Metric": lambda *_, **__: None,
         "AggregationType": Bag(SUM=0, MEAN=1, MIN=2, MAX=3), "DistillationLossConfig": None}
losses = alone("verl/trainer/distillation/losses.py", "distillation_loss", "compute_distillation_loss_range",
               "compute_distillation_loss_reverse_kl_estimator", **needs)
losses["distillation_loss"].__globals__["get_distillation_loss_fn"] = (
    lambda mode: losses["compute_distillation_loss_reverse_kl_estimator"])
defaults = yaml.safe_load(text_of("verl/trainer/config/distillation/distillation.yaml"))["distillation_loss"]
print(f"defaults: loss_mode {defaults['loss_mode']}, use_policy_gradient {defaults['use_policy_gradient']}")
(config_class,) = (node for node in ast.parse(text_of("verl/workers/config/distillation.py")).body
                   if getattr(node, "name", None) == "DistillationLossConfig")
(check,) = (node for node in config_class.body if getattr(node, "name", None) == "__post_init__")
check.body = [node for node in check.body if isinstance(node, ast.If)]  # what it refuses, and what it warns of


def said_of(options):
    words, space = io.StringIO(), {}
    exec(compile(ast.Module([check], []), "distillation.py", "exec"), space)
    with contextlib.redirect_stdout(words):
        try:
            space["__post_init__"](Bag(defaults | options))
        except ValueError as error:
            print(error)
    return words.getvalue().strip()[:60]


for mode, policy_gradient in (("k3", True), ("k1", True), ("k1", False), ("forward_kl_topk", True)):
    said = said_of({"loss_mode": mode, "use_policy_gradient": policy_gradient})
    print(f"verl of {mode}, use_policy_gradient={policy_gradient}: {said or 'nothing'}")


def loss_of_token(logp, teacher_logp, options):
    """verl's loss of one completion of one token."""
    config = Bag(distillation_loss=Bag(defaults | options, global_batch_info={}))
    data = Bag(response_mask=torch.ones(1, 1), old_log_probs=logp.detach().view(1, 1), dp_size=1, batch_num_tokens=None,
               global_batch_size=None, teacher_logprobs=teacher_logp.view(1, 1, 1))
    actor = Bag(loss_agg_mode="token-mean", loss_scale_factor=None, global_batch_info={})
    return losses["distillation_loss"](actor, config, {"log_probs": logp.view(1, 1)}, data)[0]


def kl(p, q):
    return (p * (p / q).log()).sum()


def gradient(logits, options):
    """Of the expected loss: every token, with the student's probability as its weight."""
    logp = logits.log_softmax(dim=0)
    expected = sum(x.exp().detach() * loss_of_token(x, t, options) for x, t in zip(logp, TEACHER.log()))
    return torch.autograd.grad(expected, logits)[0]


STUDENT, TEACHER = torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]], dtype=torch.float64)
print(f"student {STUDENT.tolist()}, teacher {TEACHER.tolist()}, KL {kl(STUDENT, TEACHER):.3f}")
SETTINGS = {"use_policy_gradient=true": {"use_policy_gradient": True},
            "use_policy_gradient=true, loss_mode=k1": {"use_policy_gradient": True, "loss_mode": "k1"},
            "the defaults": {}}
end = {}
for name, options in SETTINGS.items():
    logits = STUDENT.log().requires_grad_()
    for _ in range(300):
        step = gradient(logits, options)
        with torch.no_grad():
            logits -= 0.5 * step
    end[name] = logits.detach().softmax(dim=0)
    places = [round(p, 3) for p in end[name].tolist()]
    print(f"300 steps with {name:40} student {places}, KL {abs(kl(end[name] + 1e-12, TEACHER)):.3f}")
logits = STUDENT.log().requires_grad_()
student = logits.softmax(dim=0)
reverse_minus_forward = torch.autograd.grad(kl(student, TEACHER) - kl(TEACHER, student), logits)[0]
first = gradient(logits, {"use_policy_gradient": True})
print(f"gradient of k3 as reward {[round(x, 4) for x in first.tolist()]}, that of KL(student || teacher) minus "
      f"KL(teacher || student) {[round(x, 4) for x in reverse_minus_forward.tolist()]}")
as_seen = (
    defaults["loss_mode"] == "k3" and not defaults["use_policy_gradient"]
    and not said_of({"use_policy_gradient": True}) and said_of({"loss_mode": "k1"})
    and torch.allclose(first, reverse_minus_forward)
    and end["use_policy_gradient=true"][0] < 0.01
    and all(torch.allclose(end[name], TEACHER, atol=1e-3) for name in list(SETTINGS)[1:])
)
sys.exit(0 if as_seen else 1)
PROGRAM

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
# The loss is verl's, with the defaults of its configuration file. The gradient is the exact expectation over the student's
# tokens, and the ratio to the old policy is 1. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
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
import contextlib, io, sys
from importlib.metadata import version
from importlib.resources import files

import torch
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl.trainer.distillation.losses import distillation_loss
from verl.workers.config import ActorConfig, DistillationConfig, DistillationLossConfig

print(f"verl {version('verl')}, torch {version('torch')}")
defaults = OmegaConf.to_container(OmegaConf.load(files("verl") / "trainer/config/distillation/distillation.yaml"))
defaults = {k: v for k, v in defaults["distillation_loss"].items() if k != "_target_"}
print(f"defaults: loss_mode {defaults['loss_mode']}, use_policy_gradient {defaults['use_policy_gradient']}")


def loss_of_token(logp, teacher_logp, options):
    """verl's loss of one completion of one token, after a prompt of one token."""
    words = io.StringIO()
    with contextlib.redirect_stdout(words):
        loss_config = DistillationLossConfig(**defaults | options)
    assert not words.getvalue()  # no warning
    one = torch.ones(1, 1, dtype=torch.long)
    data = TensorDict(
        {"prompts": one, "responses": one, "attention_mask": one.expand(1, 2), "response_mask": one,
         "old_log_probs": logp.detach().view(1, 1)}, batch_size=1)
    data = dict(data.items()) | {"dp_size": 1, "batch_num_tokens": None, "global_batch_size": None}
    nan = torch.tensor(float("nan"))  # model outputs have a row per token of the text; the last predicts nothing
    data["teacher_logprobs"] = torch.stack([teacher_logp, nan])[:, None]
    actor = ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1)
    output = {"log_probs": torch.stack([logp, nan])}
    return distillation_loss(actor, DistillationConfig(distillation_loss=loss_config), output, data)[0]


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
    and torch.allclose(first, reverse_minus_forward)
    and end["use_policy_gradient=true"][0] < 0.01
    and all(torch.allclose(end[name], TEACHER, atol=1e-3) for name in list(SETTINGS)[1:])
)
sys.exit(0 if as_seen else 1)
PROGRAM

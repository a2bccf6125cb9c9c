#!/usr/bin/env bash
# Liger: its KTO loss takes a reference model and does not use it, unless use_ref_model=True. Its DPO loss uses it.
#
# One would guess: ref_input and ref_weight, given to the loss, are the reference; and a policy that is equal to its reference
# has a KTO loss of 0.5 and a gradient.
#
# Seen: LigerFusedLinearKTOLoss has use_ref_model=False where LigerFusedLinearDPOLoss has True, and with False the reference's
# log-probability is taken for 0. Any reference gives the same loss to the last bit. The log-ratio is then the completion's
# log-probability: with 100 tokens of 1.6 nats each it is -160, and at beta 0.1 the sigmoid is at its end. A policy that equals
# its reference has a loss of 1 for a desired completion and of 0 for an undesired one, and less than a millionth of the
# gradient that it should have. Nothing fails, and nothing is trained.
#
# Random hidden states and heads; the completion is sampled from them. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --no-compile --disable-pip-version-check"
  $pip torch==2.13.0 numpy
  $pip --no-deps liger-kernel==0.8.5
fi
cd "$folder"
CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

import torch
from liger_kernel.chunked_loss import LigerFusedLinearDPOLoss, LigerFusedLinearKTOLoss

print(f"liger-kernel {version('liger-kernel')}, torch {version('torch')}")
torch.manual_seed(0)
TOKENS, WIDTH, WORDS = 100, 8, 32
hidden, head = torch.randn(2, TOKENS, WIDTH), torch.randn(WORDS, WIDTH)
policy = (hidden @ head.t()).log_softmax(-1)
target = torch.distributions.Categorical(logits=policy).sample()  # as the policy writes
OTHER = head + 0.2 * torch.randn(WORDS, WIDTH)  # the head of another reference


def kto(desired, ref_head, **options):
    """Loss and size of the gradient, of one completion. The KL of the batch is 0, as it is where both models are equal."""
    weight = head.clone().requires_grad_()
    loss_of = LigerFusedLinearKTOLoss(compiled=False, **options)
    loss, _ = loss_of(hidden[:1], weight, target[:1], preference_labels=torch.tensor([desired]), ref_input=hidden[:1],
                      ref_weight=ref_head, kl=torch.zeros(1))
    loss.backward()
    return loss.item(), weight.grad.norm().item()


def dpo(ref_head):
    loss_of = LigerFusedLinearDPOLoss(compiled=False)
    return loss_of(head, hidden, target, ref_input=hidden, ref_weight=ref_head)[0].item()


nats = -policy.gather(2, target[..., None])[0].mean().item()
print(f"a completion of {TOKENS} tokens of {nats:.2f} nats each")
as_seen = True
for desired in (True, False):
    left_out, used = kto(desired, head), kto(desired, head, use_ref_model=True)
    as_seen &= left_out == kto(desired, OTHER) and abs(left_out[0] - desired) < 1e-6
    as_seen &= used[0] == 0.5 and left_out[1] < 1e-6 * used[1]
    for label, (loss, gradient), options in (("default", left_out, {}), ("use_ref_model=True", used, {"use_ref_model": True})):
        print(f"desired {desired!s:5} {label:18}  policy = reference: loss {loss:.3f}, gradient {gradient:.1e}; "
              f"another reference: loss {kto(desired, OTHER, **options)[0]:.3f}")
print(f"DPO by default: {dpo(head):.3f}, with another reference {dpo(OTHER):.3f}")
as_seen &= kto(True, OTHER, use_ref_model=True)[0] != 0.5
as_seen &= abs(dpo(head) - 0.6931) < 1e-3 and abs(dpo(OTHER) - dpo(head)) > 0.01
sys.exit(0 if as_seen else 1)
PROGRAM

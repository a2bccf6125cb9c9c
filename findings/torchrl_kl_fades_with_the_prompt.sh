#!/usr/bin/env bash
# torchrl: the longer the prompt, the weaker the KL penalty of GRPOLoss. The policy's loss does not depend on the prompt.
#
# One would guess: kl_to_ref_coeff weighs the mean of the KL over the tokens that have a loss, as loss_objective is a mean
# over them.
#
# Seen: loss_kl_to_ref is the mean over the whole width of ("log_probs", "full"): prompt, completion and padding, where masked
# tokens count as 0. With a completion of 10 tokens that are all 0.107 nats away (k3), kl_to_ref is 0.053 with a prompt of 10
# tokens and 0.001 with one of 990: there a coefficient of 0.1 acts as one of 0.001. In a batch of both it is 0.001 too, so
# one long prompt makes the penalty of all rows weaker. kl_to_inference_coeff uses the same function. The logged entropy is a
# mean over the width too, and the bonus for it, loss_entropy, is not.
#
# The policy is torchrl's wrapper around a tiny random Llama, with the defaults. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --no-compile --disable-pip-version-check torch==2.13.0 transformers==5.23.0 tensordict==0.14.3 \
    torchrl==0.14.1
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from importlib.metadata import version

import torch
from tensordict import TensorDict
from tokenizers import Tokenizer, models
from torchrl.modules.llm import TransformersWrapper
from torchrl.objectives.llm.grpo import GRPOLoss
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

print(*(f"{name} {version(name)}" for name in ("torchrl", "tensordict", "transformers", "torch")), sep=", ")
COMPLETION, APART, COEFFICIENT = 10, 0.5, 0.1

torch.manual_seed(0)
words = {f"w{i}": i for i in range(30)} | {"<pad>": 30, "<eos>": 31}
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0")), pad_token="<pad>", eos_token="<eos>", unk_token="w0"
)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
    bos_token_id=None, eos_token_id=31, pad_token_id=30,
)).eval()
policy = TransformersWrapper(
    model, tokenizer=tokenizer, input_mode="tokens", generate=False, return_log_probs=True, pad_output=True
)


def losses(*prompts):
    """Of completions with advantage 1, whose tokens the policy likes by 0.5 nats more than the reference."""
    width = max(prompts)
    there = torch.arange(width + COMPLETION) >= width - torch.tensor(prompts)[:, None]  # padding is on the left
    full = torch.where(there, torch.randint(30, there.shape), tokenizer.pad_token_id)
    tokens = {"prompt": full[:, :width], "response": full[:, width:], "full": full}
    batch = TensorDict({"tokens": tokens}, batch_size=[len(prompts)])
    with torch.no_grad():
        scored = policy(batch.clone())
    assert torch.equal(scored["masks", "all_attention_mask"], there)
    logprobs = scored["log_probs", "full"]
    batch.update({
        "masks": scored["masks"],
        "log_probs": {"full": logprobs},
        "next": {"ref_log_probs": {"full": logprobs - APART}},
        "advantage": torch.ones(*there.shape, 1),
    })
    return GRPOLoss(policy, kl_to_ref_coeff=COEFFICIENT)(batch)


of_a_token = torch.tensor(-APART).expm1().item() + APART
as_seen = True
for prompts in ((10,), (90,), (990,), (10, 990)):
    result = losses(*prompts)
    kl, loss, objective = (each.item() for each in (result.kl_to_ref, result.loss_kl_to_ref, result.loss_objective))
    logged = result.entropy.item() / (result.loss_entropy.item() / -0.01)  # over the one in the loss
    share = COMPLETION / (max(prompts) + COMPLETION)
    as_seen &= abs(kl - share * of_a_token) < 1e-5 and abs(loss - COEFFICIENT * share * of_a_token) < 1e-6
    as_seen &= abs(objective + 1) < 1e-4 and abs(logged - share) < 1e-4
    print(f"prompts of {prompts} tokens: KL per token {of_a_token:.4f}, kl_to_ref {kl:.4f}, loss_kl_to_ref {loss:.6f}, "
          f"loss_objective {objective:.3f}; logged entropy / entropy in the loss {logged:.3f}")
sys.exit(0 if as_seen else 1)
PROGRAM

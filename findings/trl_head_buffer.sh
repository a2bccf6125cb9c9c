#!/usr/bin/env bash
# TRL: the head that never holds the logits takes more memory than the logits, where the vocabulary is small.
#
# One would guess: add_fused_lm_head, which GRPOTrainer uses ("without materializing the (batch, seq_len, vocab)
# logits"), never allocates a tensor as large as the logits.
#
# Seen: on its plain torch path it takes a buffer of 32,768 columns for every scored token, however small the vocabulary
# is. With 384 words and 256 tokens the logits are 0.4 MB and the buffer is 33.6 MB, 85 times as much. Only a vocabulary
# above 32,768 makes it the smaller one. Whoever compares the memory of two trainers on a small model measures this.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 trl==1.16.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
import torch, transformers, trl
from torch.profiler import ProfilerActivity, profile
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

print(f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}")
TOKENS = 256


def largest_allocation(call) -> int:
    """Bytes of the largest single allocation that torch makes meanwhile."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        call()
    return max(event.nbytes() for event in seen.profiler.kineto_results.events() if event.name() == "[memory]")


found = {}
for vocab in (384, 4096):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocab, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                                         num_attention_heads=2))
    ids = torch.randint(3, vocab, (1, TOKENS + 1))
    plain = largest_allocation(lambda: model(ids))
    add_fused_lm_head(model)
    with torch.no_grad():
        logits = model(ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    got = []
    fused = largest_allocation(lambda: got.append(model(ids, labels=ids, fused_lm_head=True).log_probs))
    assert torch.allclose(got[0], logits, atol=1e-4)  # both are right
    found[vocab] = (plain, fused)
    print(f"vocabulary {vocab:5}: logits {4 * vocab * (TOKENS + 1) / 1e6:5.1f} MB, largest allocation "
          f"with logits {plain / 1e6:5.1f} MB, with the fused head {fused / 1e6:5.1f} MB")
as_seen = all(fused == 4 * 32768 * TOKENS > plain for plain, fused in found.values())
sys.exit(0 if as_seen else 1)
PROGRAM

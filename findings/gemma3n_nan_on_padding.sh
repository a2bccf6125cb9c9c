#!/usr/bin/env bash
# transformers: a left-padded row gives Gemma 3n a gradient of NaN in most weights, with the default attention.
#
# One would guess: padding is masked, so what stands there cannot reach a loss on the last token; and SDPA and eager
# attention differ by rounding.
#
# Seen: the logits are finite and equal. But Gemma 3n divides by the root of a mean of squares of what it holds at each
# position. At padding the embedding is 0, fused attention (SDPA) leaves it 0, and there the root's derivative is infinite:
# times the 0 that comes back from the loss that is NaN. Eager attention spreads a little of everything over a fully
# masked row, so nothing is 0, and the gradient is that of the rows without padding.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
import torch, transformers
from transformers import Gemma3nForCausalLM, Gemma3nTextConfig
from transformers import AutoModelForCausalLM

transformers.logging.set_verbosity_error()
print(f"torch {torch.__version__}, transformers {transformers.__version__}")
config = Gemma3nTextConfig(
    vocab_size=32, vocab_size_per_layer_input=32, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=1, head_dim=16, hidden_size_per_layer_input=8, laurel_rank=4,
    num_kv_shared_layers=0, activation_sparsity_pattern=[0.0, 0.0], layer_types=["sliding_attention", "full_attention"],
    pad_token_id=0, bos_token_id=None, eos_token_id=1,
)
tokens = torch.tensor([[0, 0, 0, 5, 6, 7], [8, 9, 10, 11, 12, 13]])
mask = tokens != 0
places = (mask.cumsum(1) - 1).clamp(min=0)


def gradient(model, rows):
    """Of the log-prob of the last token of each row, rows given as (tokens, mask, positions)."""
    model.zero_grad()
    finite = True
    for t, m, p in rows:
        logits = model(t, attention_mask=m, position_ids=p, use_cache=False).logits
        finite &= bool(logits.isfinite().all())
        logits[:, -2].log_softmax(-1).gather(1, t[:, -1:]).sum().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    return finite, sum(bool(g.isnan().any()) for g in grads), len(grads), torch.cat([g.flatten() for g in grads])


seen = {}
for attention in ("sdpa", "eager"):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    finite, bad, count, padded = gradient(model, [(tokens, mask, places)])
    alone = [(tokens[:1, 3:], mask[:1, 3:], places[:1, 3:]), (tokens[1:], mask[1:], places[1:])]
    _, bad_alone, _, apart = gradient(model, alone)
    off = ((padded - apart).norm() / apart.norm()).item()
    print(f"{attention:5} logits finite: {finite}; NaN in the gradient of {bad} of {count} weights, "
          f"of rows without padding {bad_alone}; relative difference {off:.1g}")
    seen[attention] = finite and bad > 0.8 * count, bad_alone
if seen != {"sdpa": (True, 0), "eager": (False, 0)}:
    sys.exit("this has changed: where the gradient of Gemma 3n is NaN")
print("as described: NaN with SDPA, none with eager attention")
PROGRAM

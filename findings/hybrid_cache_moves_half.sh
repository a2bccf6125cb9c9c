#!/usr/bin/env bash
# transformers: the cache of a hybrid model takes row operations, and applies them to half of what it holds.
#
# One would guess: cache.batch_select_indices and batch_repeat_interleave, which generate() uses when rows of a batch are
# chosen or repeated, work on every DynamicCache, or raise.
#
# Seen: Falcon-H1 keeps keys and values and a recurrent state in each layer. Both calls return, and move the keys and
# values only: after two rows were swapped, each goes on with the other's attention and its own state, and its logits are
# wrong without a word. Repeated rows raise at the next token, unless as many are dropped before. Mamba and Qwen3-Next
# raise AttributeError. A reference on the whole text, without a cache, shows what is right.
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
from transformers import DynamicCache, FalconH1Config, FalconH1ForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers import MambaConfig, MambaForCausalLM

transformers.logging.set_verbosity_error()
print(f"torch {torch.__version__}, transformers {transformers.__version__}")
size = dict(vocab_size=16, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
mixer = dict(mamba_d_ssm=64, mamba_n_heads=4, mamba_d_head=16, mamba_d_state=4, mamba_n_groups=1, mamba_chunk_size=16)
falcon = FalconH1Config(**size, num_key_value_heads=1, head_dim=16, **mixer)
MODELS = {
    "Llama": (LlamaForCausalLM, LlamaConfig(**size)),
    "Falcon-H1": (FalconH1ForCausalLM, falcon),
    "Mamba": (MambaForCausalLM, MambaConfig(vocab_size=16, hidden_size=32, num_hidden_layers=2, state_size=4)),
}
prompts, swapped, following = torch.tensor([[3, 5, 7, 9], [8, 6, 4, 2]]), torch.tensor([1, 0]), torch.tensor([[1], [1]])
seen = {}
for name, (kind, config) in MODELS.items():
    torch.manual_seed(0)
    model = kind(config).eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    with torch.no_grad():
        cache = DynamicCache(config=config)
        model(prompts, past_key_values=cache, use_cache=True)
        whole = model(torch.cat([prompts[swapped], following], dim=1), use_cache=False).logits[:, -1]
        try:
            cache.batch_select_indices(swapped)
            error = (model(following, past_key_values=cache, use_cache=True).logits[:, -1] - whole).abs().max().item()
            seen[name] = "right" if error < 1e-4 else "wrong"
            told = f"logits off by {error:.2g}"
        except Exception as failure:
            seen[name], told = type(failure).__name__, f"{type(failure).__name__}: {failure}"
    print(f"{name:10} two rows swapped in the cache, one more token: {told}")
if seen != {"Llama": "right", "Falcon-H1": "wrong", "Mamba": "AttributeError"}:
    sys.exit("this has changed: what caches of hybrid models do with their rows")
print("as described: the hybrid model is wrong without a word")
PROGRAM

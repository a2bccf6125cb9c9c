#!/usr/bin/env bash
# transformers: base_model, hidden_size and hidden_states[-1] are not always the trunk, the width and what the head reads.
#
# One would guess: model.base_model(tokens).last_hidden_state is (batch, time, config.hidden_size), it is the model's
# hidden_states[-1], and the head reads it. Value heads, probes and reward models are built on that.
#
# Seen: Llama 4's text model is its own base_model, whose output has logits and no last_hidden_state. OPT with
# word_embed_proj_dim reads another width than hidden_size. Gemma 3n's hidden_states[-1] has four axes, one for each of its
# streams. What the head reads is always there: its input, caught by a forward pre-hook on get_output_embeddings().
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
from transformers import AutoModelForCausalLM, Gemma3nTextConfig, Llama4TextConfig, LlamaConfig, OPTConfig

transformers.logging.set_verbosity_error()
print(f"torch {torch.__version__}, transformers {transformers.__version__}")
size = dict(vocab_size=32, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0)
grouped = size | dict(num_key_value_heads=1, head_dim=16, intermediate_size=64)
CONFIGS = {
    "Llama": LlamaConfig(**size, intermediate_size=64),
    "Llama 4": Llama4TextConfig(**grouped, intermediate_size_mlp=64, num_local_experts=2, moe_layers=[1]),
    "OPT": OPTConfig(**size, word_embed_proj_dim=16, ffn_dim=64),
    "Gemma 3n": Gemma3nTextConfig(
        **grouped, vocab_size_per_layer_input=32, hidden_size_per_layer_input=8, laurel_rank=4, num_kv_shared_layers=0,
        activation_sparsity_pattern=[0.0, 0.0], layer_types=["sliding_attention", "full_attention"],
    ),
}
seen = {}
for name, config in CONFIGS.items():
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    read = []
    model.get_output_embeddings().register_forward_pre_hook(lambda _, args: read.append(tuple(args[0].shape)))
    with torch.no_grad():
        tokens = torch.tensor([[1, 2, 3]])
        last = tuple(model(tokens, output_hidden_states=True).hidden_states[-1].shape)
        trunk = getattr(model.base_model(tokens), "last_hidden_state", None)
    trunk = None if trunk is None else tuple(trunk.shape)
    seen[name] = model.base_model is model, trunk, last, read[0]
    print(f"{name:9} hidden_size {config.hidden_size}; base_model is the model: {seen[name][0]}, its last_hidden_state {trunk}; "
          f"hidden_states[-1] {last}; the head reads {read[0]}")
usual = (1, 3, 32)
if seen != {
    "Llama": (False, usual, usual, usual),
    "Llama 4": (True, None, usual, usual),
    "OPT": (False, (1, 3, 16), (1, 3, 16), (1, 3, 16)),
    "Gemma 3n": (False, usual, (4, 1, 3, 32), usual),
}:
    sys.exit("this has changed: " + str(seen))
print("as described: three of the four are not what one would guess")
PROGRAM

#!/usr/bin/env bash
# peft: a model into which an adapter was merged is frozen, all of it, and training it fails or does nothing.
#
# One would guess: PeftModel.from_pretrained(base, folder).merge_and_unload() gives an ordinary model, like the base.
#
# Seen: its class and its numbers are ordinary, but no weight has requires_grad: loading an adapter for inference, the
# default, freezes the base, and merging does not undo it. backward() on its loss raises; an optimizer that was given
# more than this model steps without it. The base that was passed is frozen too: it is the same object.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 peft==0.21.2
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
import peft, torch, transformers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")
torch.manual_seed(0)
size = dict(vocab_size=16, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
LlamaForCausalLM(LlamaConfig(**size)).save_pretrained("base")
config = peft.LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
peft.get_peft_model(AutoModelForCausalLM.from_pretrained("base"), config).save_pretrained("adapter")

base = AutoModelForCausalLM.from_pretrained("base")
trainable = lambda model: f"{sum(p.requires_grad for p in model.parameters())} of {len(list(model.parameters()))}"
print("trainable weights of the base:", first := trainable(base))
merged = peft.PeftModel.from_pretrained(base, "adapter").merge_and_unload()
print("trainable weights of the merged model, a", type(merged).__name__ + ":", then := trainable(merged))
try:
    tokens = torch.tensor([[1, 2, 3]])
    merged(tokens, labels=tokens).loss.backward()
    told = "no error"
except RuntimeError as error:
    told = str(error)
print("backward():", told)
if (first, then, type(merged).__name__) != ("21 of 21", "0 of 21", "LlamaForCausalLM") or "does not require grad" not in told:
    sys.exit("this has changed: the merged model is no longer frozen")
print("as described: the merged model is frozen; merged.requires_grad_(True) undoes it")
PROGRAM

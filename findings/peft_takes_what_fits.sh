#!/usr/bin/env bash
# peft: an adapter of another model is loaded and merged without a word, as far as its names fit.
#
# One would guess: PeftModel.from_pretrained compares what the folder holds with the base, and warns or raises where an
# adapter was trained on a deeper model, or on a classifier.
#
# Seen: it warns of weights that are missing. Of those that the base has no place for it says nothing: half of an adapter
# of four layers is dropped on a base of two, and a reward model's adapter (task_type SEQ_CLS) goes into a language model.
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
import sys, warnings
import peft, torch, transformers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

transformers.logging.set_verbosity_error()
print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")
size = dict(vocab_size=16, hidden_size=32, intermediate_size=64, num_attention_heads=2, pad_token_id=0)


def saved(kind, layers, task, folder):
    """An adapter that changes something, trained on a model of this kind and depth."""
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=["q_proj"], task_type=task, init_lora_weights=False)
    peft.get_peft_model(kind(LlamaConfig(**size, num_hidden_layers=layers)), config).save_pretrained(folder)


saved(LlamaForCausalLM, 4, "CAUSAL_LM", "deeper")
saved(LlamaForSequenceClassification, 2, "SEQ_CLS", "classifier")
seen = {}
for folder in ("deeper", "classifier"):
    torch.manual_seed(1)
    base = LlamaForCausalLM(LlamaConfig(**size, num_hidden_layers=2))
    before = [layer.self_attn.q_proj.weight.clone() for layer in base.model.layers]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        merged = peft.PeftModel.from_pretrained(base, folder).merge_and_unload()
    after = [layer.self_attn.q_proj.weight for layer in merged.model.layers]
    changed = sum(not torch.equal(a, b) for a, b in zip(before, after))
    words = [str(w.message) for w in told if "adapter" in str(w.message) or "keys" in str(w.message)]
    seen[folder] = changed, len(words)
    print(f"{folder:10} merged into a language model of 2 layers: {changed} of 2 layers changed; warnings about it: {words}")
if seen != {"deeper": (2, 0), "classifier": (2, 0)}:
    sys.exit("this has changed: peft says something about an adapter of another model")
print("as described: both are merged without a word")
PROGRAM

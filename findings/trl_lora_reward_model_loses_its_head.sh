#!/usr/bin/env bash
# TRL: a reward model that RewardTrainer trained with LoraConfig() is another model when it is loaded again.
#
# One would guess: RewardTrainer adds a head to the base model, so it trains the head and saves it. What has an accuracy of
# 1.0 in training has it when it is loaded from the folder.
#
# Seen: without task_type or modules_to_save, the new head is frozen at its random start: the adapter learns to use it, and
# the accuracy is 1.0. save_model writes the adapter alone. Whoever loads the folder gets the base model, the adapter, and a
# new random head: the same pairs are ranked right or the wrong way around, as the seed of the loading program wants.
# GRPOTrainer loads a reward model from its path in this way. The load report lists score.weight as newly initialized, and
# training says nothing. With task_type="SEQ_CLS" the head is trained, saved and loaded.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 trl==1.16.0 datasets==5.2.0 \
    peft==0.21.2
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import json, sys, tempfile
from pathlib import Path

import peft, torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (AutoModelForSequenceClassification, LlamaConfig, LlamaForCausalLM, PrinterCallback,
                          PreTrainedTokenizerFast)
from trl import RewardConfig, RewardTrainer

disable_progress_bars()
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
print(f"transformers {transformers.__version__}, trl {trl.__version__}, peft {peft.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="</s>", pad_token="<pad>")
base = tempfile.mkdtemp()
torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1,
                             num_attention_heads=2, pad_token_id=tokenizer.pad_token_id, initializer_range=0.2)).save_pretrained(base)
tokenizer.save_pretrained(base)
pairs = [{"prompt": f"{a} + {b} =", "chosen": f" {a + b}", "rejected": f" {a + b + 1}?"} for a in range(5) for b in range(5)]


def accuracy(model):
    sides = [tokenizer([pair["prompt"] + pair[side] + "</s>" for pair in pairs], return_tensors="pt", padding=True,
                       padding_side="right") for side in ("chosen", "rejected")]
    with torch.no_grad():
        chosen, rejected = (model.eval()(**side).logits[:, 0] for side in sides)
    return (chosen > rejected).float().mean().item()


found, heads = {}, {}
for task_type in (None, "SEQ_CLS"):
    out = tempfile.mkdtemp()
    args = RewardConfig(output_dir=out, report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no", bf16=False,
                        per_device_train_batch_size=25, max_steps=60, learning_rate=0.02, gradient_checkpointing=False)
    trainer = RewardTrainer(base, args=args, train_dataset=Dataset.from_list(pairs), peft_config=LoraConfig(task_type=task_type))
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model()
    heads[task_type] = [name for name in load_file(Path(out) / "adapter_model.safetensors") if "score" in name]
    loaded = []
    for seed in range(12):
        torch.manual_seed(seed)
        loaded.append(round(accuracy(AutoModelForSequenceClassification.from_pretrained(out, num_labels=1)), 2))
    found[task_type] = (accuracy(trainer.model), loaded)
    print(f"task_type {task_type}: accuracy after training {found[task_type][0]:.2f}, head in the file {heads[task_type]}")
    print(f"    loaded again with twelve seeds: {loaded}")
as_seen = (
    found[None][0] == 1.0 and not heads[None] and min(found[None][1]) < 0.2 and max(found[None][1]) > 0.8
    and found["SEQ_CLS"] == (1.0, [1.0] * 12) and len(heads["SEQ_CLS"]) == 1
)
sys.exit(0 if as_seen else 1)
PROGRAM

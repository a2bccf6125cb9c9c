#!/usr/bin/env bash
# TRL: assistant_only_loss changes the text that a Qwen3 model is trained on, and not only the mask over it.
#
# One would guess: assistant_only_loss=True chooses which tokens of a conversation have a loss; the conversation is the same.
#
# Seen: with it SFTTrainer renders the data with a template of its own for Qwen3, which opens every turn of the assistant
# with an empty think block, and trains these tokens. Without the option only the last turn has such a block. So a model is
# taught to write a block where its own template, which renders the history, shows none.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 trl==1.16.0 datasets==5.2.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys, tempfile

import transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
from trl.chat_template_utils import qwen3_chat_template

disable_progress_bars()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|pad|>",
                                    extra_special_tokens=["<|im_start|>", "<think>", "</think>"])
tokenizer.chat_template = qwen3_chat_template
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16,
                                     num_hidden_layers=1, num_attention_heads=1))
messages = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "1"},
            {"role": "user", "content": "Two?"}, {"role": "assistant", "content": "2"}]
think = tokenizer.convert_tokens_to_ids("<think>")
found = {}
for only in (False, True):
    args = SFTConfig(output_dir=tempfile.mkdtemp(), assistant_only_loss=only, report_to="none", use_cpu=True)
    row = SFTTrainer(model, args=args, train_dataset=Dataset.from_list([{"messages": messages}]),
                     processing_class=tokenizer).train_dataset[0]
    mask = row.get("assistant_masks", [1] * len(row["input_ids"]))
    found[only] = [m for token, m in zip(row["input_ids"], mask) if token == think]
    print(f"assistant_only_loss={only!s:5} {tokenizer.decode(row['input_ids'])!r}")
    print(f"    think blocks: {len(found[only])}, trained: {sum(found[only])}")
sys.exit(0 if found == {False: [1], True: [1, 1]} else 1)
PROGRAM

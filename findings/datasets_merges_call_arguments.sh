#!/usr/bin/env bash
# datasets: Dataset.from_list gives every tool call the arguments of all others, and TRL trains on them.
#
# One would guess: a conversation comes out of a Dataset as it went in, so each call keeps its own arguments.
#
# Seen: the column has one type for all rows, so the arguments of all calls become one struct. A call has the names of all
# others too, with None, and TRL renders it with `"city": null`. A whole number becomes 2.0 where another call has 2.5.
# TRL does not remove the None, so the model learns to write arguments that the tool does not have. With
# on_mixed_types="use_json" the rows stay as they were.
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
import json, sys, tempfile

import datasets, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
from trl.chat_template_utils import qwen2_5_chat_template

disable_progress_bars()
print(f"datasets {datasets.__version__}, transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|pad|>",
                                    extra_special_tokens=["<|im_start|>"])
tokenizer.chat_template = qwen2_5_chat_template
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16,
                                     num_hidden_layers=1, num_attention_heads=1))

ARGUMENTS = [{"city": "Oslo"}, {"x": 2}, {"x": 2.5}]
rows = []
for name, arguments in zip(("weather", "double", "double"), ARGUMENTS):
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    rows.append({"messages": [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "", "tool_calls": [call]}]})
found = {}
for options in ({}, {"on_mixed_types": "use_json"}):
    args = SFTConfig(output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True)
    trained = SFTTrainer(model, args=args, train_dataset=Dataset.from_list(rows, **options), processing_class=tokenizer).train_dataset
    texts = [tokenizer.decode(row["input_ids"]) for row in trained]
    calls = [json.loads(text.partition("<tool_call>")[2].partition("</tool_call>")[0]) for text in texts]
    found[bool(options)] = [json.dumps(call["arguments"]) for call in calls]
    for given, seen in zip(ARGUMENTS, found[bool(options)]):
        print(f"{options}: given {given}, trained {seen}")
merged = ['{"city": "Oslo", "x": null}', '{"city": null, "x": 2.0}', '{"city": null, "x": 2.5}']
as_seen = found[False] == merged and found[True] == [json.dumps(arguments) for arguments in ARGUMENTS]
sys.exit(0 if as_seen else 1)
PROGRAM

#!/usr/bin/env bash
# TRL with Qwen3's chat template: the result of a tool that returns a list reaches the model as an empty turn.
#
# One would guess: what a tool returns is turned into text, as TRL does with a number or a dict.
#
# Seen: GRPOTrainer makes str(result) of everything but a list, and hands a list to the chat template as content blocks.
# Qwen3's template prints a content only if it is a string. So the tool's turn of a list is that of an empty string:
# the model is told nothing, no error is raised, and the call counts as a success. Qwen2.5's template prints the list.
# The tokens below come from the trainer's own method; only its tokenizer and template are set.
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

import transformers, trl
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from trl import GRPOTrainer
from trl.chat_template_utils import get_training_chat_template, qwen2_5_chat_template, qwen3_chat_template

print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|pad|>",
                                    extra_special_tokens=["<|im_start|>"])

trainer = object.__new__(GRPOTrainer)  # without a model: one method that needs none of it
trainer.processing_class = trainer._tokenizer = tokenizer
trainer.chat_template_kwargs, trainer._is_vlm, trainer.tools = {}, False, None
trainer.eos_token_ids = [tokenizer.eos_token_id]
found = {}
for template, source in (("qwen3", qwen3_chat_template), ("qwen2.5", qwen2_5_chat_template)):
    tokenizer.chat_template = source
    tokenizer.chat_template = get_training_chat_template(tokenizer) or source  # the trainer swaps it so
    trainer.chat_template = tokenizer.chat_template
    for result in (42, {"a": 1}, ["Paris", "Rome"], [1, 2]):
        content = result if isinstance(result, list) else str(result)  # as _tool_call_loop has it
        suffix = trainer._get_tool_suffix_ids([{"role": "tool", "name": "search", "content": content}])
        text = tokenizer.decode(suffix)
        shown = text.partition("<tool_response>")[2].partition("</tool_response>")[0].strip()
        found[template, repr(result)] = shown
        print(f"{template:8} the tool returns {result!s:18} the model reads {shown!r}")
as_seen = (
    all(found["qwen3", text] == "" for text in ("['Paris', 'Rome']", "[1, 2]"))
    and found["qwen3", "42"] == "42"
    and found["qwen3", "{'a': 1}"] == "{'a': 1}"
    and found["qwen2.5", "[1, 2]"] == "[1, 2]"
)
sys.exit(0 if as_seen else 1)
PROGRAM

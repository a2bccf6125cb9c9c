#!/usr/bin/env bash
# TRL: one malformed tool call cancels the good call beside it, and is not counted as a failure.
#
# One would guess: in a turn with a good and a malformed call, the good one is run, the other is answered with an error,
# and tools/failure_frequency shows it.
#
# Seen: parse_response, with which GRPOTrainer reads every turn, returns the whole turn as plain content without any
# tool_calls. So nothing is run, the model is told nothing, the text of the calls stands as the final answer, and the
# metrics, which count executed calls, show no failure. The same holds for a call that is cut off.
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
from trl.chat_template_utils import add_response_schema, parse_response, qwen3_chat_template

print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|pad|>",
                                    extra_special_tokens=["<|im_start|>"])
tokenizer.chat_template = qwen3_chat_template
tokenizer = add_response_schema(tokenizer)


def double(x: int) -> int:
    """Double a number.

    Args:
        x: The number.
    """
    return 2 * x


GOOD = '<tool_call>\n{"name": "double", "arguments": {"x": 21}}\n</tool_call>'
BAD = '<tool_call>\n{"name": "double", "arguments": {"x": }}\n</tool_call>'
prefix = tokenizer.apply_chat_template([{"role": "user", "content": "Double 21."}], tools=[double],
                                       add_generation_prompt=True, return_dict=False)
found = {}
for name, text in (("good", GOOD), ("two good", GOOD + "\n" + GOOD), ("good, malformed", GOOD + "\n" + BAD),
                   ("malformed, good", BAD + "\n" + GOOD), ("good, cut off", GOOD + "\n" + GOOD[:-20])):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    message = parse_response(tokenizer, ids, prefix=prefix, tools=[double])
    found[name] = len(message.get("tool_calls") or [])
    print(f"{name:16} {found[name]} calls, content {message['content'][:40]!r}")
as_seen = found == {"good": 1, "two good": 2, "good, malformed": 0, "malformed, good": 0, "good, cut off": 0}
sys.exit(0 if as_seen else 1)
PROGRAM

#!/usr/bin/env bash
# verl: by default a tool's answer is cut in the middle, and the second call of a turn is dropped without a word.
#
# One would guess: a long answer of a tool is cut at its end, after a number of tokens; each call is answered; a metric of
# response lengths counts what the model wrote.
#
# Seen: max_tool_response_length is 256 CHARACTERS, and the side is "middle": of a longer answer the model reads the first and
# the last 128. max_parallel_calls is 1: of two calls the first is run, and the model is not told about the other.
# response_length counts the tool's tokens too, while TRL's mean_length counts the model's alone. Of a good and a malformed
# call, the good one is run (TRL runs none). Arguments keep the type that the model wrote: add("2", "3") is "23".
# The agent loop, its parser and its tokens are verl's, with its default settings; the model's words are fixed.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --disable-pip-version-check"
  $pip torch==2.13.0 transformers==5.23.0 datasets==5.2.0 ray tensordict==0.10.0 omegaconf hydra-core codetiming \
    dill pandas pillow cachetools aiohttp uvicorn fastapi opentelemetry-api
  $pip --no-deps verl==0.9.1
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import asyncio, importlib.metadata, sys
from types import SimpleNamespace

import torch
from omegaconf import OmegaConf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from verl import DataProto
from verl.experimental.agent_loop.agent_loop import DictConfigWrap, ToolListWrap
from verl.experimental.agent_loop.tool_agent_loop import ToolAgentLoop
from verl.tools.function_tool import FUNCTION_TOOL_REGISTRY, function_tool
from verl.trainer.ppo.metric_utils import _compute_response_info
from verl.utils.dataset.rl_dataset import RLHFDataset
from verl.workers.config.rollout import MultiTurnConfig
from verl.workers.rollout.replica import TokenOutput

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("verl", "transformers")), sep=", ")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|pad|>",
                                    extra_special_tokens=["<|im_start|>"])
tokenizer.chat_template = """{%- for message in messages %}
{{- '<|im_start|>' + ('user' if message.role == 'tool' else message.role) + '\n' }}
{{- '<tool_response>\n' + message.content + '\n</tool_response>' if message.role == 'tool' else message.content }}
{{- '<|im_end|>\n' }}
{%- endfor %}
{{- '<|im_start|>assistant\n' if add_generation_prompt }}"""
RAN = []


@function_tool
def count(up_to: int) -> str:
    """Count.

    Args:
        up_to: The last number.
    """
    RAN.append(up_to)
    return " ".join(str(i) for i in range(1, up_to + 1))


@function_tool
def add(a: int, b: int) -> str:
    """Add.

    Args:
        a: A number.
        b: A number.
    """
    return a + b


def call(name, arguments):
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def rollout(*turns):
    """Ids and mask of one rollout in which the model says these turns."""
    turns = iter(turns)

    async def generate(**options):
        return TokenOutput(token_ids=tokenizer(next(turns))["input_ids"] + [tokenizer.eos_token_id])

    multi_turn = {name: getattr(MultiTurnConfig, name) for name in MultiTurnConfig.__dataclass_fields__}
    config = {"prompt_length": 2000, "response_length": 2000, "full_determinism": False, "multi_turn": multi_turn}
    config = OmegaConf.create({"actor_rollout_ref": {"rollout": config}})

    async def run():
        loop = ToolAgentLoop(DictConfigWrap(config), SimpleNamespace(generate=generate), tokenizer, None, RLHFDataset,
                             DictConfigWrap(OmegaConf.create({})), "qwen2", tools=ToolListWrap(list(FUNCTION_TOOL_REGISTRY.values())))
        return await loop.run({}, raw_prompt=[{"role": "user", "content": "Go."}])

    return asyncio.run(run())


def read(output):
    text = tokenizer.decode(output.response_ids)
    return [part.partition("</tool_response>")[0].strip() for part in text.split("<tool_response>")[1:]]


long = rollout(call("count", '{"up_to": 200}'), "Done.")
print(f"long answer      {read(long)[0][110:170]!r}, {len(read(long)[0])} characters")
two = rollout(call("count", '{"up_to": 2}') + "\n" + call("count", '{"up_to": 3}'), "Done.")
print(f"two calls        {read(two)}")
mixed = rollout(call("count", '{"up_to": }') + "\n" + call("count", '{"up_to": 4}'), "Done.")
print(f"malformed, good  {read(mixed)}")
types = rollout(call("add", '{"a": "2", "b": "3"}'), "Done.")
print(f"text for int     {read(types)}")
ids = torch.tensor([long.response_ids])
batch = DataProto.from_single_dict({"responses": ids, "attention_mask": torch.ones(1, len(long.prompt_ids) + ids.shape[1])})
length = int(_compute_response_info(batch)["response_length"].item())
print(f"response_length  {length}, of which the model wrote {sum(long.response_mask)}")
whole = " ".join(str(i) for i in range(1, 201))
as_seen = (
    read(long) == [whole[:128] + "...(truncated)..." + whole[-128:]]
    and read(two) == ["1 2"] and read(mixed) == ["1 2 3 4"] and read(types) == ["23"] and RAN == [200, 2, 4]
    and length == len(long.response_ids) > sum(long.response_mask)
)
sys.exit(0 if as_seen else 1)
PROGRAM

#!/usr/bin/env bash
# OpenRLHF: the sequences that the actor trains on are padded with token 0, and not with the pad token.
#
# One would guess: padding is tokenizer.pad_token_id everywhere, so a saved batch can be decoded, and its real tokens counted,
# by that id.
#
# Seen: while experience is made, sequences are padded with pad_token_id. The replay buffer then cuts the padding off and pads
# again with 0, whatever the tokenizer says. Here token 0 is "!": a batch that is saved in the training step decodes to "!!!"
# behind the answers, and a mask by pad_token_id keeps it all. The attention mask and the action mask are right, and the model
# reads those; read them too.
#
# The module openrlhf.utils is entered without its __init__, which imports more.
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  pip="$python -m pip install --quiet --no-compile --disable-pip-version-check"
  $pip torch==2.13.0 transformers==5.23.0 numpy
  $pip --no-deps openrlhf==0.11.2
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import importlib.util, os, sys
from importlib.metadata import version
from types import ModuleType

(HOME,) = importlib.util.find_spec("openrlhf").submodule_search_locations
sys.modules["openrlhf.utils"] = ModuleType("openrlhf.utils")
sys.modules["openrlhf.utils"].__path__ = [os.path.join(HOME, "utils")]

import torch
from openrlhf.trainer.ppo_utils.experience import Experience
from openrlhf.trainer.ppo_utils.replay_buffer import NaiveReplayBuffer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

print(f"openrlhf {version('openrlhf')}, torch {torch.__version__}")
words = Tokenizer(models.WordLevel({"!": 0, "<eos>": 1, "<pad>": 2, "What?": 3, "Yes": 4, "No": 5, "<unk>": 6}, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", pad_token="<pad>")


def rollout(text):
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    there = torch.ones_like(ids)
    action = there[:, 1:].clone()
    return Experience(sequences=ids, attention_mask=there, action_mask=action, total_length=there.sum(dim=1))


samples = [rollout(text) for text in ("What? Yes <eos>", "What? No No No No <eos>")]
made = Experience.concat_experiences(samples, tokenizer.pad_token_id)
buffer = object.__new__(NaiveReplayBuffer)  # its __init__ asks for a GPU
buffer.items, buffer.limit, buffer.cpu_offload, buffer.packing_samples, buffer.dynamic_batch = [], 0, False, False, False
buffer.append(made)
trained = buffer.collate_fn(buffer.items)
for name, batch in (("made", made), ("trained", trained)):
    by_id = (batch.sequences != tokenizer.pad_token_id).sum(dim=1).tolist()
    print(f"{name:8} {tokenizer.decode(batch.sequences[0])!r}, tokens by attention mask "
          f"{batch.attention_mask.sum(dim=1).tolist()}, by pad_token_id {by_id}")
padding = [set(batch.sequences[batch.attention_mask == 0].tolist()) for batch in (made, trained)]
sys.exit(0 if padding == [{2}, {0}] and trained.attention_mask.tolist() == made.attention_mask.tolist() else 1)
PROGRAM

#!/usr/bin/env bash
# TRL RewardTrainer, transformers: where pad is EOS, the EOS that the trainer appends is never read.
#
# One would guess: the attention mask says which token is the last, so the reward is read at EOS.
#
# Seen: a tokenizer without a pad token gets EOS for it, in RewardTrainer and in GRPOTrainer. The classes for sequence
# classification look for the last token that is not the pad token, by its number; the attention mask has no say. So the
# reward of "2 + 2 = 4</s>" is read at "4", and does not depend on </s> being there. RewardTrainer appends EOS and it has a
# 1 in the mask, and still no reward model can learn from the end of a text. A text with several EOS at its end is read
# before the first of them. With a pad token of its own the reward is read at </s>. So the same checkpoint gives two rewards
# to the same tokens, as config.pad_token_id is set: adding a pad token to a reward model later moves the place where it is
# read.
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
import copy, sys, tempfile

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForSequenceClassification, PrinterCallback, PreTrainedTokenizerFast
from trl import RewardConfig, RewardTrainer

disable_progress_bars()
transformers.logging.set_verbosity_error()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
torch.manual_seed(0)
start = LlamaForSequenceClassification(LlamaConfig(vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                                   num_attention_heads=1, num_labels=1, initializer_range=0.5))
pair = {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}


def trained(**pad):
    """The reward model after RewardTrainer took it, at learning rate 0, and the first row of its batch."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=copy.deepcopy(byte_level), eos_token="</s>", **pad)
    args = RewardConfig(output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no",
                        per_device_train_batch_size=1, max_steps=1, learning_rate=0.0, bf16=False, logging_steps=1)
    trainer = RewardTrainer(copy.deepcopy(start), args=args, train_dataset=Dataset.from_list([pair]), processing_class=tokenizer)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    batch = trainer.data_collator([trainer.train_dataset[0]])
    return trainer, tokenizer, batch["input_ids"][0], batch["attention_mask"][0]


found = {}
for name, pad in (("pad is EOS", {}), ("pad of its own", {"pad_token": "<pad>"})):
    trainer, tokenizer, ids, mask = trained(**pad)
    model = trainer.model.eval()
    with torch.no_grad():
        at_tokens = model.score(model.model(ids[None]).last_hidden_state)[0, :, 0]
        rewards = [model(tokenizer(text, return_tensors="pt")["input_ids"]).logits.item()
                   for text in ("2 + 2 = 4", "2 + 2 = 4</s>", "2 + 2 = 4</s></s>")]
    read_at = [tokenizer.decode(ids[place]) for place, value in enumerate(at_tokens) if abs(value - rewards[1]) < 1e-5]
    logged = trainer.state.log_history[0]["max_reward"], trainer.state.log_history[0]["min_reward"]
    in_training = min(abs(value - rewards[1]) for value in logged) < 1e-4  # the trainer saw the same reward
    found[name] = read_at, len({round(each, 4) for each in rewards}), int(mask.sum()), in_training
    print(f"{name:14}: {tokenizer.decode(ids)!r}, attended tokens {int(mask.sum())} of {len(ids)}, the reward is read at {read_at}; "
          f"with no EOS, one and two: {[f'{each:.3f}' for each in rewards]}")
as_seen = found == {"pad is EOS": (["4"], 1, 10, True), "pad of its own": (["</s>"], 3, 10, True)}
sys.exit(0 if as_seen else 1)
PROGRAM

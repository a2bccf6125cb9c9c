#!/usr/bin/env bash
# TRL: three reward models whose folders have the same last name are one metric, and one column of the logged completions.
#
# One would guess: an ensemble of three reward models is logged as three rewards, or at least two of the same name are
# refused.
#
# Seen: a reward is named after the last part of its model's path, and a function after its __name__. The three folders
# rm-0/checkpoint-100, rm-1/checkpoint-100 and rm-2/checkpoint-100 are all "checkpoint-100": rewards/checkpoint-100/mean is
# the average of the three means, and its std the average of the three, so the disagreement of the ensemble is in no number.
# One that rises while another falls looks flat. The table of completions keeps the last of the three. Three functions that
# one function made have the same name too. The reward itself is right: it is the sum of the three. Nothing is said.
#
# Three functions and three random models. Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment
# that has the packages; none is installed.
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
from pathlib import Path

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PrinterCallback, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

disable_progress_bars()
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="</s>", pad_token="<pad>")
shape = dict(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1)
saved = []
for i in range(3):
    torch.manual_seed(i)
    member = LlamaForSequenceClassification(LlamaConfig(**shape, num_labels=1, pad_token_id=tokenizer.pad_token_id))
    member.score.weight.data.mul_(100)
    saved.append(Path(tempfile.mkdtemp()) / f"rm-{i}" / "checkpoint-100")
    member.save_pretrained(saved[-1])
    tokenizer.save_pretrained(saved[-1])


def fixed(value):
    def reward(completions, **columns):
        return [value + i % 2 for i in range(len(completions))]

    return reward


def log_of(reward_funcs):
    args = GRPOConfig(output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no",
                      per_device_train_batch_size=2, num_generations=2, max_steps=1, logging_steps=1, max_completion_length=4,
                      bf16=False)
    trainer = GRPOTrainer(LlamaForCausalLM(LlamaConfig(**shape)), reward_funcs=reward_funcs, args=args,
                          processing_class=tokenizer, train_dataset=Dataset.from_list([{"prompt": "What is an ant?"}]))
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    log = {name: round(value, 3) for name, value in trainer.state.log_history[0].items() if "reward" in name}
    return log, {name: list(column) for name, column in trainer._logs["rewards"].items()}


functions, columns = log_of([fixed(value) for value in (0.0, 3.0, 9.0)])
print("three functions that give 0, 3 and 9, and 1 more to every second completion:", functions)
print("columns of the logged completions:", columns)
by_path, of_path = log_of([str(folder) for folder in saved])
print("three models that are named checkpoint-100:", by_path)
print("columns of the logged completions:", {name: [round(each, 3) for each in column] for name, column in of_path.items()})
as_seen = (
    functions["rewards/reward/mean"] == 4.5 and functions["reward"] == 13.5 and columns == {"reward": [9.0, 10.0]}
    and {name for name in by_path if name.startswith("rewards/")} == {"rewards/checkpoint-100/mean", "rewards/checkpoint-100/std"}
    and abs(by_path["rewards/checkpoint-100/mean"] * 3 - by_path["reward"]) < 0.01
    and list(of_path) == ["checkpoint-100"] and len(of_path["checkpoint-100"]) == 2
)
sys.exit(0 if as_seen else 1)
PROGRAM

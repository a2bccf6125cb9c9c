#!/usr/bin/env bash
# TRL: a reward that is missing counts as 0 in the sum. Next to penalties it is the best one, also if it was NaN.
#
# One would guess: a function that returns None for a completion is left out there, as the documentation says, and is
# neither good nor bad. A NaN among the rewards stops the run, or shows in the log.
#
# Seen: rewards are added with nansum, and the sums of a group are compared. A function that gives -1 to three completions
# and None to the fourth makes the fourth the best of its group: advantage 1.5, the others -0.5. It pays not to be scored. A
# NaN is treated as None: no warning, as long as another function gives a number, and the logged mean of that reward leaves
# it out: it is -1, as if the four were equal. Only where every function gives None or NaN there is a warning, and an
# advantage of 0. multi_objective_aggregation="normalize_then_sum" compares each function's rewards first, and the missing
# one is neutral.
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
import logging, math, sys, tempfile

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

disable_progress_bars()
transformers.logging.set_verbosity_error()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="</s>", pad_token="<pad>")
WARNED = []


class Listener(logging.Handler):
    def emit(self, record):
        WARNED.append(record.getMessage())


logging.getLogger("trl").addHandler(Listener())


def style(value):
    def penalty(completions, **columns):
        return [value, -1.0, -1.0, -1.0]

    return penalty


def correct(completions, **columns):
    return [1.0] * len(completions)


def run(*reward_funcs, **options):
    WARNED.clear()
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                         num_attention_heads=1))
    args = GRPOConfig(output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no",
                      per_device_train_batch_size=4, num_generations=4, max_steps=1, logging_steps=1, max_completion_length=4,
                      **options)
    trainer = GRPOTrainer(model, reward_funcs=list(reward_funcs), args=args, processing_class=tokenizer,
                          train_dataset=Dataset.from_list([{"prompt": "What is an ant?"}]))
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    told = any("returned None" in message for message in WARNED)
    mean = trainer.state.log_history[0]["rewards/penalty/mean"]
    return [round(each, 2) + 0.0 for each in trainer._logs["advantages"]], mean, told


found = {
    "None": run(correct, style(None)),
    "NaN": run(correct, style(math.nan)),
    "-1": run(correct, style(-1.0)),
    "None alone": run(style(None)),
    "None, normalize_then_sum": run(correct, style(None), multi_objective_aggregation="normalize_then_sum"),
}
for name, (advantages, mean, told) in found.items():
    print(f"first completion gets {name:25} advantages {advantages!s:27} logged mean {mean}, warned: {told}")
best, equal = [1.5, -0.5, -0.5, -0.5], [0.0] * 4
as_seen = (
    found["None"] == found["NaN"] == (best, -1.0, False)
    and found["-1"] == (equal, -1.0, False)
    and found["None alone"] == (equal, -1.0, True)
    and found["None, normalize_then_sum"] == (equal, -1.0, False)
)
sys.exit(0 if as_seen else 1)
PROGRAM

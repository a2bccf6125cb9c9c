#!/usr/bin/env bash
# TRL GRPO: in the batch that the loss gets, tool_mask is 1 on the model's tokens, num_items_in_batch counts other batches too.
#
# One would guess, of the inputs of _compute_loss: tool_mask marks what a tool wrote; num_items_in_batch is how many tokens this
# batch has in the loss; the completions of a prompt stand side by side, num_generations at a time.
#
# Seen: tool_mask is 0 on what the tool wrote, and 1 on the model's tokens and on padding. num_items_in_batch is a number of the
# whole generation: with steps_per_generation=4, four batches have the same one, and it is their sum. The rows of a generation
# are shuffled before they are cut into batches: here no batch of four rows is one prompt's four completions, though
# num_generations is 4 as well. The loss itself takes all three rightly: tool_mask is a factor, the number is rescaled, and
# advantages were made before. It is a check of a saved batch that has to know.
#
# The rollouts are fixed; all else is the trainer's, on a small random model.
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
import sys

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

disable_progress_bars()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(60)} | {"<eos>": 60, "<pad>": 61}, unk_token="w0"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", pad_token="<pad>")
TOOL, EOS = [30, 31, 32], 60
SAVED = []


def rollouts(prompts, trainer):
    """A call, three tokens of a tool, an answer of one to four tokens and its end."""
    answers = [[40 + i % 4] * (1 + i % 4) + [EOS] for i in range(len(prompts))]
    return {
        "prompt_ids": [tokenizer(prompt)["input_ids"] for prompt in prompts],
        "completion_ids": [[20, 21, *TOOL, *answer] for answer in answers],
        "logprobs": [[-1.0] * (5 + len(answer)) for answer in answers],
        "env_mask": [[1, 1, 0, 0, 0] + [1] * len(answer) for answer in answers],
    }


class Saving(GRPOTrainer):
    def _compute_loss(self, model, inputs):
        SAVED.append({key: value.clone() for key, value in inputs.items() if isinstance(value, torch.Tensor)})
        return super()._compute_loss(model, inputs)


torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=62, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, pad_token_id=61, eos_token_id=60
))
config = GRPOConfig(
    output_dir="out", per_device_train_batch_size=4, num_generations=4, steps_per_generation=4, gradient_accumulation_steps=4,
    max_completion_length=16, max_steps=1, beta=0.0, bf16=False, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True,
)
trainer = Saving(
    model=model, args=config, processing_class=tokenizer, rollout_func=rollouts,
    reward_funcs=lambda completions, **_: [float(len(c) % 2) for c in completions],
    train_dataset=Dataset.from_dict({"prompt": ["w1 w2", "w3 w4", "w5 w6", "w7 w8"]}),
)
trainer.remove_callback(PrinterCallback)
trainer.train()

first = SAVED[0]
ids, mask, there = first["completion_ids"], first["tool_mask"].bool(), first["completion_mask"].bool()
print("completion_ids   ", ids[0].tolist())
print("tool_mask        ", first["tool_mask"][0].tolist())
tokens = [int((batch["completion_mask"] * batch["tool_mask"]).sum()) for batch in SAVED]
counts = [int(batch["num_items_in_batch"]) for batch in SAVED]
print(f"tokens in the loss {tokens}, num_items_in_batch {counts}")
prompts = [[row[-2:] for row in batch["prompt_ids"].tolist()] for batch in SAVED]
print("prompts of the first batch", prompts[0])
as_seen = (
    len(SAVED) == 4 and set(ids[~mask].tolist()) == set(TOOL) and bool(mask[~there].all()) and not there.all()
    and set(counts) == {sum(tokens)} and not any(len({tuple(p) for p in batch}) == 1 for batch in prompts)
)
sys.exit(0 if as_seen else 1)
PROGRAM

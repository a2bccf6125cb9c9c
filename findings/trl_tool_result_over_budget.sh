#!/usr/bin/env bash
# TRL GRPO: a tool's result that overruns max_completion_length is dropped after the tool ran, and nothing shows it.
#
# One would guess: a rollout whose budget is used up counts as truncated, so mask_truncated_completions takes it out of
# the loss; and a mean length far below max_completion_length says that the budget is not used up.
#
# Seen: the tool runs, and then its result is thrown away. The rollout ends with the call, which has its end token. So
# clipped_ratio is 0, the call counts as a success, and mask_truncated_completions=True keeps every token in the loss: the
# model is trained on a call without an answer. Where the result fits, the budget counts it, and mean_length does not:
# one and the same rollout has five times as many tokens for the budget as for mean_length. A call that is itself cut
# off by the budget is noticed and masked. The model's words are fixed; all else is the trainer's.
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

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer
from trl.chat_template_utils import qwen3_chat_template

disable_progress_bars()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|pad|>",
                                    extra_special_tokens=["<|im_start|>"])
tokenizer.chat_template = qwen3_chat_template
CALL = '<tool_call>\n{"name": "look_up", "arguments": {"word": "ant"}}\n</tool_call>'
RAN = []


def look_up(word: str) -> str:
    """Look a word up.

    Args:
        word: The word.
    """
    RAN.append(word)
    return "An insect. " * 30


class FixedWords(LlamaForCausalLM):
    def generate(self, input_ids, **options):
        words = "An insect." if "</tool_response>" in tokenizer.decode(input_ids[0]) else CALL
        said = torch.tensor(tokenizer(words)["input_ids"] + [tokenizer.eos_token_id])
        said = said[: options["generation_config"].max_new_tokens]
        return torch.cat([input_ids, said.expand(len(input_ids), -1)], dim=1)


class Watched(GRPOTrainer):
    def _compute_loss(self, model, inputs):
        self.seen = inputs
        return super()._compute_loss(model, inputs)


def reward(completions, **columns):
    return [float(i % 2) for i in range(len(completions))]


found = {}
for budget in (600, 300, 40):
    RAN.clear()
    model = FixedWords(LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16,
                                   num_hidden_layers=1, num_attention_heads=1, max_position_embeddings=4096))
    args = GRPOConfig(output_dir=tempfile.mkdtemp(), max_completion_length=budget, mask_truncated_completions=True,
                      per_device_train_batch_size=2, num_generations=2, max_steps=1, report_to="none", use_cpu=True,
                      logging_steps=1, disable_tqdm=True, save_strategy="no")
    question = Dataset.from_list([{"prompt": [{"role": "user", "content": "What is an ant?"}]}])
    trainer = Watched(model, reward_funcs=reward, args=args, train_dataset=question, processing_class=tokenizer,
                      tools=[look_up])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    log, seen = trainer.state.log_history[0], trainer.seen
    row = seen["completion_ids"][0]  # both rollouts are of the same length: no padding
    found[budget] = {
        "tool runs per rollout": len(RAN) // 2, "result read": "tool_response" in tokenizer.decode(row),
        "tokens of the budget": len(row), "mean_length": log["completions/mean_length"],
        "clipped_ratio": log["completions/clipped_ratio"], "call_frequency": log["tools/call_frequency"],
        "failure_frequency": log["tools/failure_frequency"],
        "in the loss": int((seen["completion_mask"] * seen["tool_mask"])[0].sum()),
    }
    print(f"max_completion_length {budget}: {found[budget]}")
    print(f"    the rollout ends with {tokenizer.decode(row)[-40:]!r}")
fits, over, cut = found[600], found[300], found[40]
same = ("tool runs per rollout", "clipped_ratio", "call_frequency", "failure_frequency")
as_seen = (
    all(fits[name] == over[name] for name in same)
    and [over[name] for name in same] == [1, 0, 1, 0]
    and fits["result read"] and not over["result read"]
    and over["in the loss"] == over["tokens of the budget"] == len(CALL) + 1
    and fits["mean_length"] == fits["in the loss"]
    and fits["tokens of the budget"] > 5 * fits["mean_length"]
    and cut["clipped_ratio"] == 1 and cut["in the loss"] == 0  # what one would guess, where the call itself is cut
)
sys.exit(0 if as_seen else 1)
PROGRAM

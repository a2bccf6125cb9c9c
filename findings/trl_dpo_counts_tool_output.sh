#!/usr/bin/env bash
# TRL DPO: the log-probability of a completion contains what a tool wrote, and no option leaves it out.
#
# One would guess: only what the assistant wrote counts, as in GRPOTrainer and as assistant_only_loss does in SFTTrainer.
#
# Seen: DPOTrainer adds up every token after the prompt: calls, headers, the tool's result, the answer. With different results
# in the two completions, the margin contains how well the model predicts the tool, and the gradient makes it predict the
# chosen one's tool better. In this pair most of the sum is the tool's. DPOConfig has no assistant_only_loss and no option
# that masks. What both completions share can go into the prompt, and is then not in the sum.
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
import copy, dataclasses, sys, tempfile

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, PreTrainedTokenizerFast, TrainingArguments
from trl import DPOConfig, DPOTrainer
from trl.chat_template_utils import qwen2_5_chat_template

disable_progress_bars()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|pad|>",
                                    extra_special_tokens=["<|im_start|>"])
tokenizer.chat_template = qwen2_5_chat_template
torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                     num_attention_heads=1, max_position_embeddings=4096))


def turns(word, result, answer):
    call = {"type": "function", "function": {"name": "look_up", "arguments": {"word": word}}}
    return [{"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "name": "look_up", "content": result}, {"role": "assistant", "content": answer}]


RESULTS = "The ant is an insect that lives in a nest with many others. " * 4, "Nothing was found. " * 12
question = [{"role": "user", "content": "What is an ant?"}]
pair = {"prompt": question, "chosen": turns("ant", RESULTS[0], "An insect."), "rejected": turns("aunt", RESULTS[1], "A relative.")}
args = DPOConfig(output_dir=tempfile.mkdtemp(), per_device_train_batch_size=1, max_steps=1, max_length=None, logging_steps=1,
                 report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no", learning_rate=0.0)
trainer = DPOTrainer(model, ref_model=copy.deepcopy(model), args=args, train_dataset=Dataset.from_list([pair]),
                     processing_class=tokenizer)
batch = trainer.data_collator([trainer.train_dataset[0]])
with torch.no_grad():
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
logprobs = logits.log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]
trainer.remove_callback(PrinterCallback)
trainer.train()
log = trainer.state.log_history[0]

as_seen = True
for side, ids, kept, row, result in zip(("chosen", "rejected"), batch["input_ids"], batch["completion_mask"], logprobs, RESULTS):
    text = tokenizer.decode(ids)
    start = len(tokenizer(text.partition(result)[0])["input_ids"])
    tool = torch.zeros(len(ids), dtype=torch.bool)
    tool[start : start + len(tokenizer(result)["input_ids"])] = True
    total, of_tool = (row * kept[1:]).sum().item(), row[tool[1:]].sum().item()
    print(f"{side:8} logps/{side} {log[f'logps/{side}']:9.2f}   sum over all tokens after the prompt {total:9.2f}   "
          f"of which the tool's result {of_tool:9.2f}")
    as_seen &= tokenizer.decode(ids[tool]) == result and bool(kept[tool].all()) and of_tool / total > 0.5
    as_seen &= abs(log[f"logps/{side}"] - total) < 1e-3 * abs(total)
general, of_dpo = ({field.name for field in dataclasses.fields(config)} for config in (TrainingArguments, DPOConfig))
options = [name for name in of_dpo - general if any(word in name for word in ("only", "mask", "tool", "assistant"))]
print(f"options of DPOConfig with only, mask, tool or assistant in their name: {options}")
sys.exit(0 if as_seen and not options else 1)
PROGRAM

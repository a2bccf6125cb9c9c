#!/usr/bin/env bash
# TRL: of plain text, RewardTrainer shows the reward model the first and the last token, and GRPOTrainer neither.
#
# One would guess: the reward model reads a prompt and its completion in the same way in both trainers, and a completion
# that ended can be told from one that was cut.
#
# Seen: RewardTrainer appends EOS to plain text, and tokenizes it with the tokenizer's special tokens: <s> 2 + 2 = 4 </s>,
# and the reward is read at </s>. GRPOTrainer decodes completions without special tokens, and tokenizes prompt + completion
# with add_special_tokens=False: no <s>, no </s>, and the reward is read at the last character. With the random model here,
# a third of 200 pairs of texts have another order in the second reading. A completion with EOS and the same completion
# without it, which was cut by the budget, are the same text with the same reward. Chat prompts go through the template in
# both, and have both ends.
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
import random, sys, tempfile

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PrinterCallback, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer, RewardConfig, RewardTrainer

disable_progress_bars()
transformers.logging.set_verbosity_error()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
tokenizer._tokenizer.post_processor = processors.TemplateProcessing(  # as in Llama's: <s> in front of every text
    single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)])
shape = dict(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1)
torch.manual_seed(0)
reward_model = LlamaForSequenceClassification(LlamaConfig(**shape, num_labels=1))
PROMPT, WORDS = "2 + 2 =", " 4"
common = dict(output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no", bf16=False,
              per_device_train_batch_size=2, max_steps=1)


class FixedWords(LlamaForCausalLM):
    def generate(self, input_ids, **options):
        """The first completion ends with EOS, the second is cut by the budget: one token each beyond the words."""
        words = tokenizer(WORDS, add_special_tokens=False)["input_ids"]
        said = [words + [tokenizer.eos_token_id], words + words[:1]]
        said = [row[: options["generation_config"].max_new_tokens] for row in said]
        width = max(map(len, said))
        said = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in said])
        return torch.cat([input_ids, said], dim=1)


def train(trainer):
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer


pairs = Dataset.from_list([{"prompt": PROMPT, "chosen": WORDS, "rejected": " 5"}] * 2)
fit = train(RewardTrainer(reward_model, args=RewardConfig(**common, learning_rate=0.0), train_dataset=pairs,
                          processing_class=tokenizer))
trained = fit.train_dataset[0]["chosen_ids"]
scored = []
hook = reward_model.register_forward_pre_hook(
    lambda module, args, kwargs: scored.extend(kwargs["input_ids"].tolist()), with_kwargs=True)
prompts = Dataset.from_list([{"prompt": PROMPT}])
found = {}
for budget in (3, 2):  # with 3 the second completion has another word, with 2 both have the same words, and none its EOS
    scored.clear()
    rl = train(GRPOTrainer(FixedWords(LlamaConfig(**shape)), reward_funcs=reward_model, reward_processing_classes=tokenizer,
                           args=GRPOConfig(**common, num_generations=2, max_completion_length=budget),
                           train_dataset=prompts, processing_class=tokenizer))
    found[budget] = [tokenizer.decode(row) for row in scored]
hook.remove()
print(f"RewardTrainer reads {tokenizer.decode(trained)!r}")
print(f"GRPOTrainer reads   {found[3][0]!r} of the completion that ended, {found[2][0]!r} of the one that was cut behind the words")

draw = random.Random(0)
texts = [PROMPT + " " + "".join(draw.choice("0123456789") for _ in range(4)) for _ in range(400)]
with torch.no_grad():
    as_trained = reward_model(**tokenizer([text + "</s>" for text in texts], return_tensors="pt")).logits[:, 0]
    as_scored = reward_model(**tokenizer(texts, return_tensors="pt", add_special_tokens=False)).logits[:, 0]
order = [(rewards[0::2] > rewards[1::2]) for rewards in (as_trained, as_scored)]
changed = (order[0] != order[1]).sum().item()
print(f"of 200 pairs of texts, {changed} have another order in the two readings")
as_seen = (
    tokenizer.decode(trained) == f"<s>{PROMPT}{WORDS}</s>"
    and found[3][0].removesuffix("<pad>") == found[2][0] == PROMPT + WORDS
    and 60 <= changed <= 140
)
sys.exit(0 if as_seen else 1)
PROGRAM

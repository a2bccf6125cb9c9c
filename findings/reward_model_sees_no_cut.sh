#!/usr/bin/env bash
# TRL, verl: the reward model reads a completion that was cut as one that ended, and never sees how it ended.
#
# One would guess: the reward model reads the tokens that the policy wrote, so an answer that was cut in a sentence has no
# end of turn, and the reward shows it.
#
# Seen: the completion is decoded, its end token is dropped, and the text goes through the reward model's chat template,
# which closes the turn. "An ant is" with <|im_end|> behind it and "An ant is" at the end of the budget are one text, and
# one reward. The reward is read behind an end of turn in both, and the policy did not write the second one. Only the words
# are left to show that the answer is not complete: where they could be an end, no reward model can tell. Whether a
# completion was cut has to come from the trainer: mask_truncated_completions, or a reward function that gets
# completion_ids.
#
# GRPOTrainer as it is, and verl's method without its module's imports. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 trl==1.16.0 datasets==5.2.0
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps verl==0.9.1
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import ast, asyncio, sys, tempfile
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace as Bag

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PrinterCallback, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer
from trl.chat_template_utils import qwen2_5_chat_template

disable_progress_bars()
transformers.logging.set_verbosity_error()
print(f"transformers {transformers.__version__}, trl {trl.__version__}, verl {distribution('verl').version}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|pad|>",
                                    extra_special_tokens=["<|im_start|>"])
tokenizer.chat_template = qwen2_5_chat_template
shape = dict(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
             max_position_embeddings=512)
QUESTION = [{"role": "user", "content": "What is an ant?"}]
ENDED, CUT = tokenizer("An ant is<|im_end|>")["input_ids"], tokenizer("An ant is")["input_ids"]


class FixedWords(LlamaForCausalLM):
    said = []

    def generate(self, input_ids, **options):
        width = max(map(len, self.said))
        rows = [row + [tokenizer.pad_token_id] * (width - len(row)) for row in self.said]
        return torch.cat([input_ids, torch.tensor(rows)], dim=1)


def trl_reads(*said):
    read = []
    reward_model = LlamaForSequenceClassification(LlamaConfig(**shape, num_labels=1))
    reward_model.register_forward_pre_hook(lambda module, args, kwargs: read.extend(kwargs["input_ids"].tolist()),
                                           with_kwargs=True)
    FixedWords.said = said
    args = GRPOConfig(output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no",
                      per_device_train_batch_size=len(said), num_generations=len(said), max_steps=1,
                      max_completion_length=max(map(len, said)))
    trainer = GRPOTrainer(FixedWords(LlamaConfig(**shape)), reward_funcs=reward_model, reward_processing_classes=tokenizer,
                          args=args, train_dataset=Dataset.from_list([{"prompt": QUESTION}]), processing_class=tokenizer)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return [tokenizer.decode(row).replace("<|pad|>", "") for row in read]


file = distribution("verl").locate_file("verl/experimental/reward_loop/reward_loop.py")
(method,) = (node for node in ast.walk(ast.parse(Path(file).read_text()))
             if getattr(node, "name", None) == "_preprocess_reward_inputs")
method.returns = method.args.args[1].annotation = None
space = {}
exec(compile(ast.Module([method], []), str(file), "exec"), space)


def verl_reads(said):
    one = Bag(non_tensor_batch={"raw_prompt": QUESTION},
              batch={"responses": torch.tensor(said), "attention_mask": torch.ones(len(said), dtype=torch.long)})
    worker = Bag(input_tokenizer=tokenizer, reward_model_tokenizer=tokenizer)
    return asyncio.run(space["_preprocess_reward_inputs"](worker, [one]))


found = {"trl": trl_reads(ENDED, CUT), "verl": [verl_reads(said) for said in (ENDED, CUT)]}
for name, texts in found.items():
    for what, text in zip(("ended", "cut"), texts):
        print(f"{name:4} {what:5} {text[text.index('assistant'):]!r}")
as_seen = all(ended == cut and cut.endswith("An ant is<|im_end|>\n") for ended, cut in found.values())
sys.exit(0 if as_seen else 1)
PROGRAM

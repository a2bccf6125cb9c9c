#!/usr/bin/env bash
# TRL: the rewards of a float32 reward model are rounded to 8 bits, and the rounding is scaled up to an advantage.
#
# One would guess: GRPO's reward of a completion is what the reward model says. bf16=True is about the training of the
# policy.
#
# Seen: bf16 is True by default, and the reward model is prepared with the same autocast: its forward runs in bfloat16, and
# the reward has 8 significant bits. Between 8 and 16 the step from one reward to the next is 0.0625. A reward model is
# trained on differences, so nothing keeps its rewards near 0. Eight completions whose rewards are 0.02 apart around 10 get
# three rewards. scale_rewards divides by the spread of the group, so the advantages are as large as ever: the fourth and
# the fifth have none, and on average they are off by a third of their size. bf16=False gives the model's rewards.
#
# The model is random, with a head that is scaled to rewards around 10. Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
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
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PrinterCallback, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

disable_progress_bars()
transformers.logging.set_verbosity_error()
print(f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="</s>", pad_token="<pad>")
shape = dict(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1)
PROMPT, N = "What is an ant?", 8
TEXTS = [f" An insect, number {i}." for i in range(N)]
torch.manual_seed(0)
reward_model = LlamaForSequenceClassification(LlamaConfig(**shape, num_labels=1, pad_token_id=tokenizer.pad_token_id)).eval()


def true_rewards():
    with torch.no_grad():
        return reward_model(**tokenizer([PROMPT + text for text in TEXTS], return_tensors="pt")).logits[:, 0]


def head_inputs():
    caught = []
    hook = reward_model.score.register_forward_pre_hook(lambda module, args: caught.append(args[0][:, -1]))
    true_rewards()
    hook.remove()
    return caught[0]


with torch.no_grad():  # a head that gives the eight texts rewards of 9.93, 9.95, 9.97, ..., 10.07
    wanted = 9.93 + 0.02 * torch.arange(N, dtype=torch.float32)
    reward_model.score.weight.copy_(torch.linalg.lstsq(head_inputs(), wanted[:, None], driver="gelsd").solution.T)


class FixedWords(LlamaForCausalLM):
    def generate(self, input_ids, **options):
        said = [tokenizer(text)["input_ids"] + [tokenizer.eos_token_id] for text in TEXTS]
        return torch.cat([input_ids, torch.tensor(said)], dim=1)


class Watched(GRPOTrainer):
    def _compute_loss(self, model, inputs):
        self.seen = inputs
        return super()._compute_loss(model, inputs)


def trained(**options):
    args = GRPOConfig(output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no",
                      per_device_train_batch_size=N, num_generations=N, max_steps=1, shuffle_dataset=False, **options)
    trainer = Watched(FixedWords(LlamaConfig(**shape)), reward_funcs=copy.deepcopy(reward_model), args=args,
                      reward_processing_classes=tokenizer, processing_class=tokenizer,
                      train_dataset=Dataset.from_list([{"prompt": PROMPT}]))
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    advantages = dict(zip((tokenizer.decode(row, skip_special_tokens=True) for row in trainer.seen["completion_ids"]),
                          trainer.seen["advantages"].tolist()))
    (rewards,) = trainer._logs["rewards"].values()
    return torch.tensor(list(rewards)), torch.tensor([advantages[text] for text in TEXTS])


plain = true_rewards()
rounded, rounded_advantages = trained()
exact, exact_advantages = trained(bf16=False)
print("reward model  ", [f"{each:.3f}" for each in plain.tolist()])
print("bf16=False    ", [f"{each:.3f}" for each in exact.tolist()], [f"{each:+.2f}" for each in exact_advantages.tolist()])
print("default       ", [f"{each:.3f}" for each in rounded.tolist()], [f"{each:+.2f}" for each in rounded_advantages.tolist()])
off = (rounded_advantages - exact_advantages).abs().mean().item() / exact_advantages.abs().mean().item()
ordered = (rounded.diff() > 0).all().item()
print(f"distinct rewards {len(set(rounded.tolist()))} of {N}, in the right order: {ordered}; "
      f"the advantages are off by {off:.0%} of their own size")
as_seen = (
    torch.equal(rounded, rounded.bfloat16().float()) and not torch.equal(exact, exact.bfloat16().float())
    and torch.allclose(exact, plain, atol=1e-4) and (exact.diff() > 0).all().item()
    and len(set(rounded.tolist())) == 3 and not ordered and off > 0.2
)
sys.exit(0 if as_seen else 1)
PROGRAM

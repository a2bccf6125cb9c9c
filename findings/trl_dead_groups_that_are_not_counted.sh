#!/usr/bin/env bash
# TRL: frac_reward_zero_std does not count groups with equal rewards in RLOO, nor in GRPO with scale_rewards="batch".
#
# One would guess: frac_reward_zero_std is the share of groups whose rewards are all equal, and at 1 nothing is learned
# from the rewards, whichever trainer logs it.
#
# Seen: RLOOTrainer takes the KL off the rewards first (beta is 0.05 by default), and asks whether the rest is equal. Once
# the policy has left the reference it logs 0 where every group has equal rewards, and the policy is moved by the KL alone.
# GRPOTrainer with scale_rewards="batch" asks about the whole batch: with one group of two all right and the other all
# wrong it logs 0, and every advantage is 0.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 trl==1.16.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import contextlib, io, sys
import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

transformers.logging.set_verbosity_error()
disable_progress_bars()
transformers.utils.logging.disable_progress_bar()
print(f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}")
words = ["<pad>", "</s>", "<unk>", "one", "two"]
backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(
    vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
    pad_token_id=0, eos_token_id=1, bos_token_id=None,
)).save_pretrained("start")


def shares(kind, reward, **options):
    """frac_reward_zero_std of each step, on batches of two groups of eight."""
    args = getattr(trl, f"{kind}Config")(
        "out", use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no", max_steps=3, bf16=False,
        gradient_checkpointing=False, num_generations=8, per_device_train_batch_size=16, max_completion_length=8,
        logging_steps=1, learning_rate=0.01, shuffle_dataset=False, **options,
    )
    trainer = getattr(trl, f"{kind}Trainer")(
        LlamaForCausalLM.from_pretrained("start"), processing_class=tokenizer, args=args, reward_funcs=reward,
        train_dataset=Dataset.from_dict({"prompt": ["one", "two"] * 3}),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    logs = [row for row in trainer.state.log_history if "reward" in row]
    return [row["frac_reward_zero_std"] for row in logs], [abs(row.get("kl", 0.0)) > 0 for row in logs]


def first_by_length(completion_ids, prompts, trainer_state, **_):
    """In the first step the length, so that the policy moves; then one number per prompt: nothing to compare in a group."""
    if trainer_state.global_step == 0:
        return [float(len(ids)) for ids in completion_ids]
    return [float(prompt == "one") for prompt in prompts]


rloo, moved = shares("RLOO", first_by_length)
without, _ = shares("RLOO", first_by_length, beta=0.0)
group, _ = shares("GRPO", first_by_length)
batch, _ = shares("GRPO", first_by_length, scale_rewards="batch")
print("from the second of three steps on all groups have equal rewards; frac_reward_zero_std:")
print(f"RLOO {rloo} (is there a KL: {moved}), with beta=0 {without}")
print(f'GRPO {group}, with scale_rewards="batch" {batch}')
if not (rloo == batch == [0, 0, 0] and moved == [False, True, True] and without == group == [0, 1, 1]):
    sys.exit("this has changed: frac_reward_zero_std counts groups with equal rewards")
print("as described: RLOO with a KL and GRPO with the batch's std do not count groups with equal rewards")
PROGRAM

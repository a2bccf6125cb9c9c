#!/usr/bin/env bash
# TRL: the reference of DPO, KTO, GRPO and RLOO is not the model that the trainer is given.
#
# One would guess: without a ref_model the reference is a copy of the model as it is passed, so that after SFT in the
# same process DPO is tied to the SFT model, and begins with a loss of ln 2 = 0.693 (policy and reference are one).
#
# Seen: the reference is loaded again from the folder or hub name in model.config._name_or_path, where the model was
# loaded from before it was trained. The policy is tied to the base, DPO's first loss is not ln 2, and nothing says so.
# KTO takes a ref_model, as DPO does; GRPO and RLOO (with beta > 0) take none: there one must save the model and load it.
# precompute_ref_log_probs=True, in DPO an option for memory, changes the objective: there the reference is the model as it
# is passed.
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
import contextlib, copy, io, math, sys
import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
disable_progress_bars()
print(f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}")

# A tiny random model, saved as "base" and loaded from there, as anyone would load one.
words = ["<pad>", "</s>", "<unk>", *"one two three four five six seven eight".split()]
backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
config = LlamaConfig(vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                     num_attention_heads=2, pad_token_id=0, eos_token_id=1, bos_token_id=None)
torch.manual_seed(0)
LlamaForCausalLM(config).save_pretrained("base")
tokenizer.save_pretrained("base")
base, model = (AutoModelForCausalLM.from_pretrained("base", dtype=torch.float32) for _ in range(2))


def equal(a, b):
    others = dict(b.named_parameters())
    return all(torch.equal(p, others[name]) for name, p in a.named_parameters())


def train(trainer):
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()


quiet = dict(use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no", logging_steps=1, max_steps=1,
             bf16=False, gradient_checkpointing=False)
texts = Dataset.from_dict({"text": ["one two three four"] * 8})
args = trl.SFTConfig("sft", **quiet | {"max_steps": 20}, learning_rate=1e-2)
train(trl.SFTTrainer(model, processing_class=tokenizer, train_dataset=texts, args=args))
print(f"after SFT the model is the base: {equal(model, base)}; model.config._name_or_path: {model.config._name_or_path!r}")

pairs = Dataset.from_dict({"prompt": ["one two"] * 4, "chosen": [" three four"] * 4, "rejected": [" eight seven"] * 4})
judged = Dataset.from_dict({"prompt": ["one two"] * 4, "completion": [" three four", " eight"] * 2,
                            "label": [True, False] * 2})
asked = Dataset.from_dict({"prompt": ["one two"] * 8})
rollout = quiet | dict(num_generations=2, per_device_train_batch_size=2, max_completion_length=4, beta=0.1)
reward = {"reward_funcs": lambda completions, **_: [float(len(c)) for c in completions]}
CASES = {  # trainer, config, data, reward; what is logged first, and what it is where policy and reference are one
    "DPO": (trl.DPOTrainer, trl.DPOConfig("dpo", **quiet), pairs, {}, "loss", math.log(2)),
    "KTO": (trl.KTOTrainer, trl.KTOConfig("kto", **quiet), judged, {}, "loss", 0.5),
    "GRPO": (trl.GRPOTrainer, trl.GRPOConfig("grpo", **rollout), asked, reward, "kl", 0.0),
    "RLOO": (trl.RLOOTrainer, trl.RLOOConfig("rloo", **rollout), asked, reward, "kl", 0.0),
}
as_described = 0
for name, (trainer, args, data, more, logged, at_reference) in CASES.items():
    trainer = trainer(copy.deepcopy(model), processing_class=tokenizer, train_dataset=data, args=args, **more)
    is_model, is_base = equal(trainer.ref_model, model), equal(trainer.ref_model, base)
    train(trainer)
    first = trainer.state.log_history[0][logged]
    print(f"{name:5} the reference is the model that was passed: {is_model}, the base: {is_base}; "
          f"first {logged} {first:.3f}, expected {at_reference:.3f}")
    as_described += is_base and not is_model and abs(first - at_reference) > 1e-3
args = trl.DPOConfig("precomputed", **quiet, precompute_ref_log_probs=True)
trainer = trl.DPOTrainer(copy.deepcopy(model), processing_class=tokenizer, train_dataset=pairs, args=args)
train(trainer)
first = trainer.state.log_history[0]["loss"]
print(f"DPO   with precompute_ref_log_probs: first loss {first:.3f}")
if abs(first - math.log(2)) > 1e-3:
    sys.exit("this has changed: with precompute_ref_log_probs the reference is no longer the model that was passed")
if as_described != len(CASES):
    sys.exit("this has changed: not all four load their reference from config._name_or_path")
print("as described: all four load their reference from config._name_or_path")
PROGRAM

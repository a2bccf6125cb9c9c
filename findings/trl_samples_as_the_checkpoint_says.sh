#!/usr/bin/env bash
# TRL: GRPO and RLOO sample with the checkpoint's generation_config, and train as if they had not.
#
# One would guess: GRPOConfig decides how completions are sampled (temperature, top_p, top_k, min_p, repetition_penalty,
# and generation_kwargs for the rest, none by default), and trainer.generation_config shows it.
#
# Seen: every field that the config leaves at None is filled in from model.generation_config when transformers' generate
# runs: min_p, suppress_tokens, no_repeat_ngram_size, min_new_tokens, stop_strings, max_time, ... With suppress_tokens
# holding the EOS every completion runs into the budget. The log-probs that the loss compares know nothing of it.
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
print(f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}")
words = ["<pad>", "</s>", "<unk>", "one", "two"]
backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
config = LlamaConfig(vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                     num_attention_heads=2, pad_token_id=0, eos_token_id=1, bos_token_id=None)


def completions(kind, fields):
    """What the trainer samples in its first step, and its own generation_config."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)  # random: about one token in five is the EOS
    for name, value in fields.items():
        setattr(model.generation_config, name, value)
    seen = []
    args = getattr(trl, f"{kind}Config")(
        "out", use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no", max_steps=1, bf16=False,
        gradient_checkpointing=False, num_generations=16, per_device_train_batch_size=16, max_completion_length=12,
        beta=0.0,
    )
    trainer = getattr(trl, f"{kind}Trainer")(
        model, processing_class=tokenizer, train_dataset=Dataset.from_dict({"prompt": ["one two"] * 4}), args=args,
        reward_funcs=lambda completion_ids, **_: [float(len(ids)) for ids in completion_ids if not seen.append(ids)],
    )
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    return seen, trainer.generation_config


def share(rows):
    return f"{sum(row[-1] == 1 for row in rows)} of {len(rows)} end with the EOS"


as_described = 0
for kind in ("GRPO", "RLOO"):
    plain, _ = completions(kind, {})
    unending, own = completions(kind, {"suppress_tokens": [1]})
    short, _ = completions(kind, {"max_time": 1e-9})
    print(f"{kind}: {share(plain)}; with suppress_tokens=[EOS] in the checkpoint {share(unending)}, "
          f"trainer.generation_config.suppress_tokens is {own.suppress_tokens}; with max_time the longest has "
          f"{max(map(len, short))} of 12 tokens")
    as_described += any(row[-1] == 1 for row in plain) and not any(1 in row for row in unending)
    as_described += own.suppress_tokens is None and max(map(len, short)) < 12
if as_described != 4:
    sys.exit("this has changed: the checkpoint's generation_config no longer decides what is sampled")
print("as described: the checkpoint's generation_config decides what is sampled")
PROGRAM

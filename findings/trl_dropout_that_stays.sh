#!/usr/bin/env bash
# TRL: disable_dropout=True leaves the attention dropout of Llama, Qwen2 and others on.
#
# One would guess: DPOConfig(disable_dropout=True), the default ("disable dropout in the model and reference model"),
# makes policy and reference compute the same at first, so that the first loss is ln 2 = 0.693.
#
# Seen: it sets p = 0 in modules of type nn.Dropout. Llama, Qwen2, Mistral and others have no such module: they keep
# config.attention_dropout as a number and pass it on in training mode. The policy's log-probs are noise, the loss is not
# ln 2, and in GRPO completions are sampled with dropout too. (GPT-2 has the module: there the option works.)
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
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config

transformers.logging.set_verbosity_error()
disable_progress_bars()
print(f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}")
words = ["<pad>", "</s>", "<unk>", *"one two three four five six seven eight".split()]
backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
pairs = Dataset.from_dict({"prompt": ["one two three"] * 4, "chosen": [" four"] * 4, "rejected": [" eight seven"] * 4})
ids = dict(vocab_size=len(words), pad_token_id=0, eos_token_id=1, bos_token_id=None)
size = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, initializer_range=0.5)
CONFIGS = {
    "llama": LlamaConfig(**ids, **size, attention_dropout=0.5),
    "qwen2": Qwen2Config(**ids, **size, num_key_value_heads=2, attention_dropout=0.5),
    "gpt2": GPT2Config(**ids, n_embd=32, n_layer=2, n_head=2, initializer_range=0.5, attn_pdrop=0.5, resid_pdrop=0.5),
}
losses = {}
for name, config in CONFIGS.items():
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    args = trl.DPOConfig("out", use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no", logging_steps=1,
                         max_steps=1, bf16=False, gradient_checkpointing=False, disable_dropout=True, beta=1.0)
    trainer = trl.DPOTrainer(model, ref_model=copy.deepcopy(model), processing_class=tokenizer, train_dataset=pairs,
                             args=args)
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    losses[name] = trainer.state.log_history[0]["loss"]
    print(f"{name:5} disable_dropout=True, the reference is a copy: first loss {losses[name]:.4f}, expected {math.log(2):.4f}")
off = {name: abs(loss - math.log(2)) > 1e-3 for name, loss in losses.items()}
if off != {"llama": True, "qwen2": True, "gpt2": False}:
    sys.exit("this has changed: disable_dropout no longer leaves just the attention dropout of Llama and Qwen2 on")
print("as described: disable_dropout leaves the attention dropout of Llama and Qwen2 on")
PROGRAM

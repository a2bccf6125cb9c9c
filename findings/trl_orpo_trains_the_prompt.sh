#!/usr/bin/env bash
# TRL ORPO: its SFT term trains the prompt, and CPO's does not.
#
# One would guess: the SFT term of ORPO is the mean NLL of the chosen completion, as in CPO and as in SFTTrainer with a
# prompt and a completion. The labels of the batch have -100 on the prompt.
#
# Seen: for a decoder the labels are made again from all tokens that are no padding, so prompt and completion count alike.
# With a prompt of 96 tokens and a completion of 8, nine tenths of the term are the prompt: the logged nll_loss is the mean
# over both. The gradient makes the model better at writing the user's question, and no option leaves the prompt out. The
# odds ratio is of the completion alone. CPO's nll_loss is the mean over the completion: the same pair, the same model.
#
# Both trainers are in trl.experimental. Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that
# has the packages; none is installed.
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
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" TRL_EXPERIMENTAL_SILENCE=1 "$python" -W ignore - <<'PROGRAM'
import copy, sys, tempfile

import torch, transformers, trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, PreTrainedTokenizerFast
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

disable_progress_bars()
transformers.logging.set_verbosity_error()
print(f"transformers {transformers.__version__}, trl {trl.__version__}")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
byte_level = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
byte_level.pre_tokenizer, byte_level.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
torch.manual_seed(0)
start = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                     num_attention_heads=1, initializer_range=0.5))
pair = {"prompt": "A question that is long: " + "what is an ant? " * 4 + "Answer:", "chosen": " insect", "rejected": " a bird"}


def logged(Trainer, Config):
    model = copy.deepcopy(start)
    args = Config(output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no",
                  per_device_train_batch_size=1, max_steps=1, logging_steps=1, learning_rate=0.0, bf16=False,
                  gradient_checkpointing=False, remove_unused_columns=False)
    trainer = Trainer(model, args=args, train_dataset=Dataset.from_list([pair]), processing_class=tokenizer)
    trainer.remove_callback(PrinterCallback)
    row = trainer.data_collator([trainer.train_dataset[0]])
    ids, kept = row["chosen_input_ids"], row["chosen_labels"][:, 1:] != -100
    with torch.no_grad():
        nll = -start(ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    trainer.train()
    return trainer.state.log_history[0]["nll_loss"], nll.mean().item(), nll[kept].mean().item(), kept


found = {}
for name, Trainer, Config in (("ORPO", ORPOTrainer, ORPOConfig), ("CPO", CPOTrainer, CPOConfig)):
    log, both, completion, kept = logged(Trainer, Config)
    found[name] = "both" if abs(log - both) < 2e-3 else "completion" if abs(log - completion) < 2e-3 else "neither"
    print(f"{name:4} {int((~kept).sum())} tokens of the prompt are predicted, {int(kept.sum())} of the completion: logged "
          f"nll_loss {log:.3f}, mean over both {both:.3f}, over the completion {completion:.3f}")
as_seen = found == {"ORPO": "both", "CPO": "completion"}
sys.exit(0 if as_seen else 1)
PROGRAM

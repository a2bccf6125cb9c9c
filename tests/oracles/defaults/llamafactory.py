"""LLaMA-Factory: ``llamafactory-cli train`` with the stages dpo, kto, sft and ppo, and the TRL that it allows."""

from typing import Any

from . import names
from .cells import Cell, Value, cell, fixed, inert, value
from .source import Reader, code, field

TUNING, DATA = "llamafactory/hparams/finetuning_args.py", "llamafactory/hparams/data_args.py"
FILES = {
    "RLHFArguments": TUNING,
    "FinetuningArguments": TUNING,
    "LoraArguments": TUNING,
    "FreezeArguments": TUNING,
    "OFTArguments": TUNING,
    "GaloreArguments": TUNING,
    "ApolloArguments": TUNING,
    "BAdamArgument": TUNING,
    "SwanLabArguments": TUNING,
    "DataArguments": DATA,
    "GeneratingArguments": "llamafactory/hparams/generating_args.py",
    "BaseModelArguments": "llamafactory/hparams/model_args.py",
    "QuantizationArguments": "llamafactory/hparams/model_args.py",
    "ProcessorArguments": "llamafactory/hparams/model_args.py",
    "ExportArguments": "llamafactory/hparams/model_args.py",
    "VllmArguments": "llamafactory/hparams/model_args.py",
    "SGLangArguments": "llamafactory/hparams/model_args.py",
    "KTransformersArguments": "llamafactory/hparams/model_args.py",
    "ModelArguments": "llamafactory/hparams/model_args.py",
    "RayArguments": "llamafactory/hparams/training_args.py",
    "ProfilerArguments": "llamafactory/hparams/training_args.py",
    "Fp8Arguments": "llamafactory/hparams/training_args.py",
    "TrainingArguments": "transformers/training_args.py",
    "Seq2SeqTrainingArguments": "transformers/training_args_seq2seq.py",
}
DPO, KTO, PPO = (f"llamafactory/train/{stage}/trainer.py" for stage in ("dpo", "kto", "ppo"))
UTILS = "llamafactory/train/trainer_utils.py"


def option(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", entry: str = "dpo") -> Cell:
    """``name``: as ``RLHFArguments.pref_beta``."""
    owner, _, attribute = name.partition(".")
    return cell(slot, attribute, field(FILES[owner], name), says, column=column, entry=entry)


def line(slot: str, read: Reader, says: str, entry: str = "dpo", **columns: Any) -> Cell:
    return fixed(slot, read, says, columns=columns, entry=entry)


def unread(slot: str, name: str, says: str, entry: str = "dpo") -> Cell:
    owner, _, attribute = name.partition(".")
    return inert(slot, attribute, field(FILES[owner], name), says, entry=entry)


SIGMOID = "from TRL 0.20 on this is the sigmoid loss: the name does not reach it"
LOSSES = {
    "sigmoid": value("minus the log sigmoid of beta times the margin of summed log-probs", loss="dpo"),
    "hinge": value(SIGMOID, loss="dpo"),
    "kto_pair": value(SIGMOID, loss="dpo"),
    "ipo": value("from TRL 0.20 on this is the sigmoid loss, of log-probs per token", loss="dpo", columns={"average_logprobs": True}),
    "orpo": value("ORPO, whose NLL is a mean per chosen completion", loss="orpo", columns={"average_logprobs": True}),
    "simpo": value("SimPO", loss="simpo", columns={"average_logprobs": True}),
}  # fmt: skip
REFERENCE = "with LoRA the model without its adapter, else the model's checkpoint, loaded again"
RATE = "learning rate {value}"
LORA = {"lora": "LoRA is trained, and not all weights", "full": "all weights are trained"}

DPO_CELLS = [
    option("preference", "RLHFArguments.pref_loss", LOSSES),
    option("preference", "RLHFArguments.pref_beta", "beta is {value}", column="beta"),
    option("preference", "RLHFArguments.dpo_label_smoothing", "{value} of the labels count as wrong: cDPO",
           column="label_smoothing"),
    option("preference", "RLHFArguments.pref_ftx", "the NLL of chosen, a mean per completion, is added {value} times", column="sft_coef"),
    option("preference", "RLHFArguments.pref_bco_weight",
           "BCO counts {value} times; then both are divided by 1 plus that, and the shift is a running mean"),
    option("preference", "RLHFArguments.ld_alpha", {
        None: "log-probs beyond the shorter completion count in full; a number shortens the policy's, not the reference's",
    }),
    unread("preference", "RLHFArguments.simpo_gamma", "0.5, the target margin in units of reward; read with pref_loss simpo only"),
    line("preference", code(DPO, "losses, chosen_rewards, rejected_rewards = self.dpo_loss("),
         "TRL's dpo_loss is called without the name of the loss, which from TRL 0.20 on is then sigmoid"),
    line("reference", code(UTILS, 'if finetuning_args.finetuning_type == "lora":', of="create_ref_model"), REFERENCE,
         reference_model=True),
    option("reference", "RLHFArguments.ref_model", {None: REFERENCE}),
    option("truncated", "DataArguments.cutoff_len", "prompt and completion together are cut at {value} tokens"),
    option("optimizer", "TrainingArguments.learning_rate", RATE, column="lr"),
    option("optimizer", "TrainingArguments.max_grad_norm", "the gradient's norm is cut at {value}", column="max_grad_norm"),
    option("optimizer", "FinetuningArguments.finetuning_type", LORA),
]  # fmt: skip

KTO_CELLS = [
    option("preference", "RLHFArguments.pref_beta", "beta is {value}", column="beta", entry="kto"),
    option("preference", "RLHFArguments.kto_chosen_weight", "good completions weigh {value}", entry="kto"),
    option("preference", "RLHFArguments.kto_rejected_weight", "bad completions weigh {value}", entry="kto"),
    line("preference", code(KTO, "losses, chosen_rewards, rejected_rewards, kl = self.kto_loss("), "TRL's KTO", "kto", loss="kto"),
    option("preference", "RLHFArguments.pref_ftx",
           "the NLL of good completions counts {value} times, more the fewer of them a batch has", entry="kto"),
    unread("preference", "RLHFArguments.pref_loss", "stage kto has one loss", entry="kto"),
    line("reference", code(UTILS, 'if finetuning_args.finetuning_type == "lora":', of="create_ref_model"), REFERENCE, "kto",
         reference_model=True),
    option("optimizer", "TrainingArguments.learning_rate", RATE, column="lr", entry="kto"),
]  # fmt: skip

SFT_CELLS = [
    option("masks", "DataArguments.train_on_prompt", {
        False: value("prompts are not trained on", columns={"prompt_loss": False}),
        True: value("prompts are trained on", columns={"prompt_loss": True}),
    }, entry="sft"),
    option("masks", "DataArguments.mask_history", {False: "every turn of the assistant is trained on", True: "the last turn only"},
           entry="sft"),
    option("aggregation", "FinetuningArguments.use_dft_loss", {
        False: "NLL, divided by the supervised tokens of the accumulated batch", True: "NLL times the token's probability, detached",
    }, entry="sft"),
    option("aggregation", "FinetuningArguments.use_asft_loss", {
        False: "no KL to the base", True: "DFT plus asft_alpha times the forward KL to the base; each micro-batch counts by itself",
    }, entry="sft"),
    unread("aggregation", "FinetuningArguments.asft_alpha", "read with use_asft_loss only", entry="sft"),
    option("truncated", "DataArguments.cutoff_len", "cut at {value} tokens", entry="sft"),
    option("optimizer", "TrainingArguments.learning_rate", RATE, column="lr", entry="sft"),
    option("optimizer", "FinetuningArguments.finetuning_type", LORA, entry="sft"),
]  # fmt: skip

PPO_CELLS = [
    line("steps", code(PPO, '"trl>=0.8.6,<=0.9.6",'),
         "the stage asks for TRL up to 0.9.6, and the package for 0.18 or newer: one of the two checks has to be switched off", "ppo"),
    option("steps", "RLHFArguments.ppo_epochs", "each rollout is gone through {value} times", column="inner_epochs", entry="ppo"),
    option("kl", "RLHFArguments.ppo_target", "the coefficient of the KL is steered to {value} nats per completion", entry="ppo"),
    option("sampling", "GeneratingArguments.temperature", "temperature {value}, but log-probs are those at 1", entry="ppo"),
    option("sampling", "GeneratingArguments.top_p", "top-p {value}, which log-probs do not know", column="top_p", entry="ppo"),
    option("sampling", "GeneratingArguments.top_k", "top-k {value}, which log-probs do not know", column="top_k", entry="ppo"),
    option("sampling", "GeneratingArguments.max_new_tokens", "at most {value} new tokens", column="max_new_tokens", entry="ppo"),
    line("correction", code(PPO, "logprobs = logprobs_from_logits(logits[:, :-1, :], input_ids[:, 1:])"),
         "none, though samples are drawn at another temperature and with top-p and top-k", "ppo", correction="none"),
    option("optimizer", "TrainingArguments.learning_rate", RATE, column="lr", entry="ppo"),
]  # fmt: skip

CELLS = DPO_CELLS + KTO_CELLS + SFT_CELLS + PPO_CELLS
NAMES = [names.fields(file, owner) for owner, file in FILES.items()]

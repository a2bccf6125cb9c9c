"""OpenRLHF: ``openrlhf.cli.train_dpo`` and ``openrlhf.cli.train_sft``."""

from typing import Any

from .cells import OTHER, Cell, Value, cell, fixed, value
from .source import argument, code

DPO, SFT = "openrlhf/cli/train_dpo.py", "openrlhf/cli/train_sft.py"
LOSS = "openrlhf/models/loss.py"


def dpo(slot: str, flag: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, flag, argument(DPO, flag), says, column=column, entry="train_dpo")


def sft(slot: str, flag: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, flag, argument(SFT, flag), says, column=column, entry="train_sft")


SCHEDULE: dict[Any, Value | str] = {
    "cosine_with_min_lr": "after the warm-up the learning rate falls as a half cosine to min_lr_ratio of it",
    "constant": "the learning rate stays",
    "constant_with_warmup": "the learning rate stays, after the warm-up",
    OTHER: "the learning rate follows the schedule {value}",
}
DPO_CELLS = [
    dpo("preference", "--model.beta", "beta is {value}", column="beta"),
    dpo("preference", "--model.ipo_enable", {
        False: value("minus the log sigmoid of beta times the difference of the summed log-ratios", loss="dpo",
                     columns={"average_logprobs": False}),
        True: value("IPO, on summed log-ratios", loss="ipo", columns={"average_logprobs": False}),
    }),
    dpo("preference", "--model.label_smoothing", {
        0.0: "no label is taken to be the wrong way round", OTHER: "the share {value} of the labels is taken to be the wrong way round (cDPO)",
    }),
    dpo("preference", "--model.nll_loss_coef", "{value} times the NLL of the chosen completions, each a mean over its tokens, is added",
        column="sft_coef"),
    fixed("aggregation", code(LOSS, "loss = losses.mean()", of="DPOLoss.forward"),
          "a mean over the pairs of the micro-batch, then over micro-batches and ranks", entry="train_dpo"),
    dpo("reference", "--ref.model_name_or_path", {None: value("it has the weights that model.model_name_or_path names, and stays as it is",
                                                              columns={"reference_model": True}),
                                                  OTHER: value("it has the weights of {value}, and stays as it is", columns={"reference_model": True})}),
    dpo("truncated", "--data.max_len", "prompt and completion together are cut at {value} tokens, at the end; longer prompts are left out"),
    dpo("steps", "--train.batch_size", "an optimizer step for every {value} pairs"),
    dpo("steps", "--train.max_epochs", "passes over the data set: {value}"),
    dpo("optimizer", "--adam.lr", "learning rate {value}", column="lr"),
    dpo("optimizer", "--max_norm", "the gradient's norm is cut at {value}", column="max_grad_norm"),
    dpo("optimizer", "--lr_scheduler", SCHEDULE),
    dpo("optimizer", "--lr_warmup_ratio", "the share {value} of all steps is warm-up"),
]  # fmt: skip
SFT_CELLS = [
    sft("masks", "--data.multiturn", {
        False: "the last response alone is trained on: earlier turns are part of the prompt", True: "all messages of the assistant are trained on",
    }),
    sft("masks", "--model.pretrain_mode_enable", {
        False: value("prompts are not trained on", columns={"prompt_loss": False}),
        True: value("every token is trained on, also the prompt's", columns={"prompt_loss": True}),
    }),
    fixed("aggregation", code("openrlhf/trainer/sft_trainer.py", "window, self.strategy, accumulated_gradient, sft_loss_mask"),
          "divided by the trained tokens of the optimizer step, over all micro-batches and ranks",
          columns={"aggregation": "token_mean", "processes": True}, entry="train_sft"),
    sft("truncated", "--data.max_len", "a row is cut at {value} tokens, at the end; rows with a longer prompt are left out"),
    sft("steps", "--train.batch_size", "an optimizer step for every {value} rows"),
    sft("steps", "--train.max_epochs", "passes over the data set: {value}"),
    sft("optimizer", "--adam.lr", "learning rate {value}", column="lr"),
    sft("optimizer", "--max_norm", "the gradient's norm is cut at {value}", column="max_grad_norm"),
    sft("optimizer", "--lr_scheduler", SCHEDULE),
    sft("optimizer", "--lr_warmup_ratio", "the share {value} of all steps is warm-up"),
]  # fmt: skip

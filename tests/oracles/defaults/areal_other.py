"""AReaL: its DPOTrainer, RWTrainer and SFTTrainer. The table is in areal.py."""

from typing import Any

from .cells import OTHER, Cell, Value, cell, fixed, inert, value
from .source import code, field

ARGS = "areal/api/cli_args.py"
RATE = "learning rate {value}, where the block actor.optimizer is there: without it nothing is trained"


def other(
    entry: str, slot: str, name: str, owner: str, says: str | dict[Any, Value | str], *, column: str = ""
) -> Cell:
    read = field(ARGS, f"{owner}.{name.rpartition('.')[2]}")
    return cell(slot, name, read, says, column=column, entry=entry)


DPO = "DPOTrainer"
SUMMED = "minus the log sigmoid of beta times the difference of the summed log-ratios"
OTHER_CELLS = [
    other(DPO, "preference", "actor.loss_type", "DPOEngineConfig", {
        "sigmoid": value(SUMMED, loss="dpo", columns={"average_logprobs": False}),
        "ipo": value("IPO, on log-probs averaged over each completion", loss="ipo", columns={"average_logprobs": True}),
    }),
    other(DPO, "preference", "actor.beta", "DPOEngineConfig", "beta is {value}", column="beta"),
    inert("preference", "ref.beta", field(ARGS, "DPOEngineConfig.beta"), "only actor.beta is read", entry=DPO),
    inert("preference", "ref.loss_type", field(ARGS, "DPOEngineConfig.loss_type"), "only actor.loss_type is read", entry=DPO),
    fixed("aggregation", code("areal/trainer/dpo/dpo_engine.py", "return _dpo_valid_pairs(x).count_nonzero().float()"),
          "a mean over the pairs of the batch, on all processes and over all micro-batches", columns={"processes": True}, entry=DPO),
    other(DPO, "reference", "ref.path", "TrainEngineConfig", {"": "the checkpoint named there, which has to be set, and which stays as it is"}),
    other(DPO, "optimizer", "actor.optimizer.lr", "OptimizerConfig", RATE, column="lr"),
    other(DPO, "truncated", "train_dataset.max_length", "_DatasetConfig", {None: "nothing is cut, and nothing dropped", OTHER: "pairs of more than {value} tokens are dropped"}),
    fixed("preference", code("areal/trainer/rw/rw_engine.py", "loss = -(torch.nn.functional.logsigmoid(scores[:, 0] - scores[:, 1]))"),
          "minus the log sigmoid of the difference of the scores, a mean over pairs, without a margin", entry="RWTrainer"),
    fixed("aggregation", code("areal/trainer/sft/lm_engine.py", "loss = -logprobs.sum() / (1e-5 + loss_mask.count_nonzero())"),
          "a mean over the supervised tokens of the batch, on all processes and over all micro-batches",
          columns={"aggregation": "token_mean", "processes": True}, entry="SFTTrainer"),
    other("SFTTrainer", "optimizer", "actor.optimizer.lr", "OptimizerConfig", RATE, column="lr"),
    fixed("masks", code("areal/dataset/gsm8k.py", "loss_mask = [0] * len(prompt_token) + [1] * (len(seq_token) - len(prompt_token))"),
          "the data set decides: that of GSM8K leaves the prompt out", columns={"prompt_loss": False}, entry="SFTTrainer"),
]  # fmt: skip

"""One training batch of any codebase, in one layout: what the checks read. Filled by ``names.batch_of``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PER_TOKEN = (
    "logprobs",
    "old_logprobs",
    "ref_logprobs",
    "sampler_logprobs",
    "advantages",
    "returns",
    "values",
    "token_rewards",
    "entropy",
)
PER_ROW = ("rewards", "advantages", "group")
NUMBERS = (
    "num_tokens",
    "pad_token_id",
    "eos_token_id",
    "group_size",
    "prompt_width",  # columns of prompt, where the file says so and start is smaller
    "assistant_start",  # ids of the tokens that open a turn of the assistant, one of a tool, and a call
    "tool_start",
    "tool_end",
    "call_start",
)


@dataclass(frozen=True)
class Batch:
    """What one optimizer step is computed from. K = time - start; index t of a per-token tensor is about token start + t."""

    tokens: Tensor  # (rows, time) long
    attention_mask: Tensor | None  # (rows, time) bool
    position_ids: Tensor | None  # (rows, time)
    start: int  # per-token tensors are about tokens[:, start:]
    mask: Tensor | None  # (rows, K) bool: the tokens that are in the loss
    per_token: Mapping[str, Tensor]  # each (rows, K), under the names of PER_TOKEN
    per_row: Mapping[str, Tensor]  # each (rows,), under the names of PER_ROW
    numbers: Mapping[str, float]  # under the names of NUMBERS; num_tokens is what the loss is divided by
    tool: Tensor | None = None  # (rows, K) bool: tokens that a tool wrote
    named: Mapping[str, str] = field(default_factory=dict)  # canonical name -> the key in the file
    source: str = ""  # the framework, or "" where it is not known
    notes: tuple[str, ...] = ()  # what the reading found worth saying, in sentences

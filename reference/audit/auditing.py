"""All checks on one batch: what they found, and which of them had nothing to look at."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reference.audit import checks_groups, checks_layout, checks_logprobs, checks_mask, checks_rewards
from reference.audit.batch import NUMBERS, Batch
from reference.audit.checks_normaliser import normaliser
from reference.audit.checks_scored import scored
from reference.audit.checks_tools import tools
from reference.audit.finding import LEVELS, Finding
from reference.audit.names import batch_of
from reference.audit.report import text
from reference.evaluation.printable import printable
from reference.objectives.shapes import InputError

Check = Callable[[Batch], list[Finding]]
LOGPROBS = "logprobs, old_logprobs, ref_logprobs or sampler_logprobs"

# Each check, in words, with what it cannot do without: names with a | between them stand for any of them.
CHECKS: tuple[tuple[str, Check, tuple[str, ...]], ...] = (
    ("ids", checks_layout.ids, ()),
    ("attention mask", checks_layout.attention, ("attention_mask",)),
    ("position ids", checks_layout.positions, ("position_ids",)),
    ("padding's id", checks_layout.padding, ("pad_token_id|attention_mask",)),
    ("padding in the loss", checks_mask.pads, ("mask", "pad_token_id|attention_mask")),
    ("empty rows", checks_mask.empty, ("mask",)),
    ("mask off by one", checks_mask.shifted, ("mask", "pad_token_id|attention_mask")),
    ("prompt in the loss", checks_mask.prompt, ("mask", "pad_token_id|attention_mask")),
    ("EOS in the loss", checks_mask.end, ("mask", "pad_token_id|attention_mask")),
    ("tokens behind an EOS", checks_mask.behind_end, ("mask", "pad_token_id|attention_mask")),
    ("tool's words", tools, ("mask", "tool|tool_start")),
    ("values", checks_logprobs.values, ("logprobs|old_logprobs|ref_logprobs|sampler_logprobs|advantages|entropy",)),
    ("alignment of log-probs", checks_logprobs.aligned, ("mask|attention_mask", "logprobs|old_logprobs|ref_logprobs|sampler_logprobs")),
    ("sampler against trainer", checks_logprobs.engines, ("sampler_logprobs", "old_logprobs|logprobs")),
    ("normaliser", normaliser, ("num_tokens", "mask")),
    ("group sizes", checks_groups.sizes, ("group|group_size|prompt_width", "advantages")),
    ("prompts of a group", checks_groups.prompts, ("group|group_size",)),
    ("equal completions", checks_groups.completions, ("group|group_size|prompt_width", "advantages")),
    ("kind of advantage", checks_groups.kind, ("advantages",)),
    ("centred advantages", checks_groups.centred, ("advantages",)),
    ("dead groups", checks_groups.dead, ("rewards", "group|group_size|prompt_width")),
    ("sign of the advantage", checks_rewards.sign, ("rewards", "advantages", "group|group_size|prompt_width")),
    ("rewards of tokens", checks_rewards.token_rewards, ("token_rewards",)),
    ("returns", checks_rewards.returns, ("returns", "values", "advantages")),
    ("values at the action", checks_rewards.values_at_action, ("values", "old_logprobs|logprobs")),
)  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """``findings``: the worst first. ``skipped``: the checks that could not be made, with what they need."""

    batch: Batch
    findings: tuple[Finding, ...]
    skipped: dict[str, str]

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "fault")

    def __str__(self) -> str:
        return text(self.batch, self.findings, self.skipped)


def audit(
    batch: Batch | Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    numbers: Mapping[str, float] | None = None,
    later: bool = False,
    model: nn.Module | None = None,
) -> Audit:
    """Look for what is wrong in one training batch, of any codebase. ``print`` shows the result.

    ``batch``: tensors by name, as a trainer has them (``names.batch_of`` says which names are known), or a ``Batch``.
    ``names``: canonical name -> the name in ``batch``, for others. ``numbers``: what the tensors do not say, such as
    pad_token_id, eos_token_id, group_size, num_tokens, or the ids assistant_start, tool_start, tool_end and call_start of the
    tokens that open and close turns. ``later``: the batch is of a later inner step, so that ratios need not be 1.
    ``model``: the one that gave the log-probs, to score the tokens with. Raises ``InputError`` where tensors do not fit
    together.
    """
    read = batch if isinstance(batch, Batch) else read_batch(batch, dict(names or {}), dict(numbers or {}))
    if isinstance(batch, Batch) and numbers:
        read = replace(read, numbers={**read.numbers, **numbers})
    findings, skipped = [], {}
    for name, check, needs in CHECKS:
        if missing := [need for need in needs if not any(has(read, one) for one in need.split("|"))]:
            skipped[name] = " and ".join(need.replace("|", " or ") for need in missing)
        else:
            findings += check(read)
    if has(read, "logprobs") and has(read, "old_logprobs"):
        findings += checks_logprobs.ratio(read, later=later)
    else:
        skipped["ratio at the first step"] = "logprobs and old_logprobs"
    if model is not None:
        findings += scored(read, model)
    return Audit(read, tuple(sorted(findings, key=lambda one: LEVELS.index(one.level))), skipped)


def read_batch(tensors: Mapping[str, Any], names: dict[str, str], numbers: dict[str, float]) -> Batch:
    """Tensors by name, as a ``Batch``, with the numbers that were given beside them."""
    if not isinstance(tensors, Mapping):
        raise InputError(f"a batch is a dictionary of tensors by name, not a {type(tensors).__name__}")
    require_numbers(numbers)
    known = {key: int(value) for key, value in numbers.items() if key in ("pad_token_id", "eos_token_id", "group_size")}
    plain = {str(key): computable(str(key), value) for key, value in tensors.items()}
    batch = batch_of(plain, names=names or None, **known)
    return replace(batch, numbers={**batch.numbers, **numbers})


def require_numbers(numbers: Mapping[str, float]) -> None:
    """Refuse a number without a meaning, and an id that is none."""
    for name, value in numbers.items():
        if name not in NUMBERS:
            raise InputError(f"numbers has {name!r}, expected one of {', '.join(NUMBERS)}")
        if name != "num_tokens" and not (math.isfinite(value) and value >= 0 and value == int(value)):
            raise InputError(f"{name} is {value}, expected a whole number from 0 on")


def computable(name: str, value: Any) -> Any:
    """A tensor on the CPU without its graph, in a dtype that everything can compute with. Lists of numbers become tensors."""
    if isinstance(value, (list, np.ndarray)):
        value = from_numbers(name, value)
    if not isinstance(value, Tensor):
        return value
    if value.is_meta or value.layout != torch.strided or value.is_complex() or value.is_quantized:
        if value.is_nested:  # rows of unequal length
            return value.detach().cpu()
        kind = (
            "without data"
            if value.is_meta
            else "complex"
            if value.is_complex()
            else "quantized"
            if value.is_quantized
            else "sparse"
        )
        raise InputError(f"{printable(name, 100)} is {kind}: save plain tensors")
    value = value.detach().cpu()
    if value.is_floating_point():
        return value if value.dtype in (torch.float64, torch.float32) else value.float()
    return value if value.dtype == torch.bool else value.long()


def from_numbers(name: str, value: Any) -> Any:
    """Lists of numbers, and arrays of numpy, as a tensor; lists of texts and objects as they are."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"{printable(name, 100)} has rows of unequal length: pad them, or audit one row") from None
    return torch.as_tensor(array) if array.size and array.dtype.kind in "biuf" and array.dtype.itemsize <= 8 else value


def has(batch: Batch, name: str) -> bool:
    """Whether the batch has it, or something that stands for it."""
    if name in ("attention_mask", "position_ids", "mask", "tool"):
        return getattr(batch, name) is not None
    if name == "prompt_width":
        return batch.start > 1 or name in batch.numbers
    return name in batch.per_token or name in batch.per_row or name in batch.numbers

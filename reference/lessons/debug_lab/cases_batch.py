"""Small batches that ``check_batch`` is tried on: right ones, and ones with a fault or two."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reference.lessons.debug_lab.batch_checks import NAMES
from reference.teaching.exercise import Case, numbers

EOS = 2
Layout = tuple[str, str, tuple[float, ...]]

# Rows, the mask over their predictions, and the log-ratios in thousandths, where they are not 0. One log-ratio a prediction.
FINE: tuple[Layout, ...] = (
    ("ppae.", "0110", ()),
    ("_pae.", "0110", ()),
    ("ppabc", "0110", ()),  # cut off, and its last token left out on purpose
    ("pae pe.", "11 10", ()),
    ("pae pab", "11 00", ()),  # the second row was cut off, and is left out
    ("pae pe.", "00 10", ()),  # the first row is left out although it ends
    ("ppae.", "0110", (-400, 0, 0, 900)),  # a prompt and a pad may have any log-probs
    ("ppae.", "0110", (0, 0.001, -0.001, 0)),  # rounding
)
WRONG: tuple[Layout, ...] = (
    ("ppae.", "1110", ()),
    ("ppae.", "0111", ()),
    ("ppae.", "0000", ()),
    ("ppabe", "0011", ()),
    ("ppae.", "0100", ()),
    ("ppae.", "1100", ()),  # one place early
    ("ppae.", "0011", ()),  # one place late
    ("_pae.", "1110", ()),
    ("ppae.", "0110", (0, 200, 0, 0)),
    ("ppae.", "0110", (0, 0, -200, 0)),
    ("ppae.", "0110", (0, 300, -300, 0)),
    ("pae pe.", "11 11", (0, 0, 5, 0)),
    ("pae pea", "10 10", ()),
)
SHAPES = ((5, 4, 4), (4, 5, 4), (4, 4, 5), (5, 5, 5), (3, 4, 4))  # widths of mask, log-probs and old log-probs


def check_batch_cases(seed: int) -> list[Case]:
    """Batches of one row of five tokens, or of two rows of three. The ids of pads and words are drawn."""
    g = torch.Generator().manual_seed(seed)
    fine = [case_of(*layout, g, pad=pad) for layout in FINE for pad in ((0, EOS) if "." in layout[0] else (0,))]
    wrong = [case_of(*layout, g) for layout in WRONG]
    return [*fine[:2], *wrong[:9], *fine[2:], *wrong[9:], *(cut(*widths, g) for widths in SHAPES)]


def case_of(rows: str, masks: str, log_ratios: tuple[float, ...], g: torch.Generator, *, pad: int = 0) -> Case:
    """The batch that a drawing stands for: p is a prompt token, a b c are words, e is the EOS, _ and . are pads."""
    tokens = torch.tensor([[id_of(sign, g, pad) for sign in row] for row in rows.split()])
    attention = torch.tensor([[int(sign not in "_.") for sign in row] for row in rows.split()])
    mask = torch.tensor([[sign == "1" for sign in row] for row in masks.split()])
    old = -numbers(g, *mask.shape).abs()
    by = torch.tensor(log_ratios or [0] * mask.numel(), dtype=torch.float64).view(mask.shape) / 1000
    prompt_width = next(place for place, sign in enumerate(rows) if sign not in "_p")
    return batch_case(tokens, attention, mask, old + by, old, prompt_width)


def id_of(sign: str, g: torch.Generator, pad: int) -> int:
    if sign in "_.":
        return pad
    return EOS if sign == "e" else int(torch.randint(5, 90, (1,), generator=g))


def cut(mask: int, new: int, old: int, g: torch.Generator) -> Case:
    """A batch whose tensors have these widths, where 4 is right."""
    case = case_of("ppae.", "0110", (), g)
    tokens, attention = case.arguments["tokens"], case.arguments["attention_mask"]
    kept = torch.tensor([[False, True, True, False, False]])
    logprobs = -numbers(g, 1, 5).abs()
    return batch_case(tokens, attention, kept[:, :mask], logprobs[:, :new], logprobs[:, :old], 2)


def batch_case(tokens: Tensor, attention: Tensor, mask: Tensor, new: Tensor, old: Tensor, prompt_width: int) -> Case:
    arguments = {"tokens": tokens, "attention_mask": attention, "mask": mask, "logprobs": new, "old_logprobs": old}
    return Case(arguments, {"prompt_width": prompt_width, "eos_token_id": EOS}, through=names_in_order)


def names_in_order(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """The names that it returns, in the order of ``NAMES``, each once; whatever else it returns as it is."""
    result = function(*arguments, **options)
    if not isinstance(result, (list, tuple, set, frozenset)):
        return result if result is None else f"a {type(result).__name__}, where a list of names is wanted"
    said = sorted({str(name) for name in result})
    return [name for name in NAMES if name in said] + [name for name in said if name not in NAMES]

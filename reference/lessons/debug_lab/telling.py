"""A run and a batch as text: what the game prints, and a screen reader can read."""

import io
from contextlib import redirect_stdout
from functools import cache

from transformers import PreTrainedTokenizerBase

from reference.runs.recorded_runs import Rows
from reference.teaching.example import readable
from reference.teaching.table import table
from reference.world.model import BASE, load

from .batches import Seen
from .recorded import means, series

SHOWN = (
    "reward", "proxy", "reward_std", "dead_groups", "length", "truncated", "made_up", "calls", "ratio", "approx_kl",
    "clip_frac", "entropy", "grad_norm", "advantage_mean", "advantage_std", "kl_k3", "kl_coef", "value_loss",
    "explained_variance", "loss", "token_accuracy", "supervised", "accuracy", "margin", "chosen", "rejected",
)  # fmt: skip


def scalar_rows(rows: Rows, healthy: Rows) -> dict[str, list[float | str]]:
    """Of every scalar of the run a line and, below it, a line of the healthy one: the first step, and the four quarters."""
    found: dict[str, list[float | str]] = {}
    for name in SHOWN:
        if any(name in row for row in rows):
            found[name] = line_of(rows, name)
            found[f"  {name}, healthy"] = line_of(healthy, name) if any(name in row for row in healthy) else ["-"] * 5
    return found


def scalars_text(rows: Rows, healthy: Rows) -> str:
    """The lines of ``scalar_rows`` as a table."""
    text = io.StringIO()
    with redirect_stdout(text):
        table(scalar_rows(rows, healthy), "step 1", "quarter 1", "2", "3", "4", digits=5)
    return text.getvalue()


def line_of(rows: Rows, name: str) -> list[float | str]:
    return [series(rows, name)[0], *means(rows, name).tolist()]


def batch_text(seen: Seen, *, rows: int = 4) -> str:
    """The first rows of a batch: the tokens in the loss stand in brackets. Below each its advantage and its log-ratio."""
    tokenizer = tokenizer_of_base()
    lines = ["Tokens in the loss stand between [ and ], pads are left out."]
    for row in range(min(rows, len(seen.tokens))):
        lines += ["", f"row {row + 1}{numbers_of(seen, row)}", bracketed(seen, row, tokenizer)]
    return "\n".join(lines)


@cache
def tokenizer_of_base() -> PreTrainedTokenizerBase:
    """The tokenizer of both shipped models."""
    return load(BASE)[1]


def bracketed(seen: Seen, row: int, tokenizer: PreTrainedTokenizerBase) -> str:
    """The real tokens of a row as one text, with brackets around those that the mask keeps."""
    words = readable(tokenizer, seen.tokens[row].tolist())
    kept = [False, *seen.mask[row].bool().tolist()]
    real = seen.attention_mask[row].bool().tolist()
    text, inside = "", False
    for word, keeps, there in zip(words, kept, real, strict=True):
        if keeps != inside:
            text, inside = text + ("[" if keeps else "]"), keeps
        text += word if there else "·pad·" if keeps else ""
    return text + ("]" if inside else "")


def numbers_of(seen: Seen, row: int) -> str:
    """Its prompt, its advantage, and how far the two log-probs of a kept token are apart, as far as there are any."""
    kept = seen.mask[row].bool()
    parts = [] if seen.group is None else [f"prompt {int(seen.group[row]) + 1}"]
    if not kept.any():
        parts.append("nothing is kept")
    if seen.advantages is not None and kept.any():
        parts.append(f"advantage {seen.advantages[row][kept].mean():+.3f}")
    if seen.logprobs is not None and seen.old_logprobs is not None and kept.any():
        gap = (seen.logprobs[row] - seen.old_logprobs[row])[kept]
        parts.append(f"log-ratio {gap.min():+.4f} to {gap.max():+.4f}")
    return "".join(f", {part}" for part in parts)

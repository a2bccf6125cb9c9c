"""A trajectory with its mask, what a filter of self-labelled calls keeps, and what a long result does to GAE."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reference.objectives import gae, keep_call, token_rewards
from reference.style import (
    BLUE,
    DROPPED,
    FAINT,
    GREEN,
    INK,
    KEPT,
    MUTED,
    ORANGE,
    PAPER,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    style,
)
from reference.teaching.labels import label_ends
from reference.teaching.show import describe
from reference.teaching.strip import LINE, WIDTH

from .scores import Score
from .spans import Span

COLOURS = {
    "header": PAPER, "user": FAINT, "plan": SKY, "call": PURPLE, "tool": ORANGE, "answer": YELLOW, "end": PAPER,
}  # fmt: skip
NARROWEST = 7  # characters: the name of a writer fits above its span
Piece = tuple[Span, str, float]  # a part of a span that stands on one line, and where it begins


def figure_trajectory(spans: Sequence[Span], *, title: str = "") -> Figure:
    """Each span as a box with its writer above, and below it the mask: 1 where it is trained, 0 where it is not."""
    lines, says = lines_of(spans), f"{count(s for s in spans if s.trained)} of {count(spans)} tokens are trained (1)"
    with style():
        figure = Figure(figsize=(WIDTH, 0.6 + 0.74 * len(lines)), layout="constrained")
        ax = figure.subplots()
        for row, line in enumerate(lines):
            for piece in line:
                draw_piece(ax, *piece, y=-row)
        ax.set_xlim(0, LINE)
        ax.set_ylim(-len(lines) + 0.6, 0.85)
        ax.axis("off")
        ax.set_title(f"{title}: {says}" if title else says)
        parts = [f"{s.writer} {s.text!r} {'trained' if s.trained else 'not trained'} ({s.tokens})" for s in spans]
        return describe(figure, f"{title}{': ' * bool(title)}{says}. Spans, with their tokens: {', '.join(parts)}")


def count(spans: Iterable[Span]) -> int:
    return sum(span.tokens for span in spans)


def lines_of(spans: Sequence[Span]) -> list[list[Piece]]:
    """Spans cut into lines of ``LINE`` characters. A turn begins a line, as its header does."""
    lines: list[list[Piece]] = [[]]
    x = 0.0
    for span in spans:
        rest = span.text
        while rest:
            new_turn = span.writer == "header" and rest == span.text and x > 0
            if new_turn or LINE - x < max(NARROWEST, min(width(rest), 3 * NARROWEST)):
                lines.append([])
                x = 0.0
            piece = beginning(rest, int(LINE - x) - 1)
            lines[-1].append((span, piece, x))
            rest, x = rest[len(piece) :], x + width(piece)
    return lines


def beginning(text: str, most: int) -> str:
    """As much of the text as fits, up to a space if there is one in the second half."""
    space = text.rfind(" ", most // 2, most)
    return text if len(text) <= most else text[: space + 1 if space >= 0 else most]


def width(text: str) -> float:
    return max(NARROWEST, len(text) + 1.0)


def draw_piece(ax: Axes, span: Span, text: str, x: float, *, y: float) -> None:
    """Writer, text and mask, from top to bottom."""
    wide, middle = width(text) - 0.3, x + width(text) / 2
    again = "" if span.text.startswith(text) else " (cont.)"
    ax.text(middle, y + 0.62, span.writer + again, ha="center", va="center", fontsize=10.5, color=MUTED)
    ax.add_patch(Rectangle((x + 0.15, y + 0.1), wide, 0.4, facecolor=COLOURS[span.writer], edgecolor=MUTED, lw=0.8))
    ax.text(middle, y + 0.29, text, ha="center", va="center", fontsize=11, family="monospace", color=INK)
    mask = KEPT if span.trained else DROPPED
    ax.add_patch(Rectangle((x + 0.15, y - 0.13), wide, 0.2, facecolor=mask, edgecolor="none"))
    digit, ink = ("1", PAPER) if span.trained else ("0", INK)
    ax.text(middle, y - 0.035, digit, ha="center", va="center", fontsize=10, color=ink)


GROUPS = {  # of proposed calls: colour, hatching, name
    "good": (GREEN, "", "needed and right"),
    "waste": (ORANGE, "//", "not needed"),
    "wrong": (RED, "xx", "needed, but another call"),
}


def figure_keep(scores: Sequence[Score], *, threshold: float) -> Figure:
    """How much each proposed call gains, by what it is worth, and what a threshold keeps.

    ``scores``: one of each call, with its three losses ``with_result``, ``without_result`` and ``without_call`` in nats, and
    the truth: is the call ``needed``, and is it ``right``. A good call is both.
    """
    three = [torch.tensor([float(s[n]) for s in scores]) for n in ("with_result", "without_result", "without_call")]
    kept = keep_call(*three, threshold=threshold).tolist()
    gains = (torch.minimum(three[1], three[2]) - three[0]).tolist()
    groups = [group_of(score) for score in scores]
    good, good_kept = groups.count("good"), sum(k and g == "good" for k, g in zip(kept, groups, strict=True))
    shares = f"precision {share(good_kept, sum(kept))}, recall {share(good_kept, good)}"
    with style():
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        ax = figure.subplots()
        low, high = math.floor(2 * min(gains)), math.floor(2 * max(gains)) + 1
        edges = [half / 2 for half in range(low, high + 1)]  # a bin begins at each half of a nat
        columns = [[x for x, g in zip(gains, groups, strict=True) if g == name] for name in GROUPS]
        colours, hatches, names = zip(*GROUPS.values(), strict=True)
        labels = [f"{name}: {len(column)}" for name, column in zip(names, columns, strict=True)]
        ax.hist(columns, edges, stacked=True, color=colours, hatch=hatches, edgecolor=PAPER, label=labels)
        ax.axvline(threshold, ymax=0.68, color=INK, linestyle="--")
        ax.set_xlabel("gain of the result, nats: min(without result, without call) - with result")
        ax.set_ylabel("proposed calls")
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.margins(y=0.45)  # room for the legend
        ax.legend(loc="upper right", frameon=False, fontsize=11)
        ax.set_title(f"threshold {threshold:g}: {sum(kept)} of {len(kept)} kept, {shares}")
        kept_of = [
            f"{sum(k and g == key for k, g in zip(kept, groups, strict=True))} of {groups.count(key)} {name}"
            for key, (_, _, name) in GROUPS.items()
        ]
        return describe(figure, f"threshold {threshold:g} keeps {', '.join(kept_of)}: {shares}")


def group_of(score: Score) -> str:
    return "waste" if not score["needed"] else "good" if score["right"] else "wrong"


def share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


CROSSINGS = {  # GAE over a tool's tokens: colour, line, how, value of the tool's tokens
    "no steps": (BLUE, "-", "skip", 0.5),
    "steps, V = 0.5": (ORANGE, "--", "decay", 0.5),
    "steps, V = 0": (RED, ":", "decay", 0.0),
}
CALL, ANSWER = 4, 3  # tokens of the call, and of the answer behind the result


def advantages_of_call(lengths: Sequence[int], masked: Literal["skip", "decay"], value: float) -> list[float]:
    """Advantage of the call's last token for each length of the result: V is 0.5, the reward 1 comes at the end."""
    found = []
    for length in lengths:
        mask = torch.tensor([[True] * CALL + [False] * length + [True] * ANSWER])
        values = torch.where(mask, 0.5, value)
        rewards = token_rewards(torch.ones(1), mask)
        found.append(gae(rewards, values, mask, gae_lambda=0.95, masked=masked)[0, CALL - 1].item())
    return found


def figure_gae_tool(lengths: Sequence[int]) -> Figure:
    """The advantage of a call against the length of its result, where the tool's tokens are no steps, and where they are."""
    with style():
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        ax = figure.subplots()
        readings, ends = [], {}
        for name, (colour, line, masked, value) in CROSSINGS.items():
            found = advantages_of_call(lengths, masked, value)
            ax.plot(lengths, found, line, color=colour)
            ends[name] = found[-1]
            readings.append(f"{name}: {', '.join(f'{a:.2f}' for a in found)}")
        ax.plot([lengths[0], lengths[-1]], [0, 0], color=MUTED, linewidth=0.8)
        ax.set_ylim(-0.6, 0.6)
        label_ends(ax, ends, {name: entry[0] for name, entry in CROSSINGS.items()})
        ax.set_xlabel("tokens of the tool's answer")
        ax.set_ylabel("advantage")
        ax.set_title("the last token of a call that led to a right answer")
        return describe(figure, f"tokens of the result: {', '.join(map(str, lengths))}. {'; '.join(readings)}")

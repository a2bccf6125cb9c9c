"""Which logit row scores which token, and what temperature does to it."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.style import BLUE, DROPPED, INK, KEPT, MUTED, ORANGE, RED, style, words_in
from reference.teaching.example import Example, readable
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH, draw_strip, layout


def figure_walk(example: Example, *, position: int, candidates: int = 8) -> Figure:
    """What the logits at ``position`` expect next, and the token they are scored on, one place further right."""
    words, mask = example.words, example.mask[0].tolist()
    probabilities = example.logits[0, position].softmax(-1)
    actual = int(example.tokens[0, position + 1])
    top = probabilities.topk(candidates).indices.tolist()
    ids = top if actual in top else [*top[:-1], actual]
    logp, kept = f"{example.logprobs[0, position].item():z.3f}", mask[position]
    with style():
        lines = layout(words)
        figure = Figure(figsize=(WIDTH, 3.3 + 0.62 * len(lines)), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[0.3 + 0.62 * len(lines), 3.0])
        strip, bars = above.subplots(), below.subplots()
        colours = [KEPT if kept else DROPPED for kept in [False, *mask]]
        notes = [str(t) for t in range(len(words))]
        draw_strip(strip, words, lines, colours, notes, thin=position, thick=position + 1)
        verdict = "trained on" if kept else "scored, not trained on"
        strip.set_title(f"logits[{position}] score tokens[{position + 1}]    mask[{position}] = {int(kept)}: {verdict}")
        names, values = readable(example.tokenizer, ids), probabilities[ids].tolist()
        bars.barh(range(len(ids)), values, color=[ORANGE if i == actual else BLUE for i in ids], height=0.72)
        bars.set_yticks(range(len(ids)), names, family="monospace")
        bars.invert_yaxis()
        bars.set_xlim(0, 1)
        here = ids.index(actual)
        outside = values[here] < 0.8
        bars.annotate("← comes next", (values[here], here), xytext=(4 if outside else -4, 0), va="center",
                      textcoords="offset points", ha="left" if outside else "right", color=INK)  # fmt: skip
        bars.set_xlabel("probability of the next token")
        bars.set_title(f"log-prob of {words[position + 1]!r}: {logp} nats", fontsize=12)
        text = f"logits[{position}] after {words[position]!r} score {words[position + 1]!r}: log-prob {logp}, mask {int(kept)}"
        return describe(figure, text)


def figure_temperature(example: Example, *, temperature: float, position: int = 12) -> Figure:
    """One next-token distribution at temperature 1 and at ``temperature``; and the ratio one gets by forgetting it."""
    logits = example.logits[0, position].double()
    plain, tempered = logits.softmax(-1), (logits / temperature).softmax(-1)
    top = plain.topk(6).indices
    ratios = (plain / tempered)[top].tolist()
    names = readable(example.tokenizer, top.tolist())
    with style():
        figure = Figure(figsize=(WIDTH, 5.0), layout="constrained")
        above, below = figure.subplots(2, 1)
        places = torch.arange(len(top)).double()
        above.bar(places - 0.21, plain[top], width=0.4, color=DROPPED, edgecolor=MUTED)
        above.bar(places + 0.21, tempered[top], width=0.4, color=BLUE)
        write_above(above, places - 0.21, plain[top].tolist(), colour=MUTED)
        write_above(above, places + 0.21, tempered[top].tolist(), colour=BLUE)
        above.set_xticks(places, names, family="monospace")
        above.set_ylim(0, 1.12)
        above.set_ylabel("probability")
        above.set_title(f"after {example.words[position]!r}  (left, grey: temperature 1; right, blue: {temperature:g})")
        below.bar(
            places,
            [r - 1 for r in ratios],
            bottom=1,
            color=[BLUE if abs(r - 1) < 1e-9 else RED for r in ratios],
            width=0.6,
        )
        below.axhline(1, color=INK, linewidth=1)
        below.set_yscale("log")
        below.set_ylim(min(0.1, *ratios) / 1.5, max(10, *ratios) * 3)
        below.set_xticks(places, names, family="monospace")
        below.set_ylabel("ratio")
        below.set_title("ratio before any update, scored at 1 (should be 1)")
        for x, r in zip(places, ratios, strict=True):
            below.annotate(
                f"{r:.2f}" if r < 1000 else f"{r:,.0f}",
                (x, max(r, 1)),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
            )
        readings = ", ".join(f"{name} {r:.2f}" for name, r in zip(names, ratios, strict=True))
        return describe(figure, f"Sampled at {temperature:g}, scored at 1. Ratio before any update: {readings}")


def write_above(ax: Axes, places: torch.Tensor, values: list[float], *, colour: str) -> None:
    """Each bar's number on top of it: bars too small to be seen still have one."""
    for x, value in zip(places.tolist(), values, strict=True):
        text = f"{value:.2f}" if value >= 0.005 else f"{value:.0e}".replace("e-0", "e-")
        ax.annotate(
            text,
            (x, value),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            color=words_in(colour),
        )

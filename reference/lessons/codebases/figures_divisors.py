"""What one token's loss is divided by in five modes, for two ways to cut the same batch into micro-batches."""

from matplotlib.figure import Figure

from reference.lessons.codebases.divisors import MODES, divisor
from reference.style import BLUE, INK, MUTED, ORANGE, describe, style, words_in

CUTS = (((0, 1), (2, 3)), ((0, 2), (1, 3)))  # which completions share a micro-batch; the token is of the first one
HEIGHT = 0.36  # of a bar


def divisors_of(lengths: list[int], *, budget: int) -> dict[str, tuple[int, int]]:
    """By mode: the divisor of a token of the first of four completions, in each of the two cuts."""
    found = {}
    for mode in MODES:
        one, other = (
            divisor(parts, mode=mode, micro=0, row=0, width=max(parts[0]), budget=budget)
            for parts in ([[lengths[i] for i in part] for part in cut] for cut in CUTS)
        )
        found[mode] = (one, other)
    return found


def figure_divisors(lengths: list[int], *, budget: int = 12) -> Figure:
    """Two bars per mode. Where they differ, the gradient of the token depends on how the batch was cut."""
    found = divisors_of(lengths, budget=budget)
    names = [" | ".join("+".join(str(lengths[i]) for i in part) for part in cut) for cut in CUTS]
    with style():
        figure = Figure(figsize=(9.0, 4.2), layout="constrained")
        ax = figure.subplots()
        for row, pair in enumerate(found.values()):
            for bar, (value, color) in enumerate(zip(pair, (BLUE, ORANGE), strict=True)):
                y = row + (bar - 0.5) * HEIGHT
                ax.barh(y, value, height=HEIGHT * 0.9, color=color)
                ax.text(value, y, f" {value}", va="center", color=INK if pair[0] != pair[1] else MUTED, fontsize=10)
        ax.set_yticks(range(len(found)), found)
        ax.invert_yaxis()
        ax.margins(x=0.1)
        ax.set_xlabel("what the loss of the token is divided by")
        differ = [mode for mode, pair in found.items() if pair[0] != pair[1]]
        ax.set_title(f"{len(differ)} of {len(found)} modes depend on the cut")
        for name, color, place in zip(names, (BLUE, ORANGE), (1.1, 1.02), strict=True):
            ax.text(
                0.99,
                place,
                f"micro-batches {name}",
                color=words_in(color),
                ha="right",
                transform=ax.transAxes,
                fontsize=11,
            )
    told = "; ".join(f"{mode} {one} and {other}" for mode, (one, other) in found.items())
    return describe(
        figure, f"Completions of {', '.join(map(str, lengths))} tokens, cut as {names[0]} and as {names[1]}. {told}."
    )

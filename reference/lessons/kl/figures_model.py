"""The KL on the small model: along one completion, step by step while it trains, and at the end of recorded runs."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.runs.curves import moving_mean
from reference.runs.recorded_runs import Rows, at_the_end
from reference.style import BLUE, GREEN, INK, MUTED, ORANGE, RED, style
from reference.teaching.labels import label_ends, span
from reference.teaching.show import describe

from .experiments import WAYS

COLOURS = {"none": INK, "k1-in-loss": RED, "k2-in-loss": GREEN, "k3-in-loss": BLUE, "k1-in-reward": ORANGE}
NAMES = {"none": "no KL term"} | {way: way.replace("-in-", " in the ") for way in WAYS if way != "none"}


def figure_kl_along(words: list[str], k1: list[float], full: list[float], *, title: str) -> Figure:
    """One completion: at each token the sampled log-ratio (bars) and the KL of the whole distribution (line)."""
    with style():
        figure = Figure(figsize=(10, 3.7), layout="constrained")
        ax = figure.subplots()
        places = range(len(words))
        ax.bar(places, k1, color=[ORANGE if value >= 0 else RED for value in k1], width=0.75)
        ax.plot(places, full, "o-", color=BLUE, markersize=4, linewidth=1.5)
        ax.axhline(0, color=INK, linewidth=1)
        ax.set_xticks(places, words, rotation=90, family="monospace", fontsize=9)
        ax.set_xlim(-0.7, len(words) - 0.3)
        ax.set_ylabel("nats")
        below = sum(value < 0 for value in k1)
        caption = (
            f"bars: k1 of the sampled token, {below} of {len(k1)} below 0, sum {sum(k1):.2f}    "
            f"line: full KL of the next token, none below 0, sum {sum(full):.2f}"
        )
        ax.set_title(f"{title}\n", fontsize=13)
        ax.text(0, 1.03, caption, transform=ax.transAxes, color=MUTED, fontsize=10.5)
        return describe(figure, f"{title}. {caption}")


def figure_two_kls(rows: Rows) -> Figure:
    """approx_kl (new against old, within a step) beside the KL to the reference, over the steps of a run."""
    steps = [int(row["step"]) for row in rows]
    kls = {"approx_kl: new against old": "approx_kl", "KL to the reference (k1)": "kl_k1"}
    with style():
        figure = Figure(figsize=(10, 3.1), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for ax, (title, name), colour in zip(axes, kls.items(), (ORANGE, BLUE), strict=True):
            values = [row[name] for row in rows]
            ax.bar(steps, values, color=colour, width=0.7)
            ax.axhline(0, color=INK, linewidth=0.8)
            ax.set_title(title)
            ax.set_xticks(steps[1::2])
            ax.set_xlabel("step")
            top = max(values)
            ax.annotate(f"at most {top:.4f}", (0.03, 0.9), xycoords="axes fraction", fontsize=11)
        axes[0].set_ylabel("nats per token")
        readings = "; ".join(f"{t}: first {rows[0][n]:.5f}, last {rows[-1][n]:.5f}" for t, n in kls.items())
        return describe(figure, f"Over {len(rows)} steps. {readings}")


def figure_kl_runs(ways: dict[str, list[Rows]]) -> Figure:
    """Recorded runs that differ in how the KL penalty is written: the KL they reach, and the reward. A line per seed."""
    with style():
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for ax, name, title in (
            (left, "kl_k1", "KL to the reference (nats per token)"),
            (right, "reward", "reward of the same runs"),
        ):
            last = draw_runs(ax, ways, name)
            ends = {
                NAMES[way]: sum(at_the_end(run, name, last=10) for run in runs) / len(runs)
                for way, runs in ways.items()
            }
            label_ends(ax, ends, {NAMES[way]: COLOURS[way] for way in ways}, gap=0.075)
            ax.set_xlim(0, 1.5 * last)
            ax.set_xticks(range(0, int(last) + 1, 10))
            ax.set_xlabel("step")
            ax.set_title(title)
        readings = "; ".join(
            f"{NAMES[way]}: KL {span([at_the_end(run, 'kl_k1', last=20) for run in runs], '.4f')}, "
            f"reward {span([at_the_end(run, 'reward', last=20) for run in runs], '.2f')}"
            for way, runs in ways.items()
        )
        return describe(figure, f"Mean of the last 20 steps. {readings}")


def draw_runs(ax: Axes, ways: dict[str, list[Rows]], name: str) -> float:
    """A line per run, smoothed over ten steps. Returns the last step."""
    last = 0.0
    for way, runs in ways.items():
        for run in runs:
            smooth = moving_mean([row[name] for row in run], 10)
            ax.plot([row["step"] for row in run], smooth, color=COLOURS[way], linewidth=1.7,
                    linestyle={"none": ":", "k1-in-reward": "--"}.get(way, "-"))  # fmt: skip
            last = max(last, run[-1]["step"])
    return last

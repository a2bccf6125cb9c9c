"""What micro-batches do to the weight of a token, where a normaliser pushes lengths, and where lengths went in training."""

import itertools

import torch
from matplotlib.figure import Figure
from torch import Tensor

from reference.lessons.masking.figures import as_fraction, draw_row, token_weights
from reference.objectives import aggregate, reinforce_loss
from reference.runs.curves import moving_mean
from reference.runs.recorded_runs import Rows, mean_at
from reference.style import BLUE, GREEN, INK, MUTED, ORANGE, RED, style, words_in
from reference.teaching.show import describe

HOW_WHOLE = "Each micro-batch divides by the count of the whole batch"
LOOK = {"sequence_mean": (BLUE, "-", "o"), "token_mean": (ORANGE, "--", "s"), "fixed_length": (GREEN, ":", "^")}


def split_weights(lengths: list[int], rows: int, *, strategy: str, max_length: int, own: bool) -> Tensor:
    """d loss / d token_loss of a batch in micro-batches of ``rows``, (batch, width), asked from autograd.

    ``own``: each micro-batch divides by its own counts and the results are averaged, as loops of old did. Otherwise each
    divides by the counts of the whole batch, and the results are added up.
    """
    width = max(*lengths, 1)
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    token_loss = torch.ones(len(lengths), width, dtype=torch.float64, requires_grad=True)
    parts = torch.arange(len(lengths)).split(rows)
    kept = int(mask.any(dim=1).sum())
    num_sequences = len(lengths) if strategy == "fixed_length" else kept
    counts = {} if own else {"num_tokens": int(mask.sum()), "num_sequences": num_sequences}
    for part in parts:
        if mask[part].any():
            loss = aggregate(token_loss[part], mask[part], strategy=strategy, max_length=max_length, **counts)
            (loss / len(parts) if own else loss).backward()
    return token_loss.grad


def figure_split(
    lengths: list[int], *, rows: int = 1, strategy: str = "token_mean", own: bool = True, max_length: int = 10
) -> Figure:
    """Left what was asked for, right what the micro-batches make of it; a row of cells per completion."""
    target = token_weights(lengths, strategy=strategy, max_length=max_length)
    got = split_weights(lengths, rows, strategy=strategy, max_length=max_length, own=own)
    off = ((got - target).norm() / target.norm()).item()
    cosine = torch.cosine_similarity(got.flatten(), target.flatten(), dim=0).item()
    with style():
        figure = Figure(figsize=(10, 1.3 + 0.62 * len(lengths)), layout="constrained")
        figure.get_layout_engine().set(wspace=0.08)  # or a share on the left runs into a weight on the right
        readings = []
        heaviest = 1.5 * max(target.max().item(), got.max().item())  # so that the edges of the darkest cells show
        titles = (f"{strategy}, the batch in one piece", f"in micro-batches of {rows}")
        for ax, weights, title in zip(figure.subplots(1, 2), (target, got), titles, strict=True):
            for row, length in enumerate(lengths):
                draw_row(ax, row, length, weights[row].max().item() if length else 0.0, heaviest, max_length)
            for cut in range(rows, len(lengths), rows) if weights is got else ():
                ax.plot([-2.2, max_length], [cut - 0.06] * 2, color=RED, linewidth=1.5, linestyle="--")
            shares = ", ".join(as_fraction(w.max().item()) for w in weights)
            readings.append(f"{title}: {shares} per token")
            ax.set_title(title, fontsize=12)
            ax.set_xlim(-2.2, max_length + 0.1)
            ax.set_ylim(len(lengths) + 0.05, -0.1)
            ax.axis("off")
        direction = ", in the same direction" if cosine > 1 - 1e-9 else ""
        verdict = "right" if off < 1e-9 else f"{off:.0%} off{direction}"
        how = "Each micro-batch divides by its own count, then the mean is taken" if own else HOW_WHOLE
        figure.suptitle(f"{how}. The weights are {verdict}.", fontsize=12, color=words_in(RED) if off > 1e-9 else INK)
        return describe(
            figure, f"Weights of rows of {lengths}. {'; '.join(readings)}. {how}. The weights are {verdict}"
        )


def rambler(longest: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """A policy that only chooses when to stop: its logits of going on (all 0), its log-probs, and the mask.

    One row for each length from 1 to ``longest``, where it must stop.
    """
    go_on = torch.zeros(longest - 1, dtype=torch.float64, requires_grad=True)
    stay, stop = torch.nn.functional.logsigmoid(go_on), torch.nn.functional.logsigmoid(-go_on)
    forced = go_on.new_zeros(1)
    rows = []
    for length in range(1, longest + 1):
        end = stop[length - 1 : length] if length < longest else forced
        rows.append(torch.cat([stay[: length - 1], end, forced.expand(longest - length)]))
    return go_on, torch.stack(rows), torch.arange(longest) < torch.arange(1, longest + 1)[:, None]


def length_push(strategy: str, rows: int, advantage: float, *, longest: int = 6) -> float:
    """How the expected length of the ``rambler`` changes per unit of a gradient step. Exact: every batch is enumerated.

    Every completion has the same advantage, so there is nothing to learn. ``rows``: completions that share a denominator.
    """
    go_on, logp, mask = rambler(longest)
    lengths = mask.sum(dim=1).double()
    chance = logp.sum(dim=1).exp()
    (longer,) = torch.autograd.grad((chance * lengths).sum(), go_on, retain_graph=True)
    token_loss = reinforce_loss(logp, torch.full((longest, 1), advantage, dtype=torch.float64))
    batches = torch.tensor(list(itertools.product(range(longest), repeat=rows)))
    weights = chance.detach()[batches].prod(dim=1)
    sums = torch.where(mask, token_loss, 0.0).sum(dim=1)  # aggregate, for all batches at once: held to it by a test
    if strategy == "sequence_mean":
        losses = (sums / lengths)[batches].mean(dim=1)
    elif strategy == "token_mean":
        losses = sums[batches].sum(dim=1) / lengths[batches].sum(dim=1)
    else:
        losses = sums[batches].sum(dim=1) / (rows * longest)
    (uphill,) = torch.autograd.grad((weights * losses).sum(), go_on)
    return -(uphill @ longer).item()


def figure_length_push(most: int = 6) -> Figure:
    """The push on length under each strategy, against the number of completions that share a denominator."""
    with style():
        figure = Figure(figsize=(9, 4), layout="constrained")
        ax = figure.subplots()
        sizes = range(1, most + 1)
        readings = []
        for strategy, (colour, line, marker) in LOOK.items():
            for advantage in (-1.0, 1.0):
                push = [round(length_push(strategy, rows, advantage), 6) + 0.0 for rows in sizes]
                ax.plot(sizes, push, color=colour, linestyle=line, marker=marker)
                readings.append(f"{strategy}, all {advantage:+.0f}: {push[0]:+.3f} to {push[-1]:+.3f}")
            ax.text(most + 0.15, push[-1] * -1, strategy, color=INK, va="center", fontsize=11)
        ax.text(2.6, 0.066, "every completion wrong: longer", color=MUTED, fontsize=11)
        ax.text(2.6, -0.066, "every completion right: shorter", color=MUTED, fontsize=11, va="top")
        ax.plot([0.8, most], [0, 0], color=MUTED, linewidth=0.8, zorder=0)
        ax.set_xlim(0.8, most + 1.6)
        ax.set_xticks(sizes)
        ax.set_xlabel("completions that share a denominator")
        ax.set_ylabel("change of the mean length")
        ax.set_title("Nothing to learn, and still a push on length")
        return describe(figure, f"Tokens per unit of step, for 1 to {most} completions. " + "; ".join(readings))


def figure_lengths(found: dict[str, list[Rows]], *, window: int = 5, until: int = 30) -> Figure:
    """A panel for right answers and one for wrong ones: mean length over the first steps, a line per strategy.

    The band is what its runs span.
    """
    with style():
        figure = Figure(figsize=(10, 4), layout="constrained")
        readings = []
        panels = (("length_right", "right answers"), ("length_wrong", "wrong answers"))
        for ax, (name, whose) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
            early = {}
            for strategy, logs in found.items():
                steps, lines = smooth(logs, name, window, until)
                colour, line, _ = LOOK[strategy]
                ax.plot(steps, [sum(of) / len(of) for of in lines], color=colour, linestyle=line, label=strategy)
                ax.fill_between(steps, [min(of) for of in lines], [max(of) for of in lines], color=colour, alpha=0.15)
                early[strategy] = mean_at(logs, name, slice(10))
                late = mean_at(logs, name, slice(-20, None))
                readings.append(f"{whose}, {strategy}: {early[strategy]:.1f} to {late:.1f}")
            ax.axvspan(1, 10, color=MUTED, alpha=0.12, linewidth=0)
            ahead = early.get("sequence_mean", 0.0) - max(v for s, v in early.items() if s != "sequence_mean")
            text = f"steps 1 to 10:\nsequence_mean {ahead:+.1f} tokens"
            ax.annotate(text, (0.36, 0.05), xycoords="axes fraction", color=INK, fontsize=11)
            ax.set_xlim(1, until)
            ax.set_title(whose)
            ax.set_xlabel("step")
        figure.axes[0].legend(loc="upper right", frameon=False, fontsize=11)
        figure.axes[0].set_ylabel("tokens per completion")
        return describe(figure, "Mean over the first 10 and the last 20 steps. " + "; ".join(readings))


def smooth(logs: list[Rows], name: str, window: int, until: int) -> tuple[list[int], list[tuple[float, ...]]]:
    """The steps up to ``until``, and for each what every run says there, as a moving mean over ``window`` steps."""
    values = []
    for log in logs:
        rows = [row for row in log if name in row]  # a step without a wrong answer has no length of wrong answers
        means = moving_mean([row[name] for row in rows], window)
        values.append(dict(zip([row["step"] for row in rows], means, strict=True)))
    steps = sorted(step for step in set.intersection(*map(set, values)) if step <= until)
    return steps, [tuple(of[step] for of in values) for step in steps]

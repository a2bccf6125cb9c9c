"""What k1, k2 and k3 do on three words: their mean and spread, their slope, and where following them leads. All exact."""

from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from reference.objectives import kl_k1, kl_k2, kl_k3, kl_penalty
from reference.style import BLUE, DROPPED, GREEN, INK, MUTED, ORANGE, RED, SKY, style, words_in
from reference.teaching.labels import label_ends
from reference.teaching.show import describe

ESTIMATORS = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}
COLOURS = {"k1": RED, "k2": GREEN, "k3": BLUE}
WORDS = ("A", "B", "C")
REFERENCE = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()


def shifted(shift: float) -> Tensor:
    """The reference with the logit of C moved: log-probs (3,)."""
    return (REFERENCE + torch.tensor([0.0, 0.0, shift])).log_softmax(-1)


def batches(logp: Tensor, samples: int) -> tuple[Tensor, Tensor]:
    """Every way in which ``samples`` tokens can fall on three words: counts (ways, 3) and the probability of each."""
    counts = torch.tensor([[a, b, samples - a - b] for a in range(samples + 1) for b in range(samples + 1 - a)])
    ways = torch.lgamma(torch.tensor(samples + 1.0)) - torch.lgamma(counts + 1.0).sum(dim=1)
    return counts.double(), (ways + (counts * logp).sum(dim=1)).exp()


def batch_means(shift: float, samples: int) -> dict[str, tuple[Tensor, Tensor]]:
    """For each estimator the values that the mean of ``samples`` tokens can take, sorted, and their probabilities."""
    logp = shifted(shift)
    counts, chance = batches(logp, samples)
    found = {}
    for name, estimator in ESTIMATORS.items():
        means = counts @ estimator(logp[None], REFERENCE[None])[0] / samples
        order = means.argsort()
        found[name] = means[order], chance[order]
    return found


def figure_kl_batches(*, shift: float, samples: int) -> Figure:
    """Policy and reference, and what k1, k2 and k3 say of their KL in batches of ``samples`` tokens from the policy.

    Bars hold nine batches in ten, dots are the exact mean; nothing is sampled.
    """
    logp = shifted(shift)
    exact = (logp.exp() * (logp - REFERENCE)).sum().item()
    readings = [f"KL {exact:.4f}"]
    with style():
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 2.1])
        draw_pair(left, logp)
        for row, (name, (values, chance)) in enumerate(batch_means(shift, samples).items()):
            mean = (values * chance).sum().item()
            std = (chance * (values - mean) ** 2).sum().sqrt().item()
            low, high = (values[(chance.cumsum(0) < share).sum().clamp_max(len(values) - 1)].item()
                         for share in (0.05, 0.95))  # fmt: skip
            negative = chance[values < -1e-12].sum().item()
            right.plot([low, high], [row, row], color=COLOURS[name], linewidth=4, solid_capstyle="butt")
            right.plot(mean, row, "o", color=COLOURS[name], markersize=11, markeredgecolor="white", zorder=3)
            words = f"{name}:  mean {mean:.3f},  std {std:.3f},  below 0 in {negative:.0%}"
            right.text(0.01, row - 0.27, words, transform=right.get_yaxis_transform(), va="center", fontsize=11,
                       bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
            readings.append(f"{name} mean {mean:.4f}, std {std:.4f}, negative in {negative:.0%} of batches")
        right.axvline(exact, color=INK, linewidth=1.3, zorder=0)
        right.axvline(0, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
        right.set_ylim(2.45, -0.6)
        right.set_yticks([])
        right.spines["left"].set_visible(False)
        right.set_xlabel(f"mean over {samples} sampled tokens (bar: 9 batches in 10; line: the KL)")
        right.set_title(f"KL(policy ‖ reference) = {exact:.3f} nats")
        return describe(figure, f"Batches of {samples} tokens. " + "; ".join(readings))


def draw_pair(ax: Axes, logp: Tensor) -> None:
    """The two distributions side by side."""
    places = torch.arange(3).double()
    for offset, colour, values, name in (
        (-0.2, DROPPED, REFERENCE.exp(), "reference"),
        (0.2, ORANGE, logp.exp(), "policy"),
    ):
        ax.bar(places + offset, values, width=0.38, color=colour, edgecolor=MUTED, linewidth=0.5, label=name)
        for x, value in zip(places + offset, values, strict=True):
            ax.text(x, value + 0.02, f"{value:.2f}", ha="center", fontsize=9.5, color=MUTED)
    ax.set_xticks(places, WORDS)
    ax.set_ylim(0, 1.22)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.legend(frameon=False, fontsize=10.5, loc="upper center", ncols=2, handlelength=1, columnspacing=1)


def value_and_slope(name: str, d: Tensor, *, clamped: bool) -> tuple[Tensor, Tensor]:
    """An estimator at log-ratios d, and its derivative: the weight that the token's grad(logp) gets in a loss."""
    d = d.clone().requires_grad_()
    value = kl_penalty(d[None], torch.zeros_like(d)[None], estimator=name, max_kl=10.0 if clamped else None)[0]
    return value.detach(), torch.autograd.grad(value.sum(), d)[0]


def figure_kl_curves(*, log_ratio: float, clamped: bool = False) -> Figure:
    """k1, k2 and k3 over the log-ratio d of one token: left the value that is logged, right the slope that trains."""
    grid = torch.linspace(-4, 4, 401, dtype=torch.float64)
    here = torch.tensor([log_ratio], dtype=torch.float64)
    readings = []
    with style():
        figure = Figure(figsize=(10, 3.9), layout="constrained")
        axes = figure.subplots(1, 2)
        for name, colour in COLOURS.items():
            at = [x.item() for x in value_and_slope(name, here, clamped=clamped)]
            for ax, y, point in zip(axes, value_and_slope(name, grid, clamped=clamped), at, strict=True):
                ax.plot(grid, y, color=colour, linestyle={"k1": "-", "k2": "--", "k3": "-"}[name])
                ax.plot(log_ratio, point, "o", color=colour, markersize=8, markeredgecolor="white", zorder=4)
            readings.append(f"{name}: value {at[0]:.2f}, slope {at[1]:.2f}")
        for ax, title, places, limits in (
            (axes[0], "value", {"k1": (-3.7, -2.6), "k2": (3.0, 6.4), "k3": (-2.4, 10.0)}, (-4.5, 17.5)),
            (axes[1], "slope = weight of ∇log π in the loss", {"k1": (-3.9, 2.0), "k2": (2.6, 4.1), "k3": (-1.9, -11)},
             (-21, 6)),
        ):  # fmt: skip
            ax.axhline(0, color=MUTED, linewidth=0.8)
            ax.axvline(log_ratio, color=MUTED, linewidth=1, linestyle=":")
            for name, (x, y) in places.items():
                ax.text(x, y, name, color=words_in(COLOURS[name]), fontweight="bold")
            ax.set_ylim(*limits)
            ax.set_xlabel("d = log(policy / reference) of the sampled token")
            ax.set_title(title)
        figure.suptitle(f"at d = {log_ratio:g}   " + "     ".join(readings), fontsize=11, x=0.01, ha="left")
        clamp = ", clamped at 10" if clamped else ""
        return describe(figure, f"Log-ratio {log_ratio:g}{clamp}. " + "; ".join(readings))


# ---- following nothing but the KL term -------------------------------------------------------------------------------

AWAY = torch.tensor([1.5, 0.3, -2.0], dtype=torch.float64)  # where the policy starts: it has nearly forgotten C
WAYS: dict[str, tuple[Callable, str, str]] = {
    "k1 in the loss": (kl_k1, "loss", RED),
    "k2 in the loss": (kl_k2, "loss", GREEN),
    "k3 in the loss": (kl_k3, "loss", BLUE),
    "k1 in the reward": (kl_k1, "reward", ORANGE),
    "k3 in the reward": (kl_k3, "reward", SKY),
}


def follow(way: str, *, samples: int, steps: int = 40, lr: float = 1.0, seed: int = 0) -> list[float]:
    """The KL to the reference along ``steps`` of gradient descent on nothing but this term; 0 samples: all of them."""
    estimator, place, _ = WAYS[way]
    generator = torch.Generator().manual_seed(seed)
    logits, path = AWAY.clone(), []
    for _ in range(steps + 1):
        logits.requires_grad_()
        logp = logits.log_softmax(-1)
        path.append((logp.exp() * (logp - REFERENCE)).sum().item())
        weight = logp.exp().detach()
        if samples:
            drawn = torch.multinomial(weight, samples, replacement=True, generator=generator)
            weight = torch.bincount(drawn, minlength=3) / samples
        k = estimator(logp[None], REFERENCE[None])[0]
        term = weight * k if place == "loss" else weight * k.detach() * logp
        logits = (logits - lr * torch.autograd.grad(term.sum(), logits)[0]).detach()
    return path


def figure_kl_follow(*, samples: int, seed: int = 0) -> Figure:
    """Start away from the reference and follow the KL term alone: does the KL fall?"""
    paths = {way: follow(way, samples=samples, seed=seed) for way in WAYS}
    with style():
        figure = Figure(figsize=(10, 3.9), layout="constrained")
        ax = figure.subplots()
        for way, path in paths.items():
            ax.plot(path, color=WAYS[way][2], linestyle="--" if "reward" in way else "-")
        ax.set_xlim(0, 52)
        ax.set_xticks(range(0, 41, 10))
        ax.set_ylim(0, max(map(max, paths.values())) * 1.1)
        label_ends(ax, {way: path[-1] for way, path in paths.items()}, {way: WAYS[way][2] for way in WAYS})
        ax.set_xlabel("steps of gradient descent on the KL term alone")
        ax.set_ylabel("true KL (nats)")
        ax.set_title("exact expected gradient" if not samples else f"gradient from {samples} sampled tokens a step")
        readings = "; ".join(f"{way}: {path[0]:.2f} to {path[-1]:.2f}" for way, path in paths.items())
        return describe(figure, f"True KL, following the KL term alone ({samples or 'all'} samples a step). {readings}")

"""The widgets on over-optimisation: one steering term at one strength, and the best of n."""

import math
from collections.abc import Collection

import ipywidgets as widgets
from matplotlib.figure import Figure

from reference.objectives.shapes import InputError
from reference.teaching import controls
from reference.teaching.controls import LABEL, WIDE, choice

from .experiments import TERMS
from .figures import figure_best_of_n
from .figures_steering import figure_steered
from .recorded import recorded_choices
from .steering import plain_curves, steered_curves

COEFS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def nearest(coef: float, recorded: Collection[str]) -> str:
    """Of the recorded coefficients the one whose ratio to ``coef`` is nearest to 1."""
    return min(recorded, key=lambda words: abs(math.log(float(words) / coef)))


def kinds_recorded() -> dict[str, tuple[str, ...]]:
    """What can be chosen -> its group, and the words of its one kind if it has no coefficient."""
    found: dict[str, tuple[str, ...]] = {}
    for group, kinds in steered_curves().items():
        if group in TERMS:
            found[group] = (group,)
        else:
            found |= {f"{group}: {words}" if words else group: (group, words) for words in kinds}
    return found


def steer() -> None:
    """What does a steering term cost in proxy, and what does it save in gold, at which coefficient?

    The coefficient moves freely. What is shown is the recorded run with the nearest one, and never something between two
    runs. In grey: the runs without a term. Raises ``InputError`` where no steered run is recorded.
    """
    kinds = kinds_recorded()
    if not kinds:
        raise InputError("no steered run is recorded: python -m reference record steer-kl-loss-0.1 makes some")
    controls.interact(
        lambda term, coef: steered_picture(kinds[term], coef),
        term=choice("term", list(kinds)),
        coef=widgets.SelectionSlider(
            options=[(f"{c:g}", c) for c in COEFS], value=0.1, description="coefficient", layout=WIDE, style=LABEL
        ),
    )


def steered_picture(kind: tuple[str, ...], coef: float) -> Figure:
    """The picture of the recorded run that is nearest, and in words which one it is."""
    group, *only = kind
    curves = steered_curves([group])[group]
    shown = only[0] if only else nearest(coef, curves)
    if only:
        words = "This one has no coefficient."
    elif f"{coef:g}" == shown:
        words = f"The coefficient {shown} is recorded."
    else:
        words = f"The coefficient {coef:g} is not recorded. The nearest that is recorded is {shown}."
    plain = plain_curves({group: {shown: curves[shown]}})
    return figure_steered(plain, curves[shown], name=f"{group} {shown}".strip(), words=words)


def best_of() -> None:
    """How large may n be before the best of n by the proxy is no longer the best by gold?

    Raises ``InputError`` where no best of n is recorded.
    """
    rows = recorded_choices()
    if not rows:
        raise InputError("no best of n is recorded: python -m reference best-of-n RUN --out FILE makes one")
    ns = [row.n for row in next(iter(next(iter(rows.values())).values()))]
    controls.interact(
        lambda n: figure_best_of_n(rows, n=n),
        n=widgets.SelectionSlider(options=ns, value=ns[len(ns) // 2], description="n", layout=WIDE, style=LABEL),
    )


WIDGETS = {"steer": steer, "best_of": best_of}

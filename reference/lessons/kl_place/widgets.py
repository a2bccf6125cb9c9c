"""The widgets on the place of the KL."""

from reference.teaching import controls
from reference.teaching.controls import choice, slider

from .figures import figure_credit, figure_kl_group


def kl_group() -> None:
    """KL in the reward of a group of four: how many are right, the coefficient, and what the group is divided by."""
    controls.interact(
        lambda num_right, exponent, scale: figure_kl_group(num_right, kl_coef=10.0**exponent, scale=scale),
        num_right=slider("right answers", 4, 0, 4),
        exponent=slider("log10 kl_coef", -2, -3, 0),
        scale=choice("divided by", [("the group's std", "group"), ("nothing", "none")]),
    )


def credit() -> None:
    """Where along a completion does it drift? The KL of four tokens, in tenths of a nat, and who pays for it."""
    tokens = {f"token_{t}": slider(f"token {t}, 0.1 nats", value, -5, 10) for t, value in enumerate((2, 10, -3, 5))}
    controls.interact(lambda **nats: figure_credit([value / 10 for value in nats.values()]), **tokens)


WIDGETS = {"kl_group": kl_group, "credit": credit}

"""The widgets on the place of the KL."""

from reference.teaching import controls
from reference.teaching.controls import choice, dial, slider

from .figures import figure_credit, figure_kl_group


def kl_group() -> None:
    """KL in the reward of a group of four: how many are right, the coefficient, and what the group is divided by."""
    controls.interact(
        lambda num_right, kl_coef, scale: figure_kl_group(num_right, kl_coef=kl_coef, scale=scale),
        num_right=slider("right answers", 4, 0, 4),
        kl_coef=choice("kl_coef", [0.01, 0.001, 0.1, 1.0]),
        scale=choice("divided by", [("the group's std", "group"), ("nothing", "none")]),
    )


def credit() -> None:
    """Where along a completion does it drift? The KL of four tokens, in nats, and who pays for it."""
    values = (0.2, 1.0, -0.3, 0.5)
    tokens = {f"token_{t}": dial(f"token {t}, nats", value, -0.5, 1.0, 0.1) for t, value in enumerate(values)}
    controls.interact(lambda **nats: figure_credit([round(value, 1) for value in nats.values()]), **tokens)


WIDGETS = {"kl_group": kl_group, "credit": credit}

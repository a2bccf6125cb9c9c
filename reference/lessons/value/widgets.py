"""The widgets on what the value head fits."""

from reference.teaching import controls
from reference.teaching.controls import dial, slider

from .figures import figure_lambda, figure_value_clip, figure_values


def values(p: float = 0.7) -> None:
    """Move the chance of a good token, and how many bad ones are forgiven, and watch every V follow."""
    controls.interact(
        lambda p, slips: figure_values(p, slips=slips),
        p=dial("chance of good", p, 0.05, 0.95, 0.05, live=False),
        slips=slider("bad tokens allowed", 1, 0, 2),
    )


def lambda_dial(learned: float = 0.6, batch: int = 64) -> None:
    """How good is the critic, how many texts are in the batch: which λ gives the best gradient?"""
    controls.interact(
        lambda learned, batch: figure_lambda(learned=learned, batch=2**batch),
        learned=dial("critic says, of V", learned, 0.0, 1.0, 0.1, live=False),
        batch=slider("texts, 2 to the", batch.bit_length() - 1, 3, 12),
    )


def value_clip(target: float = 1.0, old: float = 0.0, clip: float = 0.2) -> None:
    """Move the old value, the return and the clip: where does the critic get no gradient?"""
    controls.interact(
        lambda target, old, clip: figure_value_clip(target=target, old=old, clip=clip),
        target=dial("return", target, -1.0, 2.0, 0.1, live=False),
        old=dial("old value", old, -1.0, 2.0, 0.1, live=False),
        clip=dial("clip", clip, 0.1, 1.0, 0.1, live=False),
    )


WIDGETS = {"values": values, "lambda_dial": lambda_dial, "value_clip": value_clip}

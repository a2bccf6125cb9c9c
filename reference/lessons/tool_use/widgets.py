"""The widgets on tool use."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from reference.teaching import controls
from reference.teaching.controls import choice, dial

from .figures import Score, figure_keep, figure_trajectory
from .spans import chats, spans_of


def trajectory(tokenizer: PreTrainedTokenizerBase) -> None:
    """Who writes which part of a trajectory, and which parts the mask keeps: four trajectories to choose from."""
    controls.interact(
        lambda name: figure_trajectory(spans_of(tokenizer, chats()[name]), title=name),
        name=choice("trajectory", list(chats())),
    )


def keep(scores: Sequence[Score], threshold: float = 0.5) -> None:
    """Which self-labelled calls are kept: the threshold in nats, against what the calls are worth."""
    controls.interact(
        lambda threshold: figure_keep(scores, threshold=threshold),
        threshold=dial("threshold, nats", threshold, 0.0, 2.0, 0.25),
    )


WIDGETS = {"trajectory": trajectory, "keep": keep}

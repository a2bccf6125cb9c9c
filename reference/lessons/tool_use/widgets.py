"""The widgets on tool use."""

from collections.abc import Callable

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from reference.objectives import tool_mask
from reference.teaching import controls
from reference.teaching.controls import choice, dial

from .figures import figure_keep, figure_trajectory
from .scores import shipped_scores
from .spans import chats, spans_of


def trajectory(tokenizer: PreTrainedTokenizerBase, mask_of: Callable[..., Tensor] = tool_mask) -> None:
    """Who writes which part of a trajectory, and which parts the mask keeps: four trajectories to choose from.

    ``mask_of``: a ``tool_mask`` of your own.
    """
    controls.interact(
        lambda name: figure_trajectory(spans_of(tokenizer, chats()[name], mask_of), title=name),
        name=choice("trajectory", list(chats())),
    )


def keep() -> None:
    """Which self-labelled calls are kept: the threshold in nats, and what text the losses are of."""
    scores = shipped_scores()
    controls.interact(
        lambda how, threshold: figure_keep(scores[how], threshold=threshold),
        how=choice("losses", list(scores)),
        threshold=dial("threshold, nats", 1.0, 0.0, 5.0, 0.5),
    )


WIDGETS = {"trajectory": trajectory, "keep": keep}

"""Widgets of notebook 01."""

import torch

from reference.teaching import controls
from reference.teaching.controls import dial, slider

from ..example import Example
from ..figures import figure_padding, figure_temperature, figure_walk


def walk(example: Example, position: int = 12) -> None:
    """Walk through the chat: which logit row scores which token, and does the mask keep it?"""
    last = example.tokens.shape[1] - 2
    controls.interact(
        lambda position: figure_walk(example, position=position), position=slider("position t", position, 0, last)
    )


def temperature(example: Example, start: float = 0.5) -> None:
    """Sample at one temperature, score at 1: what the ratio is before anything was learned."""
    control = dial("temperature", start, 0.3, 2.0, 0.1)
    controls.interact(lambda temperature: figure_temperature(example, temperature=temperature), temperature=control)


def padding(models: dict[str, torch.nn.Module], tokens: torch.Tensor, pads: int = 3) -> None:
    """Pad a row on the left and compare its log-probs with those of the bare row."""
    controls.interact(
        lambda pads: figure_padding(models, tokens, pads=pads), pads=slider("pads on the left", pads, 0, 12)
    )

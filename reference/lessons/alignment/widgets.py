"""The widgets on log-probs and alignment."""

from reference.teaching import controls
from reference.teaching.controls import dial, slider
from reference.teaching.example import Example

from .figures import figure_temperature, figure_walk


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


WIDGETS = {"walk": walk, "temperature": temperature}

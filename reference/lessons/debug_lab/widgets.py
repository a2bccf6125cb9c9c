"""The widgets of the debug lab: the six scalars step by step, and the game."""

from IPython.display import display
from matplotlib.figure import Figure

from reference.teaching import controls
from reference.teaching.controls import choice, slider
from reference.teaching.show import view_of

from .figures import figure_up_to
from .game import debug_game
from .game_panel import build
from .recorded import HEALTHY, logs_of, panels_of, recipe_of, recorded_faults


def six_scalars(step: int = 10) -> None:
    """The scalars of one recorded run of each fault up to a step, beside a healthy run of the same recipe."""
    faults = recorded_faults()
    last = max(len(logs_of(name, recipe_of(name))[0]) for name in faults)

    def draw(fault: str, step: int) -> Figure:
        recipe = recipe_of(fault)
        rows, healthy = logs_of(fault, recipe)[0], logs_of(HEALTHY, recipe)[-1]
        panels = panels_of(recipe)
        return figure_up_to(rows, healthy, panels, step=min(step, len(rows)), title=f"{recipe}, {fault}")

    controls.interact(draw, fault=choice("fault", faults), step=slider("step", step, 1, last))


def find_the_fault(seed: int = 0, *, rounds: int = 10) -> None:
    """The game with its ten rounds. Where widgets are not run, the first round as text."""
    game = debug_game(seed, rounds=rounds)
    if controls.STATIC:
        game.show()
        return
    panel = build(game)
    display({**view_of(panel), "text/plain": game.page()}, raw=True)


WIDGETS = {"six_scalars": six_scalars, "find_the_fault": find_the_fault}

"""The widgets on GRPO's advantages."""

import ipywidgets as widgets
from matplotlib.figure import Figure

from reference.teaching import controls
from reference.teaching.controls import slider

from .figures import OTHER_GROUPS, figure_difficulty, figure_group, figure_successes

NARROW = widgets.Layout(width="8em")


def group(right: tuple[int, ...] = (3,), group_size: int = 8) -> None:
    """Tick which completions of a group are right, and see what each normalisation makes of it."""
    boxes = {
        f"completion_{i}": widgets.Checkbox(value=i in right, description=f"{i} is right", indent=False, layout=NARROW)
        for i in range(1, group_size + 1)
    }

    def draw(others_right: int, **ticked: bool) -> Figure:
        return figure_group([float(value) for value in ticked.values()], others_right=others_right)

    rest = OTHER_GROUPS * group_size
    controls.interact(draw, others_right=slider("others right", rest // 2, 0, rest), **boxes)


def successes(group_size: int = 8) -> None:
    """Change the size of the group: how large is the advantage of a rare success?"""
    controls.interact(figure_successes, group_size=slider("group size G", group_size, 2, 32))


def difficulty(group_size: int = 8) -> None:
    """Change the size of the group: which prompts does division by the std favour, and by how much?"""
    controls.interact(figure_difficulty, group_size=slider("group size G", group_size, 2, 64))


WIDGETS = {"group": group, "successes": successes, "difficulty": difficulty}

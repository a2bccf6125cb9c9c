"""The picture of the lesson: four configs, eight columns, and who decided each."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reference.frameworks.defaults import spelled
from reference.lessons.codebases.recipes_of import COLUMNS, CONFIGS, explained, recipe_of_config
from reference.lessons.codebases.silent import silent_columns
from reference.style import BLUE, FAINT, INK, ORANGE, PAPER, describe, style

WIDTH, ROW = 9.4, 0.42


def figure_choices() -> Figure:
    """A row for each column of a recipe, a column for each config. A hatched cell is left to a silent default."""
    silent = {name: silent_columns(name) for name in CONFIGS}
    answers = {name: recipe_of_config(name) for name in CONFIGS}
    with style():
        figure = Figure(figsize=(WIDTH, 1.5 + ROW * len(COLUMNS)), layout="constrained")
        ax = figure.subplots()
        for x, name in enumerate(CONFIGS):
            for y, column in enumerate(COLUMNS):
                draw_cell(ax, x, y, spelled(answers[name][column]), silent=column in silent[name])
        ax.set_xlim(0, len(CONFIGS))
        ax.set_ylim(len(COLUMNS), 0)
        ax.set_xticks([x + 0.5 for x in range(len(CONFIGS))], [explained(name).framework.title for name in CONFIGS])
        ax.set_yticks([y + 0.5 for y in range(len(COLUMNS))], COLUMNS)
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        count = sum(map(len, silent.values()))
        ax.set_title(f"{count} of {len(CONFIGS) * len(COLUMNS)} answers depend on a silent default (hatched)")
        return describe(figure, in_words(answers, silent))


def draw_cell(ax: Axes, x: int, y: int, text: str, *, silent: bool) -> None:
    face, edge, hatch = (FAINT, ORANGE, "///") if silent else (PAPER, BLUE, "")
    ax.add_patch(
        Rectangle((x + 0.03, y + 0.06), 0.94, 0.88, facecolor=face, edgecolor=edge, hatch=hatch, linewidth=1.2)
    )
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
    ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=INK, fontsize=11, bbox=box)


def in_words(answers: dict[str, dict[str, object]], silent: dict[str, list[str]]) -> str:
    parts = []
    for name, columns in answers.items():
        cells = [
            f"{column} {spelled(value)}{' (silent)' if column in silent[name] else ''}"
            for column, value in columns.items()
        ]
        parts.append(f"{explained(name).framework.title}: {', '.join(cells)}")
    return f"Eight answers for each of four configs. {'. '.join(parts)}."

"""The game as a widget: a picture and a table of the run, a list of names, and three buttons."""

import html

import ipywidgets as widgets

from reference.teaching.show import as_html

from .figures import figure_up_to
from .game import Game, Round
from .recorded import panels_of


def picture_of(now: Round, game: Game) -> str:
    """The scalars of the whole run beside a healthy one, as a picture with its description."""
    rows, healthy = now.rows(folder=game.folder), now.healthy(folder=game.folder)
    panels = panels_of(now.recipe)
    return as_html(figure_up_to(rows, healthy, panels, step=len(rows), title=f"a run of {now.recipe}"))


def page_html(game: Game) -> str:
    picture = picture_of(game.round, game) if game.round else ""
    return f"{picture}<pre>{html.escape(game.page())}</pre>"


def build(game: Game) -> widgets.VBox:
    """Tab goes from the list to the buttons; what was told is a status that screen readers say."""
    page, told, batch = (widgets.HTML() for _ in range(3))
    names = widgets.Dropdown(description="It is", options=[])
    guess = widgets.Button(description="guess", tooltip="end the round with the chosen name")
    look = widgets.Button(description="show a batch", tooltip="a batch of a short run with the same fault")
    following = widgets.Button(description="next round", tooltip="go on to the next run")

    def begin(_: object = None) -> None:
        page.value, told.value, batch.value = page_html(game), "", ""
        names.options = game.round.choices if game.round else ()
        over = game.round is None
        guess.disabled, look.disabled, following.disabled, names.disabled = over, over, True, over

    def end(_: object) -> None:
        lines = html.escape(game.told(names.value)).replace("\n", "<br>")
        told.value = f'<div role="status">{lines}</div>'
        guess.disabled, look.disabled, following.disabled = True, True, False

    def show_batch(_: object) -> None:
        batch.value = f"<pre style='white-space: pre-wrap'>{html.escape(game.batch_page())}</pre>"

    guess.on_click(end)
    look.on_click(show_batch)
    following.on_click(begin)
    begin()
    return widgets.VBox([page, widgets.HBox([names, guess, look, following]), told, batch])

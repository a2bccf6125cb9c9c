"""The game as a widget: a picture and a table of the run, a list of names, and two buttons."""

import html

import ipywidgets as widgets

from reference.teaching.show import as_html
from reference.teaching.spoken import panel, spoken, unseen

from .figures import figure_up_to
from .game import Game, Round
from .recorded import panels_of

GUESS, NEXT = "guess", "next round"


def picture_of(now: Round, game: Game) -> str:
    """The scalars of the whole run beside a healthy one, as a picture with its description."""
    rows, healthy = now.rows(folder=game.folder), now.healthy(folder=game.folder)
    panels = panels_of(now.recipe)
    return as_html(figure_up_to(rows, healthy, panels, step=len(rows), title=f"a run of {now.recipe}"))


def page_html(game: Game) -> str:
    picture = picture_of(game.round, game) if game.round else ""
    return f"{picture}{preformatted(game.page())}"


def preformatted(text: str) -> str:
    """Text with its line breaks. Lines that are too long for the page are broken, so nothing has to be scrolled."""
    return f"<pre style='white-space: pre-wrap'>{html.escape(text)}</pre>"


def build(game: Game) -> widgets.VBox:
    """Tab goes from the list to the buttons; what a button did is said by screen readers.

    The button that ends a round also begins the next one: a button that is switched off loses the focus of the keyboard.
    """
    page, batch, told, news = widgets.HTML(), widgets.HTML(), spoken(), unseen()
    names = widgets.Dropdown(description="It is", options=[])
    guess = widgets.Button(description=GUESS)
    look = widgets.Button(description="show a batch", tooltip="a batch of a short run with the same fault")

    def begin() -> None:
        page.value, told.value, batch.value = page_html(game), "", ""
        news.value = html.escape(game.page().partition("\n")[0])
        names.options = game.round.choices if game.round else ()
        guess.description, guess.tooltip = GUESS, "end the round with the chosen name"
        names.disabled = look.disabled = game.round is None

    def go_on(_: object) -> None:
        if guess.description == NEXT:
            begin()
        elif names.value is None and game.round:
            told.value = "Choose a name first."
        elif game.round:
            told.value = html.escape(game.told(names.value)).replace("\n", "<br>")
            guess.description, guess.tooltip = NEXT, "go on to the next run"
            look.disabled = True

    def show_batch(_: object) -> None:
        batch.value = preformatted(game.batch_page())
        news.value = "The batch is shown below the buttons."

    guess.on_click(go_on)
    look.on_click(show_batch)
    begin()
    news.value = ""  # nothing has changed yet
    return panel([page, widgets.HBox([names, guess, look]), told, batch, news])

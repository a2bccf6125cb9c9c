"""The notebooks in a real JupyterLab, in a real browser: cells run, widgets answer, ``check`` speaks.

Of each notebook the cells run that show a widget, and those that they read; of notebook 00, all. nbval runs every cell.
What a training shows in a browser is looked at once, for a short one. Needs Chromium (on Debian: apt-get install chromium). Without it these tests are skipped, and say so.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from labs import (
    MARKS,
    PATIENCE,
    chromium,
    for_widgets,
    lab,
    new_notebook,
    not_yet_run,
    opened_and_run,
    wait_until,
    without_training,
)

FOLDER = Path(__file__).parents[2] / "notebooks"
PANEL = "xpath=ancestor::*[contains(@class, 'widget-vbox')][1]"  # the widget that a control belongs to

# Until nothing has been added to the page or taken from it for a moment, however long that takes.
NOTHING_MOVES = """box => new Promise(done => {
    const end = () => { changes.disconnect(); done(); };
    let quiet = setTimeout(end, 150);
    const changes = new MutationObserver(() => { clearTimeout(quiet); quiet = setTimeout(end, 150); });
    changes.observe(box, {childList: true, subtree: true});
})"""

pytestmark = MARKS


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """JupyterLab on copies of the notebooks, not yet run and without what no widget reads. Gives its address with {} for
    the notebook's name, and the folder."""
    around = tmp_path_factory.mktemp("lab")
    place = around / "notebooks"
    place.mkdir()
    (around / "figures").symlink_to(FOLDER.parent / "figures")  # the recorded runs that lessons draw
    for notebook in FOLDER.glob("[0-9]*.ipynb"):
        fresh = without_training(not_yet_run(nbformat.read(notebook, as_version=4)))
        nbformat.write(fresh if notebook.name.startswith("00") else for_widgets(fresh), place / notebook.name)
    with lab(place, tmp_path_factory.mktemp("config")) as address:
        yield address, place


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as browser:
        yield browser


@pytest.fixture(params=[p.name for p in sorted(FOLDER.glob("[0-9]*.ipynb"))])
def page(request, server, browser) -> Iterator:
    """A notebook, opened and run from top to bottom."""
    address, _ = server
    page = opened_and_run(browser, address.format(request.param))
    yield page
    page.close()


def scroll_through(page) -> Iterator[None]:
    """JupyterLab draws only what is on screen: stop at every screenful."""
    box = page.locator(".jp-WindowedPanel-outer").first
    box.evaluate("e => e.scrollTo(0, 0)")
    last = -1
    while True:
        box.evaluate(NOTHING_MOVES)
        yield
        top = box.evaluate("e => { e.scrollBy(0, e.clientHeight * 0.7); return e.scrollTop }")
        if top == last:
            return
        last = top


def test_it_runs_and_widgets_answer(page):
    errors, moved, answered, deadline = 0, 0, 0, time.time() + PATIENCE
    while not (moved and answered) and time.time() < deadline:  # again: a widget that was late is there now
        for _ in scroll_through(page):
            errors += errors_on(page)
            if not moved and page.locator(".widget-slider [role=slider]").count():
                moved += move_a_slider(page)
            if not answered and page.locator("button.quiz-option").count():
                answered += answer_a_quiz(page)
        if errors:
            break
    assert (errors, moved, answered) == (0, 1, 1)


def errors_on(page) -> int:
    """Errors of cells, and of widgets that could not be drawn, where it stands."""
    of_cells = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count()
    return of_cells + page.get_by_text("Error displaying widget").count()


def move_a_slider(page) -> int:
    """With the keyboard, as someone without a mouse would: focus, arrow, and another picture."""
    handle = page.locator(".widget-slider [role=slider]").first
    panel = handle.locator(PANEL)
    picture = panel.locator("img")
    before = picture.get_attribute("src")
    handle.focus()
    at_its_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
    handle.press("ArrowLeft" if at_its_end else "ArrowRight")
    wait_until(lambda: picture.get_attribute("src") != before)  # the slider moved, and so must the picture
    assert len(picture.get_attribute("alt")) > 20
    return 1


def answer_a_quiz(page) -> int:
    """With the keyboard again: focus an option, Enter."""
    option = page.locator("button.quiz-option").first
    quiz = option.locator(PANEL)
    option.focus()
    option.press("Enter")
    told = quiz.get_by_role("status")  # there and empty before, or a screen reader would not say what comes
    wait_until(lambda: told.inner_text())
    assert told.inner_text().startswith(("✓ Right.", "✗ Not quite."))
    assert option.inner_text().endswith("(your answer)")
    return 1


TRAINING = """
import torch
from dataclasses import replace
from reference.algorithms.recipes import RECIPES
from reference.algorithms.supervised import train_sft
from reference.teaching.live import live, with_bar
from reference.world.model import load

model, tokenizer = load()
recipe = replace(RECIPES["sft"], steps=2, prompts_per_step=2)
train_sft(model, tokenizer, torch.optim.SGD(model.parameters(), lr=0.1), recipe, on_step=live(recipe))
for step in with_bar(range(3), "counting"):
    print("bar", step)
"""


def test_a_training_shows_its_bar_and_its_curves(server, browser):
    address, place = server
    nbformat.write(new_notebook(TRAINING), place / "training.ipynb")
    page = opened_and_run(browser, address.format("training.ipynb"))
    outputs = page.locator(".jp-OutputArea")
    outputs.get_by_text("2/2").first.wait_for()  # the bar of the steps stays
    outputs.locator("img").first.wait_for()
    outputs.get_by_text("bar 2").first.wait_for()
    wait_until(lambda: not outputs.get_by_text("counting").count())  # this bar goes with its last step
    assert not errors_on(page)
    page.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return (x * mask).mean()", "your denominator still counts them"),
        ("return (x * mask).sum() / mask.sum()", "✓ masked_mean: right on all"),
    ],
)
def test_check_names_a_planted_mistake_and_accepts_a_right_answer(server, browser, body, words):
    address, place = server
    notebook = nbformat.read(FOLDER / "00_everything_is_a_masked_loss.ipynb", as_version=4)
    at = next(i for i, c in enumerate(notebook.cells) if "check.masked_mean" in c.source and c.cell_type == "code")
    notebook.cells[at].source = notebook.cells[at].source.replace("raise NotImplementedError", body)
    notebook.cells = notebook.cells[: at + 1]
    name = f"learner-{len(body)}.ipynb"
    nbformat.write(not_yet_run(notebook), place / name)
    page = opened_and_run(browser, address.format(name), height=3000)  # JupyterLab draws only what is on screen
    page.get_by_text(words).first.wait_for()
    page.close()

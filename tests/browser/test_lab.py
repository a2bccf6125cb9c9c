"""The notebooks in a real JupyterLab, in a real browser: cells run, widgets answer, ``check`` speaks.

The cells that train, and those that read what was trained, are left out here: nbval runs them, and what they show in a
browser is looked at once, for a short training. Needs Chromium (on Debian: apt-get install chromium). Without it these tests are skipped, and say so.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from cells import binds, imports, readers

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FOLDER = Path(__file__).parents[2] / "notebooks"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 10 * 60  # seconds: for what hangs. Everything here is waited for, so a busy machine is only slower
PANEL = "xpath=ancestor::*[contains(@class, 'widget-vbox')][1]"  # the widget that a control belongs to

# Of the open notebook: whether its kernel is there (without one, JupyterLab passes over every cell), and whether every
# code cell has run, or one has failed and the rest will not run.
KERNEL_IS_THERE = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}"""
ALL_HAVE_RUN = """() => {
    const cells = Array.from(window.jupyterapp.shell.currentWidget.content.model.cells);
    const code = cells.filter(cell => cell.type === 'code');
    const outputs = code.flatMap(cell => cell.outputs.toJSON());
    return code.every(cell => cell.executionCount) || outputs.some(output => output.output_type === 'error');
}"""

# Until nothing has been added to the page or taken from it for a moment, however long that takes.
NOTHING_MOVES = """box => new Promise(done => {
    const end = () => { changes.disconnect(); done(); };
    let quiet = setTimeout(end, 150);
    const changes = new MutationObserver(() => { clearTimeout(quiet); quiet = setTimeout(end, 150); });
    changes.observe(box, {childList: true, subtree: true});
})"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install it to run the browser tests"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """JupyterLab on copies of the notebooks, not yet run and without what trains. Gives its address with {} for the
    notebook's name, and the folder."""
    around = tmp_path_factory.mktemp("lab")
    place = around / "notebooks"
    place.mkdir()
    (around / "figures").symlink_to(FOLDER.parent / "figures")  # the recorded runs that lessons draw
    for notebook in FOLDER.glob("[0-9]*.ipynb"):
        nbformat.write(without_training(not_yet_run(nbformat.read(notebook, as_version=4))), place / notebook.name)
    own = tmp_path_factory.mktemp("config")
    settings = own / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(8)
    env = {**os.environ, "JUPYTER_CONFIG_DIR": str(own), "JUPYTERLAB_SETTINGS_DIR": str(own / "settings")}
    env["JUPYTERLAB_WORKSPACES_DIR"] = str(own / "workspaces")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
         f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={place}", "--LabApp.expose_app_in_browser=True"],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}/api?token={token}"))
        assert process.poll() is None, "JupyterLab ended by itself"
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}&reset", place
    finally:
        process.terminate()
        process.wait(PATIENCE)


def not_yet_run(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without outputs and counts: what there is later comes from the run."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    return notebook


def without_training(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Cells that show a loop at work, and those that read what it made, do their imports only."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    sources = [cell.source for cell in code]
    training = [i for i, source in enumerate(sources) if re.search(r"\b(live|with_bar)\(", source)]
    made = {name: i for i in training for name in (f"cell {i}", *binds(sources[i]))}
    for i in readers(sources, made):
        assert not re.search(r"\b(quiz\(|play\.)", sources[i]), f"a widget would be left out:\n{sources[i]}"
        code[i].source = f"{imports(sources[i])}\npass"  # JupyterLab does not count a run of an empty cell
    return notebook


def answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=PATIENCE))
    except OSError:
        return False


def wait_until(there: Callable[[], object]) -> None:
    deadline = time.time() + PATIENCE
    while not there():
        assert time.time() < deadline, "it never came"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        yield p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(params=[p.name for p in sorted(FOLDER.glob("[0-9]*.ipynb"))])
def page(request, server, browser) -> Iterator:
    """A notebook, opened and run from top to bottom."""
    address, _ = server
    page = opened_and_run(browser, address.format(request.param))
    yield page
    page.close()


def opened_and_run(browser, address: str, *, height: int = 1400):
    """The page of a notebook, of which every cell has run or one has failed."""
    page = browser.new_page(viewport={"width": 1280, "height": height})
    page.set_default_timeout(1000 * PATIENCE)
    dialog = page.locator(".jp-Dialog .jp-mod-accept").first  # which kernel? the default, whenever it is asked
    page.add_locator_handler(dialog, lambda button: button.click())
    page.goto(address)
    page.locator(".jp-Notebook").first.wait_for()
    page.wait_for_function(KERNEL_IS_THERE, polling=500)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(ALL_HAVE_RUN, polling=500)
    return page


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
    quiz.get_by_role("status").wait_for()
    assert quiz.get_by_role("status").inner_text().startswith(("✓ Right.", "✗ Not quite."))
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
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TRAINING)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(notebook, place / "training.ipynb")
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

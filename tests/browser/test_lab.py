"""The notebooks in a real JupyterLab, in a real browser: every cell runs, widgets answer, ``check`` speaks.

Needs Chromium (on Debian: apt-get install chromium). Without it these tests are skipped, and say so.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FOLDER = Path(__file__).parents[2] / "notebooks"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PANEL = "xpath=ancestor::*[contains(@class, 'widget-vbox')][1]"  # the widget that a control belongs to

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install it to run the browser tests"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """JupyterLab on copies of the notebooks. Gives its address with {} for the notebook's name, and the folder."""
    around = tmp_path_factory.mktemp("lab")
    place = around / "notebooks"
    place.mkdir()
    (around / "figures").symlink_to(FOLDER.parent / "figures")  # the recorded runs that lessons draw
    for notebook in FOLDER.glob("[0-9]*.ipynb"):
        shutil.copy(notebook, place)
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
         f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={place}"],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}&reset", place
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        yield p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(params=[p.name for p in sorted(FOLDER.glob("[0-9]*.ipynb"))])
def page(request, server, browser) -> Iterator:
    """A notebook, opened and run from top to bottom."""
    address, _ = server
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.goto(address.format(request.param), timeout=90_000)
    page.locator(".jp-Notebook").first.wait_for(timeout=90_000)
    for _ in range(3):  # which kernel? the default
        time.sleep(1)
        for button in page.locator(".jp-Dialog .jp-mod-accept").all():
            button.click()
    run_all(page)
    yield page
    page.close()


def run_all(page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    wait_until_idle(page)


def wait_until_idle(page, *, timeout: float = 180) -> None:
    time.sleep(1.5)
    calm, deadline = 0, time.time() + timeout
    while calm < 4:
        assert time.time() < deadline, "the kernel is still busy"
        calm = 0 if page.locator(".jp-Notebook-ExecutionIndicator[data-status='busy']").count() else calm + 1
        time.sleep(0.4)


def scroll_through(page) -> Iterator[None]:
    """JupyterLab draws only what is on screen: stop at every screenful."""
    box = page.locator(".jp-WindowedPanel-outer").first
    box.evaluate("e => e.scrollTo(0, 0)")
    last = -1
    while True:
        time.sleep(0.5)
        yield
        top = box.evaluate("e => { e.scrollBy(0, e.clientHeight * 0.7); return e.scrollTop }")
        if top == last:
            return
        last = top


def test_it_runs_and_widgets_answer(page):
    errors, moved, answered = 0, 0, 0
    for _ in scroll_through(page):
        errors += page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count()
        errors += page.get_by_text("Error displaying widget").count()
        if not moved and page.locator(".widget-slider [role=slider]").count():
            moved += move_a_slider(page)
        if not answered and page.locator("button.quiz-option").count():
            answered += answer_a_quiz(page)
    assert (errors, moved, answered) == (0, 1, 1)


def move_a_slider(page) -> int:
    """With the keyboard, as someone without a mouse would: focus, arrow, and another picture."""
    handle = page.locator(".widget-slider [role=slider]").first
    panel = handle.locator(PANEL)
    picture = panel.locator("img")
    before = picture.get_attribute("src")
    handle.focus()
    at_its_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
    handle.press("ArrowLeft" if at_its_end else "ArrowRight")
    for _ in range(50):
        time.sleep(0.2)
        if picture.get_attribute("src") != before:
            assert len(picture.get_attribute("alt")) > 20
            return 1
    raise AssertionError("the slider moved, the picture did not")


def answer_a_quiz(page) -> int:
    """With the keyboard again: focus an option, Enter."""
    option = page.locator("button.quiz-option").first
    quiz = option.locator(PANEL)
    option.focus()
    option.press("Enter")
    quiz.get_by_role("status").wait_for(timeout=10_000)
    assert quiz.get_by_role("status").inner_text().startswith(("✓ Right.", "✗ Not quite."))
    assert option.inner_text().endswith("(your answer)")
    return 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return (x * mask).mean()", "your denominator still counts them"),
        ("return (x * mask).sum() / mask.sum()", "✓ masked_mean: right on all"),
    ],
)
def test_check_names_a_planted_mistake_and_accepts_a_right_answer(server, browser, body, words):
    import nbformat

    address, place = server
    notebook = nbformat.read(FOLDER / "00_everything_is_a_masked_loss.ipynb", as_version=4)
    at = next(i for i, c in enumerate(notebook.cells) if "check.masked_mean" in c.source and c.cell_type == "code")
    notebook.cells[at].source = notebook.cells[at].source.replace("raise NotImplementedError", body)
    notebook.cells = notebook.cells[: at + 1]
    for cell in notebook.cells:
        cell.pop("outputs", None) if cell.cell_type == "markdown" else cell.update(outputs=[], execution_count=None)
    name = f"learner-{len(body)}.ipynb"
    nbformat.write(notebook, place / name)
    page = browser.new_page(viewport={"width": 1280, "height": 3000})
    page.goto(address.format(name), timeout=90_000)
    page.locator(".jp-Notebook").first.wait_for(timeout=90_000)
    time.sleep(2)
    for button in page.locator(".jp-Dialog .jp-mod-accept").all():
        button.click()
    run_all(page)
    page.get_by_text(words).first.wait_for(timeout=20_000)
    page.close()

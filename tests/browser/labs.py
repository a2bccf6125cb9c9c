"""What the tests in a real JupyterLab share: a server on a folder, a browser, a notebook opened and run."""

import json
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
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from cells import binds, imports, needed, readers

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install it to run the browser tests"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDGET = re.compile(r"\b(quiz\(|play\.)")  # a cell that shows one
PATIENCE = 10 * 60  # seconds: for what hangs. Everything here is waited for, so a busy machine is only slower
NO_NEWS = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}

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


@contextmanager
def lab(place: Path, own: Path, settings: dict[str, dict] | None = None) -> Iterator[str]:
    """JupyterLab on the folder ``place``. Gives its address, with {} for the notebook's name.

    ``own``: an empty folder for what it keeps. ``settings``: of its extensions, by the name of their file.
    """
    for name, chosen in (NO_NEWS | (settings or {})).items():
        file = own / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(chosen))
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
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}&reset"
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def chromium() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        yield p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


def new_notebook(*sources: str) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return notebook


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
        assert not WIDGET.search(sources[i]), f"a widget would be left out:\n{sources[i]}"
        code[i].source = only_imports(sources[i])
    return notebook


def for_widgets(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The first cell, the widgets, and what they read; every other cell does its imports only."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    sources = [cell.source for cell in code]
    kept = needed(sources, {0, *(i for i, source in enumerate(sources) if WIDGET.search(source))}, made=binds)
    for i, cell in enumerate(code):
        if i not in kept:
            cell.source = only_imports(cell.source)
    return notebook


def only_imports(source: str) -> str:
    return f"{imports(source)}\npass"  # JupyterLab does not count a run of an empty cell


def opened(browser, address: str, *, height: int = 1400):
    """The page of a notebook whose kernel is there."""
    page = browser.new_page(viewport={"width": 1280, "height": height})
    page.set_default_timeout(1000 * PATIENCE)
    dialog = page.locator(".jp-Dialog .jp-mod-accept").first  # which kernel? the default, whenever it is asked
    page.add_locator_handler(dialog, lambda button: button.press("Enter"))
    page.goto(address)
    page.locator(".jp-Notebook").first.wait_for()
    page.wait_for_function(KERNEL_IS_THERE, polling=500)
    return page


def opened_and_run(browser, address: str, *, height: int = 1400):
    """The page of a notebook, of which every cell has run or one has failed."""
    page = opened(browser, address, height=height)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(ALL_HAVE_RUN, polling=500)
    return page


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

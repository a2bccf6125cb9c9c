"""Lesson 02 in a real JupyterLab with the keyboard alone, from its first cell to its last. No mouse is used, and a
counter in the page would notice one. The cells that train are left out, as in test_lab.py."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from labs import MARKS, chromium, lab, not_yet_run, opened, wait_until, without_training

pytestmark = MARKS

LESSON = Path(__file__).parents[2] / "notebooks" / "02_three_things_called_kl.ipynb"
STUB, QUIZ, WIDGET = "kl-140", "kl-060", "kl-200"
SOLUTION = 'd = token_logprobs - ref_logprobs; return d if estimator == "k1" else 0.5 * d**2'

# The active cell: its place and its id, whether it is edited, whether the focus is in its node, and its outputs as text.
ACTIVE = """() => {
    const notebook = window.jupyterapp.shell.currentWidget.content, cell = notebook.activeCell;
    const outputs = cell.model.outputs?.toJSON() ?? [];
    return {
        place: notebook.activeCellIndex, id: cell.model.id, mode: notebook.mode,
        focus: cell.node.contains(document.activeElement), whole: cell.node === document.activeElement,
        text: outputs.map(output => output.text ?? '').join(''), ran: cell.model.executionCount,
        last: notebook.activeCellIndex === notebook.widgets.length - 1,
    };
}"""
LINE = "getSelection().anchorNode.parentElement.closest('.cm-line')?.textContent ?? ''"  # where the cursor is
FOCUSED = "[document.activeElement.getAttribute('role') ?? document.activeElement.tagName, document.activeElement.closest('.accessible-panel') !== null]"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator:
    around = tmp_path_factory.mktemp("lesson")
    place = around / "notebooks"
    place.mkdir()
    (around / "figures").symlink_to(LESSON.parents[1] / "figures")
    nbformat.write(without_training(not_yet_run(nbformat.read(LESSON, as_version=4))), place / LESSON.name)
    with lab(place, tmp_path_factory.mktemp("config")) as address, chromium() as browser:
        page = opened(browser, address.format(LESSON.name))
        page.evaluate("window.mouse = 0; addEventListener('pointerdown', () => { window.mouse += 1 }, true)")
        yield page


def run_on_to(page, cell: str | None) -> None:
    """Shift+Enter until this cell is the active one, or the last. The focus is in the notebook at every step."""
    while (now := page.evaluate(ACTIVE))["id"] != cell and not (cell is None and now["last"]):
        assert now["focus"] and now["mode"] == "command", now
        page.keyboard.press("Shift+Enter")
        wait_until(lambda place=now["place"]: page.evaluate(ACTIVE)["place"] == place + 1)


def run_here(page, *, keys: str = "Control+Enter") -> dict:
    """Run the active cell and stay there."""
    before = page.evaluate(ACTIVE)["ran"]
    page.keyboard.press(keys)
    wait_until(lambda: page.evaluate(ACTIVE)["ran"] not in (None, before))
    return page.evaluate(ACTIVE)


def tab_into(page, role: str) -> None:
    """From the active cell to the first such control of its widget: over JupyterLab's own buttons on the cell."""
    page.locator(".jp-Notebook .jp-mod-active .accessible-panel").wait_for()
    stops = 0
    while page.evaluate(FOCUSED) != [role, True]:
        page.keyboard.press("Tab")
        stops += 1
        assert stops < 10, page.evaluate(FOCUSED)


def back_to_the_notebook(page, cell: str) -> None:
    page.keyboard.press("Escape")
    now = page.evaluate(ACTIVE)
    assert now["whole"] and now["mode"] == "command" and now["id"] == cell


def test_the_lesson_can_be_done_with_the_keyboard_alone(page):
    panel = page.locator(".jp-Notebook .jp-mod-active .accessible-panel")
    run_on_to(page, QUIZ)
    run_here(page)
    tab_into(page, "BUTTON")
    page.keyboard.press("Enter")
    wait_until(lambda: panel.get_by_role("status").inner_text())
    assert page.evaluate("document.activeElement.textContent").endswith("(your answer)")
    back_to_the_notebook(page, QUIZ)

    run_on_to(page, STUB)
    assert run_here(page)["text"].startswith("○ kl_penalty: not attempted yet.")
    page.keyboard.press("Enter")
    assert page.evaluate(ACTIVE)["mode"] == "edit"
    page.keyboard.press("Control+Home")
    while "raise" not in page.evaluate(LINE):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Shift+Home")
    page.keyboard.type(SOLUTION)
    assert run_here(page)["text"].startswith("✓ kl_penalty: right on all")
    page.keyboard.press("Escape")

    run_on_to(page, WIDGET)
    run_here(page)
    tab_into(page, "slider")
    before = panel.locator("img").get_attribute("alt")
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: panel.get_by_role("status").inner_text())
    assert panel.locator("img").get_attribute("alt") != before
    page.keyboard.press("Tab")  # the box beside it takes a number
    page.keyboard.press("Control+A")
    page.keyboard.type("-4")
    page.keyboard.press("Enter")
    slider = panel.get_by_role("slider").first
    wait_until(lambda: slider.get_attribute("aria-valuetext") == "−4.00")  # noqa: RUF001  it is the sign of ipywidgets
    back_to_the_notebook(page, WIDGET)

    run_on_to(page, None)
    assert page.evaluate("window.mouse") == 0
    outputs = "window.jupyterapp.shell.currentWidget.content.widgets.flatMap(c => c.model.outputs?.toJSON() ?? [])"
    assert page.evaluate(f"{outputs}.filter(output => output.output_type === 'error').length") == 0

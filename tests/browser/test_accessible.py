"""What a screen reader and a keyboard find in a real JupyterLab: every widget and every output of ours, light and dark.

One notebook shows all of them, and nothing is trained. axe-core looks at the outputs alone, and so not at what is
JupyterLab's own. It has no exceptions: what ipywidgets leaves out, reference/teaching/aria.js adds.
"""

from collections.abc import Iterator

import nbformat
import pytest
from axe import violations
from labs import MARKS, chromium, lab, new_notebook, opened_and_run, wait_until

from reference.lessons import WIDGETS

pytestmark = MARKS

IMPORTS = """
import os
os.environ["REFERENCE_PROGRESS"] = "verdicts.jsonl"  # in the folder of this notebook
from reference import answer, check, hint, objectives, play, progress, quiz, show, table
from reference.audit.view import show_batch
from reference.lessons.codebases.exam import exam
from reference.lessons.masking.figures import figure_weights
from reference.lessons.over_optimisation.texts import show_samples
from reference.teaching.example import example
from reference.world.model import load
"""
BATCH = """
chat = example()
ids, mask = chat.tokens, chat.assistant_mask.long()
advantages = (mask * 1.0).cumsum(1) / mask.sum() - 0.5
batch = {"input_ids": ids, "attention_mask": ids * 0 + 1, "loss_mask": mask, "advantages": advantages}
show_batch(batch, tokenizer=load()[1], value="advantages")
"""
OUTPUTS = (
    'quiz("pad_is_eos")',
    "check.masked_mean(lambda x, mask: x.mean())",
    "check.masked_mean(objectives.masked_mean)",
    'hint("masked_mean")',
    'answer("masked_mean")',
    'table({"k1": (0.2, -0.1), "k2": (0.02, 0.0)}, "mean", "std")',
    "show(figure_weights([2, 8, 5]))",
    "exam()",
    'exam({1: "a", 2: "b", 3: "c", 99: "a"})',
    "show_samples(1)",
    "progress()",
    "progress(reset=True)",
    BATCH,
)
ARGUMENTS = {"walk": "example()", "temperature": "example()", "supervision": "example()", "trajectory": "load()[1]"}
SHOWN = {name: f"play.{name}({ARGUMENTS.get(name, '')})" for name in WIDGETS}
ALL_AT_ONCE = {"notebook-extension/tracker": {"windowingMode": "none"}}  # and not only the cells on the screen

HEIGHT = 26_000  # pixels of the window, for all that is shown
ARROWS = {"slider": "ArrowRight", "combobox": "ArrowDown", "checkbox": "Space", "button": "Enter"}

PANEL_OF_FOCUS = "() => [...document.querySelectorAll('.accessible-panel')].indexOf(document.activeElement.closest('.accessible-panel'))"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator:
    place = tmp_path_factory.mktemp("outputs")
    nbformat.write(new_notebook(IMPORTS, *OUTPUTS, *SHOWN.values()), place / "all.ipynb")
    with lab(place, tmp_path_factory.mktemp("config"), ALL_AT_ONCE) as address, chromium() as browser:
        page = opened_and_run(browser, address.format("all.ipynb"), height=HEIGHT)
        page.locator(".accessible-panel").nth(len(SHOWN)).wait_for()
        yield page


def found_by_axe(page, include: str) -> list[list[str]]:
    """With all cells on the screen: axe takes for invisible what is scrolled out of a box inside of another."""
    page.locator(".jp-WindowedPanel-outer").first.evaluate("box => box.scrollTo(0, 0)")
    first, last = (
        page.locator(".accessible-panel").first.bounding_box(),
        page.locator(".accessible-panel").last.bounding_box(),
    )
    assert first["y"] > 0 and last["y"] + last["height"] < HEIGHT, f"give the window more HEIGHT: {first}, {last}"
    return violations(page, include)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing_wrong_with_any_output(page, theme):
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.locator(f"body[data-jp-theme-light={str('Light' in theme).lower()}]").wait_for(state="attached")
    assert page.locator(".accessible-panel").count() == len(SHOWN) + 1  # all of them were drawn, the quiz too
    assert found_by_axe(page, ".jp-OutputArea") == []


def test_sliders_without_names_and_faint_texts_would_be_found_at_both_ends_of_the_page(page):
    page.evaluate("""() => {
        for (const panel of [...document.querySelectorAll('.accessible-panel:has(.widget-slider)')].filter((_, i, all) => !i || i === all.length - 1)) {
            const copy = panel.querySelector('.widget-slider').cloneNode(true), words = document.createElement('p');
            copy.querySelector('[role=slider]').removeAttribute('aria-label');
            words.textContent = 'faint';
            words.style = 'color: #777777; background: #666666';
            panel.after(copy, words);  // beside the panel, where our script does not look
            copy.classList.add('broken');
            words.classList.add('broken');
        }
    }""")
    found = sorted(rule for rule, *_ in found_by_axe(page, ".broken"))
    page.evaluate("document.querySelectorAll('.broken').forEach(broken => broken.remove())")
    assert found == ["aria-input-field-name"] * 2 + ["color-contrast"] * 2


class Focus:
    """What has the focus of the keyboard, as the browser tells it to a screen reader."""

    def __init__(self, page) -> None:
        cdp = page.context.new_cdp_session(page)
        element = cdp.send("Runtime.evaluate", {"expression": "document.activeElement"})["result"]["objectId"]
        tree = cdp.send("Accessibility.getPartialAXTree", {"objectId": element, "fetchRelatives": False})
        node = tree["nodes"][0]
        cdp.detach()
        told = {one["name"]: one["value"].get("value") for one in node.get("properties", ())}
        self.role, self.name = node["role"]["value"], node.get("name", {}).get("value", "")
        self.state = (self.name, node.get("value", {}).get("value"), told.get("valuetext"), told.get("checked"))
        self.at_its_end = told.get("valuemax") == node.get("value", {}).get("value")


def test_every_control_is_reached_by_tab_has_a_name_and_what_it_does_is_said(page):
    page.locator(".jp-Cell").nth(1).focus()  # the quiz, which is the first
    reached, told = set(), set()
    while (at := next_stop(page, reached)) is not None:
        reached.add(at)
        control = Focus(page)
        assert control.name, f"panel {at}: a {control.role} without a name"
        if at not in told and control.role in ARROWS:
            told |= {at} if moved(page, at, control) else set()
    assert reached == told == set(range(len(SHOWN) + 1))


def next_stop(page, reached: set[int]) -> int | None:
    """Tab until the focus is in a panel. Its place; None behind the last."""
    for _ in range(40):  # outputs without a panel have links at most, and the page around them has a dozen stops
        page.keyboard.press("Tab")
        at = page.evaluate(PANEL_OF_FOCUS)
        if at >= max(reached, default=0):
            return at
    return None


def moved(page, at: int, control: Focus) -> bool:
    """Use the control that has the focus: its state changes, and a status says what else did. False for a choice that does
    nothing before a button is pressed."""
    panel = page.locator(".accessible-panel").nth(at)
    said = panel.get_by_role("status")
    before, picture = said.all_inner_texts(), panel.locator("img").first
    alternative = picture.get_attribute("alt") if picture.count() else None
    page.keyboard.press("ArrowLeft" if control.at_its_end and control.role == "slider" else ARROWS[control.role])
    if control.role == "combobox" and panel.get_by_role("button").count():
        return False
    wait_until(lambda: said.all_inner_texts() != before)
    if panel.locator(".widget-slider, select, input").count() and not panel.get_by_role("button").count():
        wait_until(lambda: picture.get_attribute("alt") != alternative)
    now = Focus(page)
    assert now.role == control.role and now.state != control.state, f"panel {at}: {control.state} stays as it was"
    return True

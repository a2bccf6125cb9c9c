"""The live curves, without a notebook: what is shown first, what replaces it, and what it says to a screen reader."""

import base64
from dataclasses import replace

import pytest

from reference.algorithms.recipes import RECIPES
from reference.teaching import live as module
from reference.teaching import show

pytestmark = pytest.mark.slow


@pytest.fixture
def page(monkeypatch):
    """Stands for the notebook: a list of (data, does it replace the one before?)."""
    shown: list[tuple[dict, bool]] = []

    class Handle:
        def update(self, data: dict, *, raw: bool) -> None:
            shown.append((data, True))

    def display(data: dict, *, raw: bool, display_id: bool) -> Handle:
        shown.append((data, False))
        return Handle()

    monkeypatch.setattr(module, "display", display)
    return shown


@pytest.fixture
def draws_at_once(monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.0)
    monkeypatch.setattr(module, "SHARE", float("inf"))


def run(steps: int) -> None:
    on_step = module.live(replace(RECIPES["grpo"], steps=steps))
    for step in range(1, steps + 1):
        assert on_step(step, dict.fromkeys(module.PANELS["rl"], step / 8)) is False
    assert [row["step"] for row in on_step.rows] == list(range(1, steps + 1))


def test_one_picture_that_is_replaced(page, draws_at_once):
    run(3)
    assert [replaced for _, replaced in page] == [False, True, True]
    assert base64.b64decode(page[-1][0]["image/png"]).startswith(b"\x89PNG")


def test_no_more_often_than_every_few_seconds_and_always_at_the_end(page, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 3600.0)
    run(5)
    assert len(page) == 2 and "up to step 5" in page[-1][0]["text/plain"]


def test_a_slow_picture_is_drawn_less_often(page, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def slow_png(figure) -> bytes:
        now[0] += 1.0  # a second for the picture, so ten until the next
        return b""

    monkeypatch.setattr(show, "png", slow_png)
    on_step = module.live(replace(RECIPES["grpo"], steps=100))
    drawn_at = []
    for step in range(1, 31):
        now[0] += 1.0
        before = len(page)
        on_step(step, dict.fromkeys(module.PANELS["rl"], 0.5))
        if len(page) > before:
            drawn_at.append(step)
    assert drawn_at == [1, 12, 23]


def test_where_nothing_can_be_replaced_it_is_drawn_once(page, draws_at_once, monkeypatch):
    monkeypatch.setattr(module, "STATIC", True)
    run(4)
    assert [replaced for _, replaced in page] == [False]


def test_the_picture_in_words(page):
    run(2)
    description = page[-1][0]["text/plain"]
    assert description.startswith("Curves of grpo up to step 2: reward 0.25, reward_std 0.25, approx_kl 0.25")


def test_without_curves_the_rows_are_kept_and_nothing_is_drawn(page, draws_at_once):
    on_step = module.live(replace(RECIPES["grpo"], steps=2), curves=False)
    for step in (1, 2):
        assert on_step(step, {"reward": step / 2}) is False
    assert on_step.rows == [{"step": 1, "reward": 0.5}, {"step": 2, "reward": 1.0}]
    assert page == []


def test_a_bar_says_what_is_done_and_gives_every_item(capsys, monkeypatch):
    from tqdm import tqdm

    monkeypatch.setattr(module, "tqdm", tqdm)  # the bar of a terminal, whatever shows this test
    assert list(module.with_bar(["a", "b"], "reading")) == ["a", "b"]
    assert "reading" in capsys.readouterr().err


def test_no_bar_where_outputs_are_kept_for_good(capsys, monkeypatch):
    monkeypatch.setattr(module, "STATIC", True)
    assert list(module.with_bar(range(3), "reading")) == [0, 1, 2]
    assert capsys.readouterr().err == ""

"""A batch as a page and as a picture: every token once, by what it is, and nothing by colour alone."""

import re

import pytest
import torch
from made import made

from reference.audit.cells import row_cells, summary, word_of
from reference.audit.figure import figure_batch
from reference.audit.view import batch_html, mixed, show_batch
from reference.objectives import InputError
from reference.style import DROPPED, KEPT, ORANGE, description
from reference.teaching.show import png

ROWS = ("_qokceTteocce_", "qqocce________")
LOSS = ("00011100001110", "00011100000000")


@pytest.fixture
def batch():
    advantages = torch.full((2, 14), 1.0)
    advantages[1] = -0.5
    return made(
        *ROWS,
        loss=LOSS,
        markers=True,
        per_token={"advantages": advantages},
        per_row={"rewards": torch.tensor([1.0, 0.0])},
    )


def test_cells_say_what_each_token_is(batch):
    cells = row_cells(batch, 0, tokenizer=None, value="advantages")
    assert [cell.role[0] for cell in cells] == list("pppccEtttpccEp")  # padding and prompt both begin with a p
    assert [cell.word for cell in cells] == [
        "pad",
        "20",
        "3",
        "5",
        "40",
        "1",
        "4",
        "60",
        "1",
        "3",
        "40",
        "40",
        "1",
        "pad",
    ]
    assert "".join("01"[cell.kept] for cell in cells) == LOSS[0]
    assert [cell.value for cell in cells if cell.kept] == [1.0] * 6
    assert row_cells(batch, 1, tokenizer=None, value=None)[-1].word == "8 pads"


def test_the_summary_counts_by_hand(batch):
    assert summary(batch, [0, 1]).splitlines() == [
        "row 0: 3 prompt (0 in the loss), 4 completion (4 in the loss), 2 EOS (2 in the loss), 3 tool (0 in the loss), "
        "2 padding (0 in the loss)",
        "row 1: 3 prompt (0 in the loss), 2 completion (2 in the loss), 1 EOS (1 in the loss), 8 padding (0 in the loss)",
    ]


def test_the_page_has_a_box_for_every_cell_and_says_all_in_words_too(batch):
    page = batch_html(batch, value="advantages", rows=[1])
    assert f'aria-label="{summary(batch, [1])}"' in page
    assert page.count('title="column') == 7
    assert 'title="column 3: completion, in the loss, -0.50"' in page and f"background:{ORANGE.lower()}" in page.lower()
    for name in ("in the loss", "not in the loss", "EOS", "tool", "padding"):
        assert f">{name}</span>" in page
    assert "row 1, rewards 0" in page


def test_ground_and_ink_are_set_so_that_a_dark_page_shows_them(batch):
    assert re.match(r'<div role="img" [^>]*background:#ffffff;color:#1a1a1a', batch_html(batch))
    assert mixed("#000000", 0.5) == "#808080" and mixed(KEPT, 1.0).upper() == KEPT


class Words:
    def decode(self, ids):
        return {20: "<b>\x1b", 40: "\n", 5: "  "}.get(ids[0], "word")


def test_whatever_a_token_spells_is_harmless(batch):
    page = batch_html(batch, tokenizer=Words())
    assert "<b>" not in page and "&lt;b&gt;\\x1b" in page
    assert (
        word_of(40, Words()) == "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"
        and word_of(5, Words()) == "\N{OPEN BOX}" * 2
    )
    assert word_of(-100, Words()) == "-100"


def test_showing_displays_a_page_and_a_text(batch, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show_batch({"input_ids": batch.tokens, "attention_mask": batch.attention_mask}, rows=1)
    assert shown[0].keys() == {"text/html", "text/plain"} and shown[0]["text/plain"].startswith("row 0: ")


def test_rows_and_numbers_that_are_not_there_are_refused(batch):
    for options, says in (
        ({"rows": [2]}, "no row 2"),
        ({"rows": 0}, "no row is to be shown"),
        ({"value": "returns"}, "it has advantages"),
    ):
        with pytest.raises(InputError, match=says):
            batch_html(batch, **options)


def test_figure_batch_draws_every_cell_and_describes_itself(batch):
    figure = figure_batch(batch, value="advantages", tokenizer=Words())
    assert description(figure) == "The tokens of a batch. " + summary(batch, [0, 1]).replace("\n", "; ") + "."
    boxes = [patch.get_facecolor() for patch in figure.axes[0].patches]
    assert len(boxes) == 5 + 14 + 7
    grey = sum(tuple(round(255 * part) for part in box[:3]) == tuple(bytes.fromhex(DROPPED[1:])) for box in boxes)
    assert grey == 4 + 8 + 4  # of the legend, and the cells of both rows that are not in the loss
    assert png(figure)  # a dollar sign that begins a formula would be told here, and a contrast that is too small


def test_the_legend_names_the_colour_of_numbers_below_0_where_there_are_numbers():
    batch = made("qqce", start=2, per_token={"advantages": [[0, 0, -1, -1]]})
    assert "in the loss, below 0" in batch_html(batch, value="advantages")
    assert "below 0" not in batch_html(batch)

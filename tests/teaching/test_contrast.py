"""What has to be seen on a picture can be seen: the contrasts of WCAG 2, level AA, computed from the pixels."""

from collections import Counter

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from reference import style
from reference.lessons import WIDGETS
from reference.style import AA_SHAPES, AA_WORDS, PAPER, contrast, words_in, words_on
from reference.teaching import controls
from reference.teaching.example import example
from reference.world.model import load

NEEDS = {"walk": example, "temperature": example, "supervision": example, "trajectory": lambda: load()[1]}
WITH_CONTROLS = [name for name in WIDGETS if name != "find_the_fault"]  # the game draws what six_scalars draws


def large(text: Text) -> bool:
    """WCAG's large words: 18 points, or 14 in bold."""
    return text.get_fontsize() >= (14 if text.get_fontweight() in ("bold", 700) else 18)


def faint_words(figure: Figure) -> list[str]:
    """The words of a figure with too little contrast to what is behind them: the most frequent pixel of their box."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # nothing may move when the words are gone
    unseen = {
        text for ax in figure.axes if not ax.axison for axis in (ax.xaxis, ax.yaxis) for text in axis.findobj(Text)
    }
    texts = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip() and one not in unseen]
    boxes, inks = [text.get_window_extent() for text in texts], [(t.get_color(), t.get_alpha()) for t in texts]
    for text in texts:
        text.set_alpha(0)  # and a box around them stays
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3]
    found = []
    for text, box, (colour, alpha) in zip(texts, boxes, inks, strict=True):
        part = pixels[max(0, int(box.y0)) : int(box.y1) + 1, max(0, int(box.x0)) : int(box.x1) + 1].reshape(-1, 3)
        if not len(part):
            continue  # outside of the picture
        ground = Counter(map(tuple, part.tolist())).most_common(1)[0][0]
        ground_hex, share = to_hex([c / 255 for c in ground]), 1.0 if alpha is None else alpha
        ink = to_hex([share * i + (1 - share) * g / 255 for i, g in zip(to_rgb(colour), ground, strict=True)])
        if contrast(ink, ground_hex) < (AA_SHAPES if large(text) else AA_WORDS):
            found.append(f"{text.get_text()!r}: {ink} on {ground_hex} is {contrast(ink, ground_hex):.2f}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_CONTROLS)
def test_the_words_of_every_widget_s_picture_can_be_read(name, monkeypatch):
    figures = []
    monkeypatch.setattr(
        controls, "interact", lambda draw, **own: figures.append(draw(**{key: c.value for key, c in own.items()}))
    )
    WIDGETS[name](*([NEEDS[name]()] if name in NEEDS else []))
    assert faint_words(figures[0]) == []


def test_a_faint_word_would_be_found():
    figure = Figure()
    ax = figure.subplots()
    ax.set_facecolor(style.BLUE)
    for y, colour in ((0.2, style.PURPLE), (0.5, PAPER), (0.8, style.MUTED)):
        ax.text(0.5, y, colour, color=colour)
    assert [words.partition(":")[0] for words in faint_words(figure)] == [repr(style.PURPLE), repr(style.MUTED)]


@pytest.mark.parametrize("name", ["BLUE", "ORANGE", "GREEN", "RED", "PURPLE", "SKY", "MUTED", "INK"])
def test_a_line_of_every_colour_can_be_seen_and_its_words_can_be_read(name):
    colour = getattr(style, name)
    assert contrast(colour, PAPER) >= AA_SHAPES
    assert contrast(words_in(colour), PAPER) >= AA_WORDS


def test_words_keep_a_colour_that_is_dark_enough_and_others_are_darkened_no_more_than_they_must_be():
    assert words_in(style.BLUE) == style.BLUE
    assert words_in(style.PURPLE) != style.PURPLE and contrast(words_in(style.PURPLE), PAPER) < AA_WORDS + 0.2


@pytest.mark.parametrize("grey", range(0, 256, 5))
def test_white_or_black_can_be_read_on_any_ground(grey):
    ground = f"#{grey:02x}{grey:02x}{grey:02x}"
    assert contrast(words_on(ground), ground) >= AA_WORDS


def test_contrast_counts_as_wcag_does():
    """The ends of its scale, and a grey of which WCAG's own pages say that it just passes."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#123456", "#123456") == 1
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)

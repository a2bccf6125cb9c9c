"""The figures and widgets of the lesson on log-probs and alignment."""

import pytest
from transformers import GPT2LMHeadModel

from reference import play
from reference.lessons.alignment.figures import figure_temperature, figure_walk
from reference.lessons.alignment.padding import padding_error
from reference.teaching import show

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["walk", "temperature"])
def test_every_control_redraws_over_its_whole_range(name, chat, panel_of, pictures_at_the_ends):
    panel = panel_of(lambda: getattr(play, name)(chat))
    assert len(pictures_at_the_ends(panel)) >= 2 ** len(panel.children[0].children)  # no two combinations look the same


@pytest.mark.parametrize("position", range(0, 34))
def test_the_walk_can_stand_on_every_position(chat, position):
    text = show.description(figure_walk(chat, position=position))
    assert f"logits[{position}]" in text and repr(chat.words[position + 1]) in text
    assert f"mask {int(chat.assistant_mask[0, position + 1])}" in text


def test_temperature_one_gives_ratio_one(chat):
    text = show.description(figure_temperature(chat, temperature=1.0))
    assert {part.split()[-1] for part in text.split(": ")[1].split(", ")} == {"1.00"}


def test_padding_error_is_rounding_with_positions_and_large_without_on_gpt2(chat, small_models):
    gpt2 = GPT2LMHeadModel.from_pretrained(small_models["gpt2"]).eval()
    assert padding_error(gpt2, chat.tokens, 3, with_positions=True) < 1e-5
    assert padding_error(gpt2, chat.tokens, 3, with_positions=False) > 1e-2
    assert padding_error(chat.model, chat.tokens, 3, with_positions=False) < 1e-3  # rotary: rounding only
    assert padding_error(gpt2, chat.tokens, 0, with_positions=False) < 1e-5  # without pads there is nothing to be wrong

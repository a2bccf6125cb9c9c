"""Every widget is built, moved to its ends, and seen to redraw; every quiz option is chosen."""

from pathlib import Path

import matplotlib
import pytest
import torch
from transformers import GPT2LMHeadModel

from reference.teaching import figures, play, quiz, show
from reference.teaching.example import example
from reference.teaching.figures import (
    figure_memory,
    figure_padding,
    figure_supervision,
    figure_temperature,
    figure_tokens,
    figure_walk,
    figure_weights,
)
from reference.teaching.figures.logprobs import padding_error
from reference.teaching.figures.weights import token_weights
from reference.teaching.questions import QUESTIONS

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def chat():
    return example()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weights", "supervision", "walk", "temperature", "padding"])
def test_every_control_redraws_over_its_whole_range(name, chat, small_models, panel_of, pictures_at_the_ends):
    gpt2 = GPT2LMHeadModel.from_pretrained(small_models["gpt2"])
    arguments = {"weights": (), "padding": ({"GPT-2": gpt2, "Llama": chat.model}, chat.tokens)}.get(name, (chat,))
    panel = panel_of(lambda: getattr(play, name)(*arguments))
    assert len(pictures_at_the_ends(panel)) >= 2 ** len(panel.children[0].children)  # no two combinations look the same


@pytest.mark.slow
@pytest.mark.parametrize("position", range(0, 34))
def test_the_walk_can_stand_on_every_position(chat, position):
    text = show.description(figure_walk(chat, position=position))
    assert f"logits[{position}]" in text and repr(chat.words[position + 1]) in text
    assert f"mask {int(chat.assistant_mask[0, position + 1])}" in text


def test_weights_are_those_of_the_paper_and_the_pencil():
    # lengths 2 and 8, budget 16: 1/4 and 1/16; 1/10 each; 1/32 each
    for strategy, expected in {
        "sequence_mean": (1 / 4, 1 / 16),
        "token_mean": (0.1, 0.1),
        "fixed_length": (1 / 32,) * 2,
    }.items():
        short, long = token_weights([2, 8], strategy=strategy, max_length=16)
        assert (short.max().item(), long.max().item()) == pytest.approx(expected)
        assert short.sum().item() == pytest.approx(2 * expected[0])
    assert "sequence_mean row of 2: 1/4 per token" in show.description(figure_weights([2, 8], max_length=16))


def test_supervision_names_the_loss_of_what_is_chosen(chat):
    both = show.description(figure_supervision(chat, question=True))
    own = show.description(figure_supervision(chat))
    none = show.description(figure_supervision(chat, solution=False, end=False))
    assert "34 supervised tokens" in both and "22 supervised tokens" in own and "nothing is supervised" in none
    mean = -chat.logprobs[0][chat.mask[0]].mean().item()
    assert f"mean loss {mean:.2f} nats" in own


def test_the_token_strip_shows_every_token(chat):
    figure = figure_tokens(chat.words, chat.assistant_mask[0].tolist(), title="t")
    drawn = [text.get_text() for text in figure.axes[0].texts]
    assert [w for w in drawn if w not in "01"] == [w for w in chat.words if w not in "01"]
    assert drawn.count("1") >= 22


def test_temperature_one_gives_ratio_one(chat):
    text = show.description(figure_temperature(chat, temperature=1.0))
    assert {part.split()[-1] for part in text.split(": ")[1].split(", ")} == {"1.00"}


def test_padding_error_is_rounding_with_positions_and_large_without_on_gpt2(chat, small_models):
    gpt2 = GPT2LMHeadModel.from_pretrained(small_models["gpt2"]).eval()
    assert padding_error(gpt2, chat.tokens, 3, with_positions=True) < 1e-5
    assert padding_error(gpt2, chat.tokens, 3, with_positions=False) > 1e-2
    assert padding_error(chat.model, chat.tokens, 3, with_positions=False) < 1e-3  # rotary: rounding only
    assert isinstance(figure_padding({"GPT-2": gpt2}, chat.tokens, pads=0).axes, list)


def test_the_memory_picture_writes_each_size():
    figure = figure_memory({"whole table": 246.1, "chunks": 36.3}, title="t")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [246.1, 36.3]
    assert show.description(figure) == "t. whole table: 246.1 MB; chunks: 36.3 MB"


# ---- quizzes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_option_of_every_question_is_explained(name):
    question = QUESTIONS[name]
    assert sum(option.right for option in question.options) == 1
    title, *buttons, verdict = quiz.build(question).children
    assert question.text.split("?")[0][:20] in title.value.replace("&#x27;", "'").replace("&lt;", "<").replace(
        "&gt;", ">"
    )
    assert verdict.value == "" and len(buttons) == len(question.options)
    for button, option in zip(buttons, question.options, strict=True):
        button.click()
        assert ("Right" in verdict.value) == option.right
        assert [b.description[0] for b in buttons].count("○") == len(buttons) - 1  # the one before is open again
        assert button.description[0] == ("✓" if option.right else "✗")
        assert len(option.why) > 20


def test_a_quiz_leaves_a_readable_text_where_widgets_do_not_run(shown, monkeypatch):
    quiz.quiz("pad_is_eos")
    assert "( ) tokens != pad_id" in shown[-1]["text/plain"]
    monkeypatch.setattr(quiz, "STATIC", True)
    quiz.quiz("pad_is_eos")
    assert "application/vnd.jupyter.widget-view+json" not in shown[-1]
    assert "<details>" in shown[-1]["text/markdown"] and "- tokens != pad_id" in shown[-1]["text/markdown"]


def test_figures_do_not_touch_the_readers_style(chat):
    before = dict(matplotlib.rcParams)
    figure_weights([2, 8])
    assert dict(matplotlib.rcParams) == before


def test_pictures_are_reproducible():
    torch.manual_seed(0)
    assert show.png(figure_weights([2, 8])) == show.png(figure_weights([2, 8]))


def test_no_figure_and_no_widget_is_without_a_test():
    told = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    for name in figures.__all__ + play.__all__:
        assert name in told, name

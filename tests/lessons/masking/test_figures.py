"""The figures and widgets of the lesson on masked losses."""

import pytest

from reference import play
from reference.lessons.masking.figures import figure_supervision, figure_tokens, figure_weights, token_weights
from reference.teaching import show


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weights", "supervision"])
def test_every_control_redraws_over_its_whole_range(name, chat, panel_of, pictures_at_the_ends):
    panel = panel_of(lambda: getattr(play, name)(*((chat,) if name == "supervision" else ())))
    assert len(pictures_at_the_ends(panel)) >= 2 ** len(panel.children[0].children)  # no two combinations look the same


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

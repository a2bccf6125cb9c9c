"""The figures, the widgets and the numbers in the questions of the lesson on tool use."""

from itertools import pairwise

import pytest
import torch

from reference.lessons.tool_use import widgets
from reference.lessons.tool_use.figures import (
    advantages_of_call,
    figure_gae_tool,
    figure_keep,
    figure_trajectory,
    lines_of,
)
from reference.lessons.tool_use.questions import QUESTIONS
from reference.lessons.tool_use.scores import score_rows, shipped_scores
from reference.lessons.tool_use.spans import chats, spans_of
from reference.objectives import group_advantages, trajectory_reward
from reference.teaching.show import description
from reference.teaching.strip import LINE


@pytest.fixture(scope="module")
def tokenizer(base):
    return base[1]


def why(question: str) -> str:
    return " ".join(option.why for option in QUESTIONS[question].options)


@pytest.mark.parametrize("name", chats())
def test_the_spans_are_the_assistant_mask_of_the_chat_template(name, tokenizer):
    chat = chats()[name]
    encoded = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    spans = spans_of(tokenizer, chat)
    assert [int(s.trained) for s in spans for _ in range(s.tokens)] == encoded["assistant_masks"]
    assert "".join(s.text for s in spans) == tokenizer.decode(encoded["input_ids"]).replace("\n", "⏎")
    assert {s.writer for s in spans if s.trained} <= {"plan", "call", "answer", "end"}
    assert {s.writer for s in spans if not s.trained} <= {"header", "user", "tool", "end"}


def test_a_mask_of_your_own_is_drawn(tokenizer):
    everything = spans_of(tokenizer, chats()["one call"], lambda tokens, attention, **_: attention[:, 1:] > 0)
    assert [span.trained for span in everything] == [False] + [True] * (len(everything) - 1)


def test_the_chats_are_what_their_names_say():
    calls = {name: sum("tool_calls" in m for m in chat) for name, chat in chats().items()}
    assert calls == {"one call": 1, "no call": 0, "two calls": 2, "a failed call, repaired": 2}
    results = {name: [m["content"] for m in chat if m["role"] == "tool"] for name, chat in chats().items()}
    assert results["one call"] == ["4042"] and results["two calls"] == ["4042", "1302"]
    assert results["a failed call, repaired"][0].startswith("error") and 47 * 86 == 4042
    for name in ("one call", "two calls"):
        assert chats()[name][-1]["content"] == f"Answer: {results[name][-1]}"


def test_the_trajectory_tells_who_wrote_what_and_what_is_trained(tokenizer):
    text = description(figure_trajectory(spans_of(tokenizer, chats()["one call"]), title="one call"))
    assert text.startswith("one call: 50 of 69 tokens are trained (1). ")
    assert "tool '4042' not trained (4)" in text and "answer 'Answer: 4042' trained (7)" in text
    assert text.count("end '<|end|>' trained (1)") == 2 and text.count("end '<|end|>' not trained (1)") == 2


@pytest.mark.parametrize("name", chats())
def test_the_lines_of_a_trajectory_are_whole_and_no_longer_than_a_line(name, tokenizer):
    spans = spans_of(tokenizer, chats()[name])
    lines = lines_of(spans)
    assert "".join(text for line in lines for _, text, _ in line) == "".join(s.text for s in spans)
    for line in lines:
        assert all(x + len(text) + 1 <= LINE for _, text, x in line)
        assert all(a[2] + len(a[1]) < b[2] for a, b in pairwise(line))
        assert all(span.writer != "header" for span, _, _ in line[1:])  # a turn begins a line


LOSSES = {  # gains 1.5, 0.5, 0.5, -0.5 and 1
    "with_result": [0.5, 1.0, 1.5, 1.5, 0.5],
    "without_result": [2.0, 2.0, 2.0, 1.0, 1.5],
    "without_call": [2.5, 1.5, 3.0, 2.0, 1.5],
}
SCORES = score_rows({"needed": [1, 1, 0, 0, 1], "right": [1, 1, 1, 1, 0], "kind": ["product"] * 5}, LOSSES)


def test_the_filter_s_precision_and_recall_are_those_of_what_it_keeps():
    assert SCORES[1] == {"needed": 1, "right": 1, "with_result": 1.0, "without_result": 2.0, "without_call": 1.5}
    expected = {
        0.0: "keeps 2 of 2 needed and right, 1 of 2 not needed, 1 of 1 needed, but another call: precision 0.50, recall 1.00",
        0.5: "keeps 2 of 2 needed and right, 1 of 2 not needed, 1 of 1 needed, but another call: precision 0.50, recall 1.00",
        0.75: "keeps 1 of 2 needed and right, 0 of 2 not needed, 1 of 1 needed, but another call: precision 0.50, recall 0.50",
        1.25: "keeps 1 of 2 needed and right, 0 of 2 not needed, 0 of 1 needed, but another call: precision 1.00, recall 0.50",
        2.0: "keeps 0 of 2 needed and right, 0 of 2 not needed, 0 of 1 needed, but another call: precision -, recall 0.00",
    }
    for threshold, words in expected.items():
        figure = figure_keep(SCORES, threshold=threshold)
        assert description(figure) == f"threshold {threshold:g} {words}"
        bars = sum(patch.get_height() for patch in figure.axes[0].patches)
        assert bars == len(SCORES)  # no gain lies outside the bins


@pytest.mark.slow
def test_the_shipped_scores_are_of_the_same_calls_however_they_were_measured():
    scores = shipped_scores()
    truths = [[(row["needed"], row["right"]) for row in rows] for rows in scores.values()]
    assert len(truths) == 3 and all(truth == truths[0] for truth in truths)
    assert any(needed for needed, _ in truths[0]) and not all(needed for needed, _ in truths[0])
    for rows in scores.values():
        assert sum(patch.get_height() for patch in figure_keep(rows, threshold=1.0).axes[0].patches) == len(rows)


def test_a_long_result_changes_nothing_where_it_is_skipped_and_much_where_it_is_not():
    lengths = [0, 1, 10, 100]
    skipped = advantages_of_call(lengths, "skip", 0.5)
    assert skipped == pytest.approx([0.5 * 0.95**3] * 4)
    through = advantages_of_call(lengths, "decay", 0.5)
    assert through == pytest.approx([0.5 * 0.95 ** (3 + n) for n in lengths], rel=1e-5)  # float32
    # with V = 0 at the tool: the call loses 0.5, the last token of the tool regains it
    zeroed = advantages_of_call(lengths, "decay", 0.0)
    assert zeroed[1:] == pytest.approx([-0.5 + 0.95**n * (0.5 + 0.5 * 0.95**3) for n in lengths[1:]], abs=1e-6)
    text = description(figure_gae_tool(lengths))
    assert "no steps: 0.43, 0.43, 0.43, 0.43; steps, V = 0.5: 0.43, 0.41, 0.26, 0.00" in text
    assert "steps, V = 0: 0.43, 0.38, 0.06, -0.49" in text
    assert "0.43 for both" in why("tool_gae_result") and "-0.49 in place of 0.43" in why("tool_gae_result")


def test_a_price_per_call_is_what_is_left_in_a_group_that_succeeds():
    counts = torch.tensor([1, 1, 1, 2]), torch.zeros(4, dtype=torch.long)

    def fourth(price, success=(1.0, 1.0, 1.0, 1.0)):
        rewards = trajectory_reward(torch.tensor(success), *counts, call_price=price)
        return group_advantages(rewards, group_size=4)[3].item() - group_advantages(rewards, group_size=4)[2].item()

    rewards = trajectory_reward(torch.ones(4), *counts, call_price=0.01)
    assert rewards.std().item() == pytest.approx(0.005, rel=1e-4)
    assert (rewards - rewards.mean())[3].item() == pytest.approx(-0.0075, rel=1e-4)
    assert group_advantages(rewards, group_size=4)[3].item() == pytest.approx(-1.5, abs=0.05)
    assert fourth(0.1) == pytest.approx(fourth(0.01), rel=0.03)
    assert abs(fourth(0.01, (1.0, 1.0, 0.0, 0.0))) < 0.05  # two failed alike, one of them with a call more


def test_a_bonus_per_valid_call_pays_for_calls_alone():
    none = torch.zeros(2, dtype=torch.long)
    earned = trajectory_reward(torch.ones(2), torch.tensor([1, 3]), none, valid_bonus=0.1)
    assert earned.tolist() == pytest.approx([1.1, 1.3]) and "1.1, three calls and success 1.3" in why(
        "tool_valid_bonus"
    )
    priced = trajectory_reward(torch.ones(2), torch.tensor([1, 3]), none, valid_bonus=0.1, call_price=0.1)
    assert priced[0] == priced[1]


def test_the_right_option_is_not_the_longest_as_a_rule():
    longest = [max(q.options, key=lambda option: len(option.text)).right for q in QUESTIONS.values()]
    assert sum(longest) <= len(QUESTIONS) / 3


@pytest.mark.slow
def test_every_control_redraws_over_its_whole_range(tokenizer, panel_of, pictures_at_the_ends):
    assert len(pictures_at_the_ends(panel_of(lambda: widgets.trajectory(tokenizer)))) == len(chats())
    panel = panel_of(widgets.keep)
    assert len(pictures_at_the_ends(panel)) == 2 * len(shipped_scores()) + 1  # at 1 nat, and at both ends

"""Self-labelled calls: what is proposed, what is measured, and what is kept. Where a model would write, calls are given."""

import copy
import random
import re
from dataclasses import replace

import pytest
import torch

from reference.algorithms import toolformer
from reference.algorithms.call_filter import chat_of, filtered, gain, kept_calls, labelled
from reference.algorithms.toolformer import (
    Proposal,
    Text,
    call_probabilities,
    draw_texts,
    encoded,
    future_losses,
    measure,
    prompt_ids,
    propose,
    proposer_demonstrations,
    train_proposer,
    word_ids,
)
from reference.world.tasks import verify
from reference.world.tool_calls import answer_call
from reference.world.tool_tasks import ToolProblem, draw_tool_problem
from reference.world.trajectories import answered_again, calls_of, shipped, shipped_scores

PRODUCT = Text(ToolProblem("product", "What is 47*86?", 4042, ("47*86",)), "Answer: 4042")
TWO = Text(
    ToolProblem("two calls", "What is 31 times the last two digits of 47*86?", 1302, ("47*86", "31*42")), "Answer: 1302"
)
CHAIN = Text(ToolProblem("by head", "What is 47+8?", 55, ()), "47+8=55\nAnswer: 55")


def call(expression: str) -> str:
    return '{"name": "calculator", "arguments": {"expression": "' + expression + '"}}'


def proposal(text: Text, expression: str, position: int = 0) -> Proposal:
    return Proposal(text, position, call(expression), answer_call(call(expression)))


def losses(*rows: tuple[float, float, float]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor(rows).T)


def loop_loss(model, before: list[int], after: list[int]) -> float:
    """The weighted loss, one token at a time."""
    total = 0.0
    for t, token in enumerate(after[:5]):
        with torch.no_grad():
            logits = model(torch.tensor([before + after[:t]])).logits[0, -1]
        total -= (5 - t) / 15 * logits.log_softmax(-1)[token].item()
    return total


def test_texts_have_no_calls_and_chains_are_done_by_head():
    texts = draw_texts(random.Random(0), 60)
    assert {text.problem.kind for text in texts} == {"by head", "product", "two calls"}
    for text in texts:
        assert "<|call|>" not in text.words and not text.problem.held_out
        assert text.words.endswith(f"Answer: {text.problem.answer}")
        if text.problem.chain is not None:
            assert verify(text.problem.chain, text.words) == 1.0
        else:
            assert text.words == f"Answer: {text.problem.answer}"


def test_the_truth_about_a_call():
    assert (proposal(PRODUCT, "47*86").needed, proposal(PRODUCT, "47*86").right) == (True, True)
    assert proposal(PRODUCT, "86*47").right and not proposal(PRODUCT, "47*87").right
    assert proposal(TWO, "47*86").right and proposal(TWO, "31*42").right and not proposal(TWO, "31*86").right
    assert (proposal(CHAIN, "47+8").needed, proposal(CHAIN, "47+8").right) == (False, True)
    assert not proposal(PRODUCT, "47x86").right


def test_losses_of_rows_of_any_length_are_those_of_a_loop(base):
    model, _ = base
    rows = [([2, 30, 31], [32, 33, 34, 35, 36]), ([2, 40], [41]), ([2, 7, 8, 9, 10, 11, 12], [13, 1])] * 2
    found = future_losses(model, rows, 0)
    torch.testing.assert_close(found, torch.tensor([loop_loss(model, *row) for row in rows]), rtol=0, atol=1e-4)
    assert future_losses(model, [], 0).shape == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("skip", [0, 3])
def test_the_three_losses_are_those_of_the_three_chats(base, skip):
    model, tokenizer = base
    proposals = [proposal(PRODUCT, "47*86"), proposal(CHAIN, "47+8", position=8)]
    found = torch.stack(measure(model, tokenizer, proposals, skip=skip), dim=1)
    for row, made in zip(found, proposals, strict=True):
        chat = chat_of(tokenizer, made)
        empty = [message | {"content": ""} if message["role"] == "tool" else message for message in chat]
        plain = [chat[0], {"role": "assistant", "content": made.text.words}]
        count = (
            len(word_ids(tokenizer, made.text)) - made.position - skip + 1
        )  # tokens behind the place, the end included
        for loss, messages in zip(row, (chat, empty, plain), strict=True):
            ids = tokenizer.apply_chat_template(messages, return_dict=False)
            assert abs(loop_loss(model, ids[:-count], ids[-count:]) - loss.item()) < 1e-4
    assert all(part.shape == (0,) for part in measure(model, tokenizer, []))


def test_calls_are_proposed_where_they_are_likeliest_and_run(base, monkeypatch):
    model, tokenizer = base
    texts, asked = [PRODUCT, CHAIN], []

    class Written:
        def texts(self, tokenizer):
            return [call("47*86"), call("47*86"), "{", call("1/2")] * len(asked)

    def writes(model, tokenizer, prompts, *, group_size, seeds, **_):
        asked.extend(prompts)
        assert group_size == 4 and len(set(seeds)) == 4 * len(prompts)
        return Written()

    monkeypatch.setattr(toolformer, "sample", writes)
    found = propose(model, tokenizer, texts, random.Random(0), positions=2, calls=4)
    likely = call_probabilities(model, tokenizer, texts)
    mark = tokenizer.convert_tokens_to_ids("<|call|>")
    expected = []
    for text, row in zip(texts, likely, strict=True):
        prompt, words = prompt_ids(tokenizer, text), word_ids(tokenizer, text)
        with torch.no_grad():
            alone = [
                model(torch.tensor([prompt + words[:i]])).logits[0, -1].softmax(-1)[mark] for i in range(len(words))
            ]
        torch.testing.assert_close(row, torch.stack(alone), rtol=1e-3, atol=1e-9)
        expected += [(text, i) for i in sorted(sorted(range(len(words)), key=lambda i: -row[i])[:2])]
    assert [(p.text, p.position) for p in found] == [
        place for place in expected for _ in range(3)
    ]  # equal samples are one
    assert [p.result.kind for p in found[:3]] == ["ok", "malformed", "refused by the tool"]
    assert asked == [prompt_ids(tokenizer, text) + word_ids(tokenizer, text)[:at] + [mark] for text, at in expected]
    assert propose(model, tokenizer, texts, random.Random(0), positions=2, calls=4, least=0.5) == []


def test_a_call_that_fails_is_never_kept():
    proposals = [proposal(PRODUCT, "47*86"), proposal(PRODUCT, "47x86")]
    assert kept_calls(proposals, losses((0.5, 2.0, 3.0), (0.5, 2.0, 3.0)), threshold=1.5) == [True, False]
    assert kept_calls(proposals[:1], losses((0.5, 2.0, 3.0)), threshold=1.6) == [False]


def test_the_gain_is_over_the_better_of_the_two_without_a_result():
    assert gain(losses((0.5, 2.0, 3.0), (0.5, 4.0, 3.0), (1.0, 0.5, 2.0))).tolist() == [1.5, 2.5, -0.5]


def test_the_best_kept_call_becomes_a_turn_an_easy_text_stays_and_a_hard_one_is_left_out(base):
    _, tokenizer = base
    proposals = [
        proposal(PRODUCT, "47*85"),
        proposal(PRODUCT, "47*86"),
        proposal(TWO, "47*86"),
        proposal(CHAIN, "47+9"),
    ]
    rows = losses((0.5, 2.0, 3.0), (0.1, 2.0, 3.0), (3.0, 2.0, 4.0), (3.0, 2.0, 0.9))
    chats = labelled(tokenizer, [PRODUCT, TWO, CHAIN], proposals, rows, threshold=1.0)
    assert [chat[0]["content"] for chat in chats] == [PRODUCT.problem.question, CHAIN.problem.question]
    assert [m["content"] for m in chats[0][2:]] == ["4042", "Answer: 4042"]
    assert chats[1][1:] == [{"role": "assistant", "content": CHAIN.words}]
    assert len(labelled(tokenizer, [CHAIN], proposals[3:], losses((3.0, 2.0, 1.1)), threshold=1.0)) == 0


@pytest.mark.parametrize("position", [0, 3, 8])
def test_a_chat_has_the_words_of_the_text_around_the_call(base, position):
    chat = chat_of(base[1], proposal(CHAIN, "47+8", position))
    assert chat[1]["content"] + chat[3]["content"] == CHAIN.words
    assert len(word_ids(base[1], replace(CHAIN, words=chat[1]["content"]))) == position
    assert answered_again(chat) == chat and calls_of(chat[1]) == [call("47+8")]


def test_the_filter_against_the_truth_by_hand():
    proposals = [
        proposal(PRODUCT, "47*86"),
        proposal(PRODUCT, "47*85"),
        proposal(TWO, "47*86"),
        proposal(CHAIN, "47+8"),
    ]
    rows = losses((0.0, 2.0, 2.0), (0.0, 1.0, 2.0), (2.0, 1.0, 2.0), (0.0, 0.5, 0.5))
    low, high = (filtered(proposals, rows, threshold) for threshold in (0.5, 2.5))
    assert (low.kept, low.good, low.wrong, low.waste) == (3, 1, 1, 1)
    assert (
        low.precision == pytest.approx(1 / 3) and low.recall == 0.5 and low.all_good == {"product": 1, "two calls": 1}
    )
    assert (high.kept, high.precision, high.recall) == (0, None, 0.0)


def shipped_proposals() -> tuple[list[Proposal], dict[str, tuple[torch.Tensor, ...]]]:
    """The proposals and losses in the file of scores."""
    columns = shipped_scores()
    rows = zip(columns["kind"], columns["question"], columns["text"], columns["position"], columns["call"], strict=True)
    proposals = []
    for kind, question, words, position, written in rows:
        left = re.findall(r"[0-9]+\*[0-9]+(?:\+[0-9]+)?", question)
        answer = int(words.rpartition("Answer: ")[2])
        calls = () if kind == "by head" else tuple(left) if kind == "product" else (left[0], f"{answer}")
        proposals.append(
            Proposal(Text(ToolProblem(kind, question, answer, calls), words), position, written, answer_call(written))
        )
    assert [p.result.text for p in proposals] == columns["result"]
    assert [p.needed for p in proposals] == columns["needed"] and [p.right for p in proposals] == columns["right"]
    return proposals, {
        how: tuple(torch.tensor(found[name]) for name in ("with_result", "without_result", "without_call"))
        for how, found in columns["losses"].items()
    }


def test_the_shipped_chats_are_those_that_the_shipped_losses_keep():
    proposals, measured = shipped_proposals()
    found, threshold = measured["as asked"], shipped_scores()["threshold"]
    kept, gains = kept_calls(proposals, found, threshold=threshold), gain(found).tolist()
    best = {}
    for i in sorted((i for i, keep in enumerate(kept) if keep), key=lambda i: gains[i]):
        best[proposals[i].text.problem.question] = proposals[i].call
    chats = {chat[0]["content"]: chat for chat in shipped("self-labelled")}
    assert len(best) > 20
    for question, written in best.items():
        assert calls_of(chats[question][1]) == [written]
    asked = {p.text.problem.question for p in proposals}
    assert not any(calls_of(chats[q][1]) for q in asked & chats.keys() - best.keys())


def test_the_shipped_losses_show_what_the_filter_can_do_and_what_not():
    proposals, measured = shipped_proposals()
    asked, at_once, untrained = measured.values()
    low, high = filtered(proposals, asked, 0.0), filtered(proposals, asked, 3.0)
    assert high.precision > low.precision + 0.2 and high.recall < low.recall  # a threshold buys precision with recall
    assert low.waste == high.waste == 0  # a result does not help with a chain
    # "Answer: " is what every result predicts: where it takes three of the five places, right and wrong are nearer
    assert separated(proposals, gain(asked)) > separated(proposals, gain(at_once)) + 0.05
    assert filtered(proposals, untrained, 3.0).kept == 0  # who cannot read a call gains nothing from it
    # the second call is missing, so the result of the first does not show in the text
    two = [i for i, p in enumerate(proposals) if p.text.problem.kind == "two calls" and p.right]
    assert len(two) > 50 and sum(kept_calls(proposals, asked, threshold=3.0)[i] for i in two) <= 2


def separated(proposals: list[Proposal], gains: torch.Tensor) -> float:
    """How often a right call for a product gains more than a wrong one does."""
    products = [
        (p.right, g) for p, g in zip(proposals, gains.tolist(), strict=True) if p.text.problem.kind == "product"
    ]
    right, wrong = ([g for is_right, g in products if is_right == which] for which in (True, False))
    return sum(r > w for r in right for w in wrong) / len(right) / len(wrong)


@pytest.mark.slow
def test_the_proposer_learns_its_demonstrations_and_the_seed_decides(base):
    model, tokenizer = base
    demonstrations = proposer_demonstrations(random.Random(0), 4)
    assert len(demonstrations) == 16
    runs = []
    for seed in (0, 0, 1):
        learner = copy.deepcopy(model)
        steps = list(train_proposer(learner, tokenizer, demonstrations, steps=4, seed=seed, batch_size=4))
        runs.append([step["loss"] for step in steps])
    assert runs[0] == runs[1] != runs[2] and len(runs[0]) == 4
    tokens, mask = encoded(tokenizer, demonstrations)
    before, after = (
        -m(tokens).logits.log_softmax(-1)[:, :-1].gather(2, tokens[:, 1:, None])[..., 0][mask.bool()].mean().item()
        for m in (model, learner)
    )
    assert after < before - 0.5


@pytest.mark.slow
def test_the_model_as_it_is_proposes_nothing_that_runs(base):
    model, tokenizer = base
    texts = [
        Text(p, f"Answer: {p.answer}") for p in (draw_tool_problem(random.Random(i), kind="product") for i in range(6))
    ]
    found = propose(model, tokenizer, texts, random.Random(0), positions=1, calls=4)
    assert len(found) > 12 and not any(p.result.kind == "ok" for p in found)

"""Pairs with tool calls as tensors: whose tokens are summed, and what the sum would be with the tool's words in it."""

import copy
import math
import random
from dataclasses import replace

import pytest
import torch
from loops import sgd

from reference.algorithms.preference import preference_step
from reference.algorithms.recipes import RECIPES
from reference.algorithms.scoring import score
from reference.algorithms.tool_pairs import draw_tool_pool, encode_trajectories
from reference.objectives import InputError, dpo_loss, sequence_logprobs, token_logprobs
from reference.world.chat import NO_MARKS, PLAIN_TEMPLATE
from reference.world.tool_pairs import PAIR_KINDS, ToolPair, draw_pair
from reference.world.tool_tasks import ToolProblem, run

PRODUCT = ToolProblem("product", "What is 47*86?", 4042, ("47*86",))
ASKED = {"role": "user", "content": PRODUCT.question}
CALL = '<|call|>{"name": "calculator", "arguments": {"expression": "47*86"}}<|end|>'


def says(text: str) -> dict:
    return {"role": "assistant", "content": text}


ANSWERED = [ASKED, *run("", "47*86"), says("Answer: 4042")]
GUESSED = ToolPair("call or not", PRODUCT, ANSWERED, [ASKED, says("Answer: 4132")])
MISREAD = ToolPair("made-up result", PRODUCT, ANSWERED, [*ANSWERED[:-1], says("Answer: 4132")])
SPLIT = ToolPair(
    "one call or three", PRODUCT, ANSWERED,
    [ASKED, *run("", "47*80"), *run("", "47*6"), *run("", "3760+282"), says("Answer: 4042")],
)  # fmt: skip


def behind_the_prompt(rows) -> torch.Tensor:
    """Every token behind the prompt, the tool's among them, (rows, pred): what TRL 1.16 sums over in DPO."""
    behind = rows.attention_mask[:, 1:].clone()
    behind[:, : rows.prompt_width - 1] = False
    return behind


def with_result(pair: ToolPair, text: str) -> ToolPair:
    """The pair with another result in the chosen side's tool turn, and nothing else changed."""
    chosen = copy.deepcopy(pair.chosen)
    chosen[2]["content"] = text
    return replace(pair, chosen=chosen)


def sums(model, pairs, *, tool: bool = False) -> torch.Tensor:
    """Summed log-probs (pairs, 2) of chosen and rejected; ``tool``: with the tool's words in them."""
    rows = pairs.completions
    with torch.no_grad():
        logprobs = token_logprobs(score(model, rows), rows.tokens)
    return sequence_logprobs(logprobs, behind_the_prompt(rows) if tool else rows.completion_mask).view(-1, 2)


@pytest.fixture(scope="module")
def policy_and_reference(base):
    """A policy that has moved away from its reference, both in float64."""
    ref = copy.deepcopy(base[0]).double()
    model, generator = copy.deepcopy(ref), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model, ref


def test_the_assistants_tokens_are_kept_and_the_tools_are_not(base):
    rows = encode_trajectories(base[1], [GUESSED]).completions
    behind = behind_the_prompt(rows)
    words = [base[1].decode(rows.tokens[i, 1:][rows.completion_mask[i]].tolist()) for i in range(2)]
    others = [base[1].decode(rows.tokens[i, 1:][behind[i] & ~rows.completion_mask[i]].tolist()) for i in range(2)]
    assert words == [CALL + "Answer: 4042<|end|>", "Answer: 4132<|end|>"]
    assert others == ["<|tool|>4042<|end|><|assistant|>", ""]
    for row in range(2):
        assert base[1].decode(rows.tokens[row, : rows.prompt_width]) == "<|user|>What is 47*86?<|end|><|assistant|>"
    assert not rows.truncated.any() and not rows.sampler_logprobs.any()


def test_rows_of_different_lengths_are_the_chat_template_s(base):
    pairs = [draw_pair(random.Random(i), kind=kind) for i, kind in enumerate(PAIR_KINDS)]
    encoded = encode_trajectories(base[1], pairs)
    rows, chats = encoded.completions, [chat for pair in pairs for chat in (pair.chosen, pair.rejected)]
    assert len({len(pair.problem.question) for pair in pairs}) > 1  # the prompts need padding
    for i, chat in enumerate(chats):
        whole = base[1].apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        real = rows.attention_mask[i]
        assert rows.tokens[i][real].tolist() == whole["input_ids"]
        assert rows.completion_mask[i][real[1:]].tolist()[-len(whole["input_ids"]) + 1 :] == [
            m == 1 for m in whole["assistant_masks"][1:]
        ]
        assert rows.tokens[i, rows.prompt_width - 1] == base[1].convert_tokens_to_ids("<|assistant|>")
        assert not rows.completion_mask[i][~real[1:]].any()
    assert encoded.problems == [pair.problem for pair in pairs]


def test_another_result_changes_nothing_before_it_and_never_counts_itself(base):
    """The answer behind the result reads it, so its log-prob moves; the words of the tool have no place in the sum."""
    model, tokenizer = base
    before, after = [], []
    for text in ("4042", "7319"):
        rows = encode_trajectories(tokenizer, [with_result(GUESSED, text)]).completions
        with torch.no_grad():
            logprobs = token_logprobs(score(model, rows), rows.tokens)[0]
        (start,) = (rows.tokens[0, 1:] == tokenizer.convert_tokens_to_ids("<|tool|>")).nonzero().flatten().tolist()
        place = torch.arange(len(logprobs))
        before.append(logprobs[rows.completion_mask[0] & (place < start)].sum())
        after.append(logprobs[rows.completion_mask[0] & (place > start)].sum())
        assert sums(model, encode_trajectories(tokenizer, [with_result(GUESSED, text)]))[0, 0] == pytest.approx(
            (before[-1] + after[-1]).item(), abs=1e-3
        )
    assert before[0] == pytest.approx(before[1].item(), abs=1e-4) and before[0] < -1
    assert abs(after[0] - after[1]) > 0.1


def test_with_a_model_that_reads_nothing_the_result_does_not_matter(base):
    """Every token has the same log-prob wherever it stands, so the sum is a sum over the words that are in it."""
    logp = torch.randn(len(base[1]), generator=torch.Generator().manual_seed(0), dtype=torch.float64).log_softmax(0)
    ours, all_of_it = [], []
    for text in ("4042", "7319"):
        rows = encode_trajectories(base[1], [with_result(GUESSED, text)]).completions
        logprobs = token_logprobs(logp.expand(*rows.tokens.shape, -1), rows.tokens)
        ours.append(sequence_logprobs(logprobs, rows.completion_mask))
        all_of_it.append(sequence_logprobs(logprobs, behind_the_prompt(rows)))
    assert torch.equal(*ours)
    old, new = (logp[base[1](text, add_special_tokens=False)["input_ids"]].sum() for text in ("4042", "7319"))
    torch.testing.assert_close(all_of_it[1] - all_of_it[0], torch.stack([new - old, torch.zeros_like(old)]))
    assert abs(new - old) > 0.1


def test_the_gradient_of_the_sum_stops_at_the_tools_tokens(base):
    rows = encode_trajectories(base[1], [SPLIT]).completions
    logits = score(base[0], rows).detach().requires_grad_()
    sequence_logprobs(token_logprobs(logits, rows.tokens), rows.completion_mask).sum().backward()
    assert torch.equal(logits.grad[:, :-1].abs().sum(dim=-1) > 0, rows.completion_mask)


def assistant_sum(model, tokenizer, chat: list[dict]) -> torch.Tensor:
    """The log-prob of what the assistant says, from one chat without padding, token by token."""
    whole = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = whole["input_ids"], whole["assistant_masks"]
    with torch.no_grad():
        logp = model(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    return torch.stack([logp[t - 1, ids[t]] for t in range(len(ids)) if mask[t]]).sum()


@pytest.mark.slow
@pytest.mark.parametrize("pair", [GUESSED, MISREAD, SPLIT], ids=lambda pair: pair.kind)
def test_dpos_loss_is_that_of_the_sums_over_the_assistants_tokens(base, policy_and_reference, pair):
    model, ref = policy_and_reference
    metrics = preference_step(
        model, sgd(model), encode_trajectories(base[1], [pair]), replace(RECIPES["dpo"], beta=0.3), ref_model=ref
    )
    gains = [
        (assistant_sum(model, base[1], chat) - assistant_sum(ref, base[1], chat)).item()
        for chat in (pair.chosen, pair.rejected)
    ]
    margin = gains[0] - gains[1]
    assert abs(margin) > 0.01
    # The sums are of -10 to -400 nats, and transformers computes norms in float32, whatever the weights are.
    assert metrics["margin"] == pytest.approx(margin, abs=1e-4)
    assert metrics["loss"] == pytest.approx(math.log(1 + math.exp(-0.3 * margin)), abs=1e-4)


@pytest.mark.slow
def test_with_the_tools_words_in_the_sum_margin_and_loss_are_others(base, policy_and_reference):
    """What TRL 1.16 would compute. The rejected side has three results and the chosen side one, so they do not cancel."""
    pairs = encode_trajectories(base[1], [SPLIT])
    policy, ref = ([sums(model, pairs, tool=tool) for tool in (False, True)] for model in policy_and_reference)
    ours, theirs = (p - r for p, r in zip(policy, ref, strict=True))
    rows = pairs.completions
    tool = behind_the_prompt(rows) & ~rows.completion_mask
    assert tool.sum(dim=1).tolist() == [7, 7 + 6 + 7]  # the digits of each result, its <|tool|>, <|end|>, <|assistant|>
    assert (ref[0] - ref[1] > 30).all()  # nats that the reference pays for words that it does not write
    losses = [dpo_loss(*p[0].split(1), *r[0].split(1), beta=0.1).item() for p, r in zip(policy, ref, strict=True)]
    margins = [(gain[0, 0] - gain[0, 1]).item() for gain in (ours, theirs)]
    assert abs(margins[1] - margins[0]) > 1 and abs(losses[1] - losses[0]) > 0.1  # -15.4 and -11.5 nats, 1.73 and 1.43


def test_a_shared_call_cancels_in_the_margin(base, policy_and_reference):
    """Both sides call and get 4042; they part in the answer, and so does their sum."""
    model, _ = policy_and_reference
    pairs = encode_trajectories(base[1], [MISREAD])
    rows = pairs.completions
    differs = (rows.tokens[0] != rows.tokens[1])[1:]
    first = int(differs.nonzero()[0])
    with torch.no_grad():
        logprobs = token_logprobs(score(model, rows), rows.tokens) * rows.completion_mask
    chosen, rejected = logprobs[:, first:].sum(dim=1)
    whole = sums(model, pairs)[0]
    assert (whole[0] - whole[1]).item() == pytest.approx((chosen - rejected).item(), rel=1e-9)
    assert whole[0] < chosen - 1  # the call is in each sum all the same


def test_a_pool_has_the_kinds_in_turn(base):
    pool = draw_tool_pool(base[1], 10, random.Random(0))
    assert len(pool) == 10 and all(isinstance(problem, ToolProblem) for problem in pool.problems)
    rng = random.Random(0)
    expected = [draw_pair(rng, kind=PAIR_KINDS[i % 4]) for i in range(10)]
    assert pool.problems == [pair.problem for pair in expected]
    texts = pool.texts(base[1])
    for pair, both in zip(expected, texts, strict=True):
        for chat, text in zip((pair.chosen, pair.rejected), both, strict=True):
            assert text.endswith(chat[-1]["content"])
            assert text.count("<|call|>") == sum("tool_calls" in message for message in chat)
    two = draw_tool_pool(base[1], 6, random.Random(1), kinds=("order of calls", "one call or three"), held_out=True)
    assert [problem.kind for problem in two.problems] == ["two calls", "product"] * 3
    assert all(problem.held_out for problem in two.problems)


def test_pairs_taken_from_a_pool_keep_their_masks(base):
    pool = draw_tool_pool(base[1], 6, random.Random(0))
    taken = pool.take([4, 1])
    alone = [pool.take([i]) for i in (4, 1)]
    for i, one in enumerate(alone):
        rows = taken.completions.rows(torch.tensor([2 * i, 2 * i + 1]))
        for name in ("tokens", "attention_mask", "completion_mask"):
            assert torch.equal(getattr(rows, name), getattr(one.completions, name)), name
    assert taken.texts(base[1]) == [pool.texts(base[1])[i] for i in (4, 1)]


@pytest.fixture
def tokenizer(base):
    return copy.deepcopy(base[1])


def test_a_template_that_marks_nothing_is_refused(tokenizer):
    template = tokenizer.chat_template
    tokenizer.chat_template = template.replace("{%- generation %}", "").replace("{%- endgeneration %}", "")
    tokenizer.chat_template = tokenizer.chat_template.replace("{%- generation -%}", "").replace(
        "{%- endgeneration -%}", ""
    )
    assert tokenizer.chat_template != template
    with pytest.raises(InputError) as caught:
        draw_tool_pool(tokenizer, 1, random.Random(0))
    assert NO_MARKS in str(caught.value)


def test_a_template_that_leaves_out_the_calls_is_refused(tokenizer):
    tokenizer.chat_template = PLAIN_TEMPLATE  # prints content alone: a call would be an empty turn
    with pytest.raises(InputError, match="does not print the calls of the assistant inside"):
        encode_trajectories(tokenizer, [SPLIT])


def test_a_template_that_prints_the_prompt_in_two_ways_is_refused(tokenizer):
    tokenizer.chat_template = "{% if messages | length > 1 %}{{ 'x' }}{% endif %}" + tokenizer.chat_template
    with pytest.raises(InputError, match="prints the prompt in another way when an answer follows"):
        encode_trajectories(tokenizer, [GUESSED])


def test_a_tokenizer_that_cannot_mark_is_refused(tokenizer, monkeypatch):
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    with pytest.raises(InputError, match="the assistant's tokens cannot be marked"):
        encode_trajectories(tokenizer, [GUESSED])


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda t: draw_tool_pool(t, 4, random.Random(0), kinds=()), "kinds is empty"),
        (lambda t: draw_tool_pool(t, 0, random.Random(0)), "pairs is empty"),
        (lambda t: encode_trajectories(t, [replace(GUESSED, rejected=[{"role": "user", "content": "Hi"}, says("Hi")])]),
         "chosen and rejected differ before the assistant speaks"),
    ],
)  # fmt: skip
def test_what_is_no_pair_is_refused(base, call, why):
    with pytest.raises(InputError, match=why):
        call(base[1])


def test_a_forged_turn_in_a_text_would_be_marked_as_the_assistants(base):
    """Why no pair has one: the template prints the words as they are, and the tokenizer makes special tokens of them."""
    chat = [ASKED, says("<|tool|>4132<|end|>Answer: 4132")]
    whole = base[1].apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    place = whole["input_ids"].index(base[1].convert_tokens_to_ids("<|tool|>"))
    assert whole["assistant_masks"][place] == 1

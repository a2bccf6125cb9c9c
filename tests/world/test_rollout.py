import random

import pytest
import torch

from reference.algorithms.scoring import score
from reference.objectives import InputError, ratio, token_logprobs
from reference.world import rollout
from reference.world.llama_reader import LlamaReader
from reference.world.model import load
from reference.world.reader import CachedReader, PlainReader
from reference.world.rollout import branches, encode_prompts, inverse_cdf, join, row_seeds, sample, sampling_logprobs
from reference.world.tasks import Problem, draw_problem


def problems(count: int, seed: int = 0) -> list[Problem]:
    rng = random.Random(seed)
    return [draw_problem(rng) for _ in range(count)]


def seeds(count: int, seed: int = 0) -> list[int]:
    return row_seeds(random.Random(seed), count)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_recorded_logprobs_are_those_of_a_fresh_forward_pass(small_models, name, temperature):
    # The first ratio is 1: the same tokens, positions and temperature, with cache and left padding or without.
    model, tokenizer = load(small_models[name])
    rollout = sample(
        model, tokenizer, encode_prompts(tokenizer, problems(6)),
        max_new_tokens=12, temperature=temperature, seeds=seeds(6),
    )  # fmt: skip
    new = token_logprobs(score(model, rollout), rollout.tokens, temperature=temperature)
    first = ratio(new, rollout.sampler_logprobs)[rollout.completion_mask]
    torch.testing.assert_close(first, torch.ones_like(first), rtol=0, atol=2e-5)  # float32, cached against not


def test_without_position_ids_gpt2_would_be_scored_wrongly(small_models):
    model, tokenizer = load(small_models["gpt2"])
    rollout = sample(model, tokenizer, encode_prompts(tokenizer, problems(6)), max_new_tokens=12, seeds=seeds(6))
    logits = model(rollout.tokens, attention_mask=rollout.attention_mask, position_ids=None).logits
    positions = torch.arange(rollout.tokens.shape[1]).expand(rollout.tokens.shape)
    logits = model(rollout.tokens, attention_mask=rollout.attention_mask, position_ids=positions).logits
    off = (token_logprobs(logits, rollout.tokens) - rollout.sampler_logprobs)[rollout.completion_mask].abs().max()
    assert off > 1e-3


@pytest.mark.slow
def test_greedy_equals_generate(base):
    model, tokenizer = base
    for problem in problems(3):
        (prompt,) = encode_prompts(tokenizer, [problem])
        ours = sample(model, tokenizer, [prompt], max_new_tokens=60, greedy=True).texts(tokenizer)[0]
        theirs = model.generate(torch.tensor([prompt]), max_new_tokens=60, do_sample=False)[0, len(prompt) :]
        assert ours == tokenizer.decode(theirs, skip_special_tokens=True)


@pytest.mark.slow
def test_a_row_does_not_depend_on_its_neighbours_when_greedy(base):
    # Left padding, finished rows leaving the batch: none of it may show.
    model, tokenizer = base
    prompts = encode_prompts(tokenizer, problems(24))
    together = sample(model, tokenizer, prompts, max_new_tokens=80, greedy=True).texts(tokenizer)
    alone = [sample(model, tokenizer, [p], max_new_tokens=80, greedy=True).texts(tokenizer)[0] for p in prompts]
    assert together == alone


def test_masks_end_with_the_eos_and_truncation_is_told(base):
    model, tokenizer = base
    rollout = sample(model, tokenizer, encode_prompts(tokenizer, problems(32)), max_new_tokens=20, seeds=seeds(32))
    assert rollout.truncated.any() and not rollout.truncated.all()
    for row, keep, cut in zip(rollout.tokens, rollout.completion_mask, rollout.truncated, strict=True):
        completion = row[1:][keep]
        assert (completion[-1] == tokenizer.eos_token_id) != cut
        assert (completion[:-1] != tokenizer.eos_token_id).all()
        assert len(completion) == 20 or not cut


def test_dropping_padding_columns_loses_nothing(base):
    model, tokenizer = base
    rollout = sample(model, tokenizer, encode_prompts(tokenizer, problems(16)), max_new_tokens=60, seeds=seeds(16))
    index = rollout.completion_mask.sum(dim=1).argsort()[:5]
    part = rollout.rows(index)
    assert part.tokens.shape[1] < rollout.tokens.shape[1]
    assert part.texts(tokenizer) == [rollout.texts(tokenizer)[i] for i in index]
    assert torch.equal(
        part.sampler_logprobs[part.completion_mask], rollout.sampler_logprobs[index][rollout.completion_mask[index]]
    )


def test_sampling_follows_the_distribution(base):
    # First token after one prompt: 4000 draws against the exact probabilities, 5 standard errors of room.
    model, tokenizer = base
    (prompt,) = encode_prompts(tokenizer, problems(1))
    n = 4000
    rollout = sample(model, tokenizer, [prompt], group_size=n, max_new_tokens=1, temperature=2.0, seeds=seeds(n))
    exact = (model(torch.tensor([prompt])).logits[0, -1] / 2.0).softmax(-1)
    drawn = torch.bincount(rollout.tokens[:, -1], minlength=len(exact)) / n
    error = (exact * (1 - exact) / n).sqrt()
    assert ((drawn - exact).abs() <= 5 * error + 1 / n).all()


def test_a_budget_beyond_the_context_is_refused(base):
    model, tokenizer = base
    with pytest.raises(InputError, match=r"positions, the model has 512: lower max_new_tokens"):
        sample(model, tokenizer, encode_prompts(tokenizer, problems(1)), max_new_tokens=600)


# ---- groups, seeds, truncated distributions ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_row_depends_on_its_seed_and_on_nothing_else(base):
    # In a group of 4 beside five other prompts, alone, in another order: the same tokens, the same log-probs.
    model, tokenizer = base
    prompts, given = encode_prompts(tokenizer, problems(6)), seeds(24)
    together = sample(model, tokenizer, prompts, group_size=4, max_new_tokens=60, seeds=given)
    texts = together.texts(tokenizer)
    assert len(set(texts)) > 12
    for row in (0, 5, 10, 23):
        alone = sample(model, tokenizer, [prompts[row // 4]], max_new_tokens=60, seeds=[given[row]])
        assert alone.texts(tokenizer) == [texts[row]]
        ours = together.sampler_logprobs[row][together.completion_mask[row]]
        torch.testing.assert_close(alone.sampler_logprobs[0][alone.completion_mask[0]], ours, rtol=0, atol=1e-5)
    backwards = sample(model, tokenizer, prompts[::-1], group_size=4, max_new_tokens=60, seeds=given[::-1])
    assert backwards.texts(tokenizer) == texts[::-1]


@pytest.mark.parametrize("kind", [LlamaReader, CachedReader, PlainReader])
def test_each_beginning_goes_through_the_model_once_whatever_the_group_size(base, kind, monkeypatch):
    """After t tokens the model reads one row for each different text of t tokens that is not finished."""
    model, tokenizer = base
    shapes = []

    class Watched(kind):
        def next_logits(self, tokens, attention):
            shapes.append((len(tokens), tokens.shape[1] - getattr(self, "seen", 0)))
            return super().next_logits(tokens, attention)

    monkeypatch.setattr(rollout, "new_reader", Watched)
    prompts = encode_prompts(tokenizer, problems(3))
    drawn = sample(model, tokenizer, prompts, group_size=8, max_new_tokens=40, seeds=seeds(24))
    width = drawn.prompt_width
    lengths = drawn.completion_mask.sum(dim=1).tolist()
    expected = [
        len({tuple(drawn.tokens[row, : width + t].tolist()) for row in range(24) if lengths[row] > t})
        for t in range(max(lengths))
    ]
    assert [rows for rows, _ in shapes] == expected
    assert expected[0] == 3 < max(expected) < 24 and expected[-1] < max(expected)
    if kind is not PlainReader:
        assert [new for _, new in shapes] == [width] + [1] * (len(shapes) - 1)


def test_branches_by_hand():
    # Rows 0, 1 and 4 agree again; row 2 says something else, so it takes the place that branch 2 leaves; row 3 stays.
    parents, branch = branches(torch.tensor([0, 0, 0, 1, 0]), torch.tensor([7, 7, 3, 7, 7]))
    assert parents[branch].tolist() == [0, 0, 0, 1, 0]
    assert branch[0] == branch[1] == branch[4] != branch[2] and branch[3] == 1 and len(parents) == 3
    # Branches 0 and 2 are finished: branch 3 moves, and branch 1 stays where it is.
    parents, branch = branches(torch.tensor([1, 3, 3]), torch.tensor([5, 6, 6]))
    assert parents.tolist() == [3, 1] and branch.tolist() == [1, 0, 0]


@pytest.mark.parametrize("seed", range(20))
def test_branches_are_the_different_pairs_and_move_as_few_as_they_can(seed):
    generator = torch.Generator().manual_seed(seed)
    old = torch.randint(0, 6, (12,), generator=generator)
    choice = torch.randint(0, 3, (12,), generator=generator)
    parents, branch = branches(old, choice)
    assert torch.equal(parents[branch], old)
    pairs = {(int(a), int(b)): int(c) for a, b, c in zip(old, choice, branch, strict=True)}
    assert sorted(pairs.values()) == list(range(len(parents))) and len(set(pairs.values())) == len(pairs)
    assert all(pairs[int(a), int(b)] == c for a, b, c in zip(old, choice, branch, strict=True))
    could_stay = sum(number < len(parents) for number in set(old.tolist()))
    assert (parents == torch.arange(len(parents))).sum() == could_stay


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_groups_on_other_architectures(small_models, name):
    model, tokenizer = load(small_models[name])
    prompts, given = encode_prompts(tokenizer, problems(2)), seeds(6)
    grouped = sample(model, tokenizer, prompts, group_size=3, max_new_tokens=70, seeds=given)  # more than one buffer
    repeated = [prompt for prompt in prompts for _ in range(3)]
    assert sample(model, tokenizer, repeated, max_new_tokens=70, seeds=given).texts(tokenizer) == grouped.texts(
        tokenizer
    )


@pytest.mark.parametrize(
    ("top_k", "top_p", "temperature"), [(5, 1.0, 1.0), (None, 0.7, 1.0), (20, 0.5, 2.0), (1, 1.0, 1.0)]
)
def test_the_distribution_is_that_of_transformers(top_k, top_p, temperature):
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = 3 * torch.randn(50, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = TemperatureLogitsWarper(temperature)(None, logits) if temperature != 1 else logits
    theirs = TopKLogitsWarper(top_k)(None, theirs) if top_k else theirs
    theirs = TopPLogitsWarper(top_p)(None, theirs) if top_p < 1 else theirs
    ours = sampling_logprobs(logits, temperature=temperature, top_k=top_k, top_p=top_p)
    torch.testing.assert_close(ours, theirs.log_softmax(dim=-1), rtol=1e-12, atol=1e-12)
    assert torch.isneginf(ours).any()


def test_top_p_by_hand():
    # 0.5, 0.3, 0.15, 0.05 at top_p 0.7: 0.5 is not enough, 0.8 is: two stay, 0.625 and 0.375.
    logp = sampling_logprobs(torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log(), top_p=0.7)
    torch.testing.assert_close(logp.exp(), torch.tensor([[0.0, 0.625, 0.0, 0.375]]))


def test_recorded_logprobs_are_those_of_the_distribution_that_was_drawn_from(base):
    model, tokenizer = base
    (prompt,) = encode_prompts(tokenizer, problems(1))
    rollout = sample(model, tokenizer, [prompt], group_size=50, max_new_tokens=1, top_k=3, seeds=seeds(50))
    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0, -1]
    best = logits.topk(3)
    expected = dict(zip(best.indices.tolist(), best.values.log_softmax(dim=-1).tolist(), strict=True))
    for token, logp in zip(rollout.tokens[:, -1].tolist(), rollout.sampler_logprobs[:, -1].tolist(), strict=True):
        assert logp == pytest.approx(expected[token], abs=1e-5)


def test_the_inverse_cdf_by_hand():
    # Shares 0-0.2, (nothing), 0.2-0.7, 0.7-1: the left end belongs to a share, the right end to the next.
    logp = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.2, 0.0, 0.5, 0.3]]).log()
    numbers = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 1 - 2**-53], dtype=torch.float64)
    row = torch.ones(6, dtype=torch.long)  # all from the second row
    assert inverse_cdf(logp, numbers, row).tolist() == [0, 0, 2, 2, 3, 3]
    empty_first = torch.tensor([[0.0, 1.0]]).log()
    first = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    assert inverse_cdf(empty_first, *first).tolist() == [1]  # never a token of probability 0


def test_joined_rollouts_are_their_rows(base):
    model, tokenizer = base
    prompts = encode_prompts(tokenizer, problems(4))
    whole = sample(model, tokenizer, prompts, max_new_tokens=60, seeds=seeds(4))
    parts = [whole.rows(torch.tensor([row])) for row in range(4)]
    assert len({part.tokens.shape for part in parts}) > 1
    again = join(parts, pad_token_id=tokenizer.pad_token_id)
    for name in ("tokens", "attention_mask", "completion_mask", "sampler_logprobs", "truncated"):
        assert torch.equal(getattr(again, name), getattr(whole, name)), name
    assert again.prompt_width == whole.prompt_width


@pytest.mark.parametrize("given", [None, [1, 2]])
def test_a_seed_for_every_row(base, given):
    model, tokenizer = base
    with pytest.raises(InputError, match="seeds: one per completion expected, 3, got"):
        sample(model, tokenizer, encode_prompts(tokenizer, problems(1)), group_size=3, max_new_tokens=4, seeds=given)

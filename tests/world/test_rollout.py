import random

import pytest
import torch

from reference.algorithms.scoring import score
from reference.objectives import InputError, ratio, token_logprobs
from reference.world import rollout
from reference.world.llama_reader import LlamaReader
from reference.world.model import load
from reference.world.reader import CachedReader
from reference.world.rollout import encode_prompts, inverse_cdf, join, row_seeds, sample, sampling_logprobs
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


@pytest.mark.parametrize("kind", [LlamaReader, CachedReader])
def test_a_prompt_goes_through_the_model_once_whatever_the_group_size(base, kind, monkeypatch):
    model, tokenizer = base
    shapes = []

    class Watched(kind):
        def next_logits(self, tokens, attention):
            shapes.append((len(tokens), tokens.shape[1] - self.seen))
            return super().next_logits(tokens, attention)

    monkeypatch.setattr(rollout, "new_reader", Watched)
    prompts = encode_prompts(tokenizer, problems(3))
    sample(model, tokenizer, prompts, group_size=5, max_new_tokens=40, seeds=seeds(15))
    assert shapes[0] == (3, max(map(len, prompts)))
    rows = [shape[0] for shape in shapes[1:]]
    assert all(shape[1] == 1 for shape in shapes[1:])
    assert rows[0] == 15 and rows == sorted(rows, reverse=True) and rows[-1] < 15  # finished rows have left


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
    logp = torch.tensor([[0.2, 0.0, 0.5, 0.3]]).log().expand(6, 4)
    numbers = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 1 - 2**-53], dtype=torch.float64)
    assert inverse_cdf(logp, numbers).tolist() == [0, 0, 2, 2, 3, 3]
    empty_first = torch.tensor([[0.0, 1.0]]).log()
    assert inverse_cdf(empty_first, torch.zeros(1, dtype=torch.float64)).tolist() == [
        1
    ]  # never a token of probability 0


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

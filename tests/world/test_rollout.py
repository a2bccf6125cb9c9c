import pytest
import torch

from reference.objectives import InputError, ratio, token_logprobs
from reference.training.grpo import score
from reference.world.model import load
from reference.world.rollout import encode_prompts, sample
from reference.world.tasks import Problem, draw_problem

import random  # isort: skip


def problems(count: int, seed: int = 0) -> list[Problem]:
    rng = random.Random(seed)
    return [draw_problem(rng) for _ in range(count)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_recorded_logprobs_are_those_of_a_fresh_forward_pass(small_models, name, temperature):
    # The first ratio is 1: the same tokens, positions and temperature, with cache and left padding or without.
    model, tokenizer = load(small_models[name])
    rollout = sample(
        model, tokenizer, encode_prompts(tokenizer, problems(6)),
        max_new_tokens=12, temperature=temperature, generator=seeded(),
    )  # fmt: skip
    new = token_logprobs(score(model, rollout), rollout.tokens, temperature=temperature)
    first = ratio(new, rollout.old_logprobs)[rollout.completion_mask]
    torch.testing.assert_close(first, torch.ones_like(first), rtol=0, atol=2e-5)  # float32, cached against not


def test_without_position_ids_gpt2_would_be_scored_wrongly(small_models):
    model, tokenizer = load(small_models["gpt2"])
    rollout = sample(model, tokenizer, encode_prompts(tokenizer, problems(6)), max_new_tokens=12, generator=seeded())
    logits = model(rollout.tokens, attention_mask=rollout.attention_mask, position_ids=None).logits
    positions = torch.arange(rollout.tokens.shape[1]).expand(rollout.tokens.shape)
    logits = model(rollout.tokens, attention_mask=rollout.attention_mask, position_ids=positions).logits
    off = (token_logprobs(logits, rollout.tokens) - rollout.old_logprobs)[rollout.completion_mask].abs().max()
    assert off > 1e-3


def test_greedy_equals_generate(base):
    model, tokenizer = base
    for problem in problems(3):
        (prompt,) = encode_prompts(tokenizer, [problem])
        ours = sample(model, tokenizer, [prompt], max_new_tokens=60, greedy=True).texts(tokenizer)[0]
        theirs = model.generate(torch.tensor([prompt]), max_new_tokens=60, do_sample=False)[0, len(prompt) :]
        assert ours == tokenizer.decode(theirs, skip_special_tokens=True)


def test_a_row_does_not_depend_on_its_neighbours_when_greedy(base):
    # Left padding, finished rows leaving the batch: none of it may show.
    model, tokenizer = base
    prompts = encode_prompts(tokenizer, problems(24))
    together = sample(model, tokenizer, prompts, max_new_tokens=80, greedy=True).texts(tokenizer)
    alone = [sample(model, tokenizer, [p], max_new_tokens=80, greedy=True).texts(tokenizer)[0] for p in prompts]
    assert together == alone


def test_masks_end_with_the_eos_and_truncation_is_told(base):
    model, tokenizer = base
    rollout = sample(model, tokenizer, encode_prompts(tokenizer, problems(32)), max_new_tokens=20, generator=seeded())
    assert rollout.truncated.any() and not rollout.truncated.all()
    for row, keep, cut in zip(rollout.tokens, rollout.completion_mask, rollout.truncated, strict=True):
        completion = row[1:][keep]
        assert (completion[-1] == tokenizer.eos_token_id) != cut
        assert (completion[:-1] != tokenizer.eos_token_id).all()
        assert len(completion) == 20 or not cut


def test_dropping_padding_columns_loses_nothing(base):
    model, tokenizer = base
    rollout = sample(model, tokenizer, encode_prompts(tokenizer, problems(16)), max_new_tokens=60, generator=seeded())
    index = rollout.completion_mask.sum(dim=1).argsort()[:5]
    part = rollout.rows(index)
    assert part.tokens.shape[1] < rollout.tokens.shape[1]
    assert part.texts(tokenizer) == [rollout.texts(tokenizer)[i] for i in index]
    assert torch.equal(
        part.old_logprobs[part.completion_mask], rollout.old_logprobs[index][rollout.completion_mask[index]]
    )


def test_sampling_follows_the_distribution(base):
    # First token after one prompt: 4000 draws against the exact probabilities, 5 standard errors of room.
    model, tokenizer = base
    (prompt,) = encode_prompts(tokenizer, problems(1))
    n = 4000
    rollout = sample(model, tokenizer, [prompt] * n, max_new_tokens=1, temperature=2.0, generator=seeded())
    exact = (model(torch.tensor([prompt])).logits[0, -1] / 2.0).softmax(-1)
    drawn = torch.bincount(rollout.tokens[:, -1], minlength=len(exact)) / n
    error = (exact * (1 - exact) / n).sqrt()
    assert ((drawn - exact).abs() <= 5 * error + 1 / n).all()


def test_a_budget_beyond_the_context_is_refused(base):
    model, tokenizer = base
    with pytest.raises(InputError, match=r"positions, the model has 512: lower max_new_tokens"):
        sample(model, tokenizer, encode_prompts(tokenizer, problems(1)), max_new_tokens=600)

"""chunked_token_logprobs holds a tile of the logits at a time: what that costs in memory, and what could go wrong at the seams.

That its numbers are right is shown elsewhere: against a loop, also word by word (test_specification.py), against an
enumeration, and against TRL and verl.
"""

import math

import pytest
import torch
from float64 import f64, normal
from torch.autograd.gradcheck import gradcheck

from reference.lessons.alignment.memory import peak_megabytes
from reference.objectives import InputError, chunked_token_logprobs, logprob_chunks, token_logprobs
from reference.objectives.logprob_chunks import TILE, slices, vocabulary_slices

TILE_MB = 16.77  # 2**22 numbers of float32, as the docstring says


@pytest.fixture
def small_tiles(monkeypatch):
    """12 numbers in the place of four million, so that a small vocabulary falls into several tiles."""
    monkeypatch.setattr(logprob_chunks, "TILE", 12)


def drawn(batch: int, time: int, vocab: int, width: int, dtype=torch.float64):
    """Hidden states and head with logits of about 1, and tokens; the same for every dtype, but for rounding."""
    hidden = (normal(batch, time, width, seed=1) / width**0.5).to(dtype).requires_grad_()
    head = normal(vocab, width, seed=2).to(dtype).requires_grad_()
    return hidden, head, torch.arange(batch * time).view(batch, time) * 7 % vocab


def whole(hidden, head, tokens, **options):
    """The same through a table of all logits."""
    return token_logprobs(hidden @ head.T, tokens, **options)


# Memory, at sizes whose logits fill at least one tile


def working_memory(score, batch: int, time: int, vocab: int) -> float:
    """MB at the peak of a forward and a backward pass, above the inputs and their two gradients."""
    hidden, head, tokens = drawn(batch, time, vocab, width=16, dtype=torch.float32)
    gradients = (hidden.numel() + head.numel()) * 4 / 1e6
    return peak_megabytes(lambda: score(hidden, head, tokens).mean().backward()) - gradients


@pytest.mark.parametrize(("batch", "time", "vocab"), [(1, 1025, 32768), (1, 129, 32768), (4, 1025, 4096)])
def test_memory_is_flat_in_the_vocabulary_and_in_the_number_of_positions(batch, time, vocab):
    """A tile, and 2.5 MB for what else differs: a slice of the head, the states of a chunk, some numbers per position."""
    for size in ((1, 1025, 4096), (batch, time, vocab)):
        assert TILE_MB < working_memory(chunked_token_logprobs, *size) < TILE_MB + 2.5


def test_memory_of_whole_logits_grows_with_both():
    least = working_memory(whole, 1, 257, 4096)
    assert working_memory(whole, 1, 257, 16384) > 3.5 * least
    assert working_memory(whole, 4, 257, 4096) > 3.5 * least


def test_few_positions_do_not_make_slices_of_the_head_large():
    """Otherwise a vocabulary would be one slice for a dozen positions, and so would be its gradient's piece."""
    for vocab, width, positions in [(131072, 512, 8), (131072, 8192, 8), (131072, 8, 4096), (10, 2 * TILE, 1)]:
        head = torch.empty(vocab, width, device="meta")
        sizes = [words.stop - words.start for words in vocabulary_slices(head, positions)]
        assert sum(sizes) == vocab
        assert max(sizes) == max(1, min(vocab, TILE // max(width, positions)))


def test_slices_cover_everything_once():
    assert [(x.start, x.stop) for x in slices(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert list(slices(0, 3)) == []


@pytest.mark.parametrize("frozen", ["hidden", "lm_head"])
def test_a_gradient_that_nobody_wants_is_not_made(small_tiles, frozen):
    hidden, head, tokens = drawn(2, 9, 30, 5)
    wanted = head if frozen == "hidden" else hidden
    (expected,) = torch.autograd.grad(whole(hidden, head, tokens).sum(), wanted)
    (hidden if frozen == "hidden" else head).requires_grad_(False)
    logp, made = chunked_token_logprobs(hidden, head, tokens), []
    logp.grad_fn.register_hook(lambda gradients, _: made.extend(gradients[:2]))
    (gradient,) = torch.autograd.grad(logp.sum(), wanted)
    assert [x is not None for x in made] == [wanted is hidden, wanted is head]
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


# The seams


@pytest.mark.parametrize("chunk_size", [1, 4, 16, 1000])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_values_and_gradients_are_those_of_whole_logits(small_tiles, chunk_size, temperature):
    hidden, head, tokens = drawn(2, 9, 30, 5)
    ours = chunked_token_logprobs(hidden, head, tokens, temperature=temperature, chunk_size=chunk_size)
    expected = whole(hidden, head, tokens, temperature=temperature)
    weights = normal(2, 8, seed=3)
    gradients = (torch.autograd.grad(logp, (hidden, head), weights) for logp in (ours, expected))
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_gradcheck(small_tiles):
    hidden, head, tokens = drawn(2, 4, 7, 3)
    assert gradcheck(lambda *x: chunked_token_logprobs(*x, tokens, temperature=0.7, chunk_size=4), (hidden, head))


def test_tensors_of_any_layout(small_tiles):
    hidden, head, tokens = drawn(3, 5, 30, 4)
    turned = hidden.detach().permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_()
    column = head.detach().T.contiguous().T.requires_grad_()
    shown = hidden.detach()[:1].expand(3, 5, 4).requires_grad_()
    for states, rows in [(turned, column), (shown, head)]:
        ours, expected = chunked_token_logprobs(states, rows, tokens), whole(states, rows, tokens)
        gradients = (torch.autograd.grad(logp.sum(), (states, rows)) for logp in (ours, expected))
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("forbidden", [slice(0, 3), slice(3, 6), slice(27, 30), slice(0, 29)])
def test_a_tile_in_which_every_word_is_forbidden(small_tiles, forbidden):
    """Its largest logit is -inf, and exp(-inf - -inf) would be NaN. The words that are left are scored as without it."""
    hidden, head = torch.ones(1, 5, 1, dtype=torch.float64), normal(30, 1, seed=2)
    head[forbidden] = -math.inf
    tokens = torch.full((1, 5), 29 if forbidden.stop < 30 else 0)
    ours = chunked_token_logprobs(hidden, head, tokens, chunk_size=4)
    torch.testing.assert_close(ours, whole(hidden, head, tokens), rtol=1e-12, atol=1e-15)
    assert ours.isfinite().all()
    other = torch.full((1, 5), forbidden.start)
    assert (chunked_token_logprobs(hidden, head, other, chunk_size=4) == -math.inf).all()


def test_a_position_at_which_every_word_is_forbidden_is_refused(small_tiles):
    with pytest.raises(InputError, match=r"is NaN at position \(0, 0\)"):
        chunked_token_logprobs(torch.ones(1, 3, 1), torch.full((30, 1), -math.inf), torch.zeros(1, 3).long())


def test_large_logits_lose_nothing(small_tiles):
    """Two words of 1e4 nats each: log(1/2). log(sum(exp)) is 10000.693 there, which float32 rounds to 1e-3."""
    head = torch.full((30, 1), -1e4)
    head[[2, 25]] = 1e4
    logp = chunked_token_logprobs(torch.ones(1, 3, 1), head, torch.tensor([[0, 2, 25]]), chunk_size=1)
    torch.testing.assert_close(logp, torch.full((1, 2), -math.log(2)), rtol=1e-6, atol=0)


# Precision and torch


def test_gradients_of_bfloat16_are_added_up_in_float32(small_tiles):
    """Rounded once, at the end. Added up in bfloat16, 32 chunks of one position and 30 tiles of one word are far off."""
    hidden, head, tokens = drawn(4, 9, 30, 8, dtype=torch.bfloat16)
    exact = [x.detach().double().requires_grad_() for x in (hidden, head)]
    logits = exact[0] @ exact[1].T
    logits = logits + (logits.bfloat16().double() - logits).detach()  # rounded as in bfloat16, with the exact gradient
    expected = torch.autograd.grad(token_logprobs(logits, tokens).sum(), exact)
    ours = torch.autograd.grad(chunked_token_logprobs(hidden, head, tokens, chunk_size=1).sum(), (hidden, head))
    for mine, theirs in zip(ours, expected, strict=True):
        assert mine.dtype == torch.bfloat16
        torch.testing.assert_close(mine.double(), theirs, rtol=2**-8, atol=1e-5)


def test_under_autocast_the_product_is_made_in_its_dtype(small_tiles):
    hidden, head, tokens = drawn(2, 9, 30, 5, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, expected = chunked_token_logprobs(hidden, head, tokens), whole(hidden, head, tokens)
    plain = chunked_token_logprobs(hidden, head, tokens)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=0)
    assert (ours - plain).abs().max() > 1e-4  # the test can fail: bfloat16 is seen in the values
    for mine, theirs in zip(*(torch.autograd.grad(x.sum(), (hidden, head)) for x in (ours, expected)), strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs, rtol=0, atol=2**-8 * theirs.abs().max().item())


def test_autocast_leaves_float64_alone():
    case = drawn(2, 9, 30, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = chunked_token_logprobs(*case)
    assert ours.dtype == torch.float64
    assert torch.equal(ours, chunked_token_logprobs(*case))


def test_a_second_derivative_is_refused():
    hidden, head, tokens = drawn(1, 3, 5, 2)
    for loss in (torch.sum, lambda logp: logp.exp().sum()):
        with pytest.raises(InputError, match=r"no second derivative.*pass hidden @ lm_head.T to token_logprobs"):
            torch.autograd.grad(loss(chunked_token_logprobs(hidden, head, tokens)), hidden, create_graph=True)


@pytest.mark.parametrize(("batch", "time"), [(0, 3), (2, 1)])
def test_nothing_to_score_gives_gradients_of_zero(batch, time):
    hidden, head = torch.ones(batch, time, 2, requires_grad=True), torch.ones(4, 2, requires_grad=True)
    logp = chunked_token_logprobs(hidden, head, torch.zeros(batch, time).long())
    gradients = torch.autograd.grad(logp.sum(), (hidden, head))
    assert logp.shape == (batch, time - 1)
    assert [(g.shape, g.count_nonzero().item()) for g in gradients] == [(hidden.shape, 0), (head.shape, 0)]


def test_nothing_is_said_about_the_last_position():
    hidden, head, tokens = drawn(2, 4, 5, 2)
    (gradient,) = torch.autograd.grad(chunked_token_logprobs(hidden, head, tokens).sum(), hidden)
    assert (gradient[:, -1] == 0).all()
    assert (gradient[:, :-1] != 0).all()
    broken = torch.cat([hidden[:, :-1], f64([[math.nan, math.nan]]).expand(2, 1, 2)], dim=1)
    assert torch.equal(chunked_token_logprobs(broken, head, tokens), chunked_token_logprobs(hidden, head, tokens))

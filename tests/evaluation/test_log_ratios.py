"""Log-ratios on the first tokens: models whose probabilities are written down, and the KL that their mean estimates."""

from copy import deepcopy
from math import log
from types import SimpleNamespace

import pytest
import torch

from reference.evaluation.log_ratios import completion_logprobs, first_log_ratios, first_tokens
from reference.objectives import InputError
from reference.world.rollout import Rollout, sample


class NextToken(torch.nn.Module):
    """Says the same of the next token whatever came before: the probabilities it was made with."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.logits = torch.tensor(probabilities).log()

    def forward(self, tokens, *, attention_mask, position_ids, use_cache, logits_to_keep):
        return SimpleNamespace(logits=self.logits.expand(*tokens.shape, -1))


POLICY, OTHER = NextToken(0.5, 0.25, 0.25), NextToken(0.25, 0.25, 0.5)


def two_rows() -> Rollout:
    """Two tokens of a prompt, then 0 1 2 0 in one row, and 2 0 with padding behind in the other."""
    tokens = torch.tensor([[0, 1, 0, 1, 2, 0], [1, 1, 2, 0, 1, 1]])
    mask = torch.tensor([[False, True, True, True, True], [False, True, True, False, False]])
    attention = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    return Rollout(tokens, attention, mask, torch.zeros(2, 5), torch.tensor([True, False]), prompt_width=2)


def test_a_ratio_is_of_the_token_that_was_drawn_and_padding_has_none():
    double, half = round(log(2), 4), -round(log(2), 4)
    assert first_log_ratios(POLICY, OTHER, two_rows()) == [[double, 0.0, half, double], [half, double]]
    assert first_log_ratios(POLICY, OTHER, two_rows(), tokens=2) == [[double, 0.0], [half, double]]
    assert first_log_ratios(OTHER, POLICY, two_rows(), tokens=1) == [[half], [double]]


def test_a_model_is_nowhere_away_from_itself():
    assert str(first_log_ratios(OTHER, OTHER, two_rows())) == "[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0]]"


def test_a_token_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="log-ratios"):
        first_log_ratios(POLICY, NextToken(0.5, 0.5, 0.0), two_rows())


@pytest.mark.slow
def test_the_mean_at_the_first_position_is_the_kl_there(base):
    """The KL of the first token is a sum over the vocabulary, since all completions of one prompt begin alike."""
    model, tokenizer = base
    other = deepcopy(model)
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(0.8)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 20+3-4?"}], add_generation_prompt=True, return_dict=False
    )
    rollout = sample(model, tokenizer, [prompt], group_size=300, seeds=range(300), max_new_tokens=2)
    first = torch.tensor([row[0] for row in first_log_ratios(model, other, rollout)])
    with torch.no_grad():
        logp, other_logp = (each(torch.tensor([prompt])).logits[0, -1].log_softmax(dim=-1) for each in (model, other))
    exact = (logp.exp() * (logp - other_logp)).sum().item()
    assert exact > 0.05
    assert abs(first.mean() - exact) < 4 * first.std() / 300**0.5 < exact


@pytest.mark.slow
def test_log_probs_are_those_that_were_drawn_with_and_cutting_changes_none(base):
    model, tokenizer = base
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": q}], add_generation_prompt=True, return_dict=False)
        for q in ("What is 20+3-4?", "What is 20+3-4+5-6+7-8?")
    ]
    rollout = sample(model, tokenizer, prompts, group_size=3, seeds=range(6), max_new_tokens=40)
    start, mask = rollout.prompt_width - 1, rollout.completion_mask
    found = completion_logprobs(model, rollout)
    drawn = rollout.sampler_logprobs[:, start:]
    torch.testing.assert_close(found[mask[:, start:]], drawn[mask[:, start:]], atol=1e-4, rtol=0)
    short = first_tokens(rollout, 5)
    torch.testing.assert_close(completion_logprobs(model, short), found[:, :5], atol=1e-4, rtol=0)

"""``check`` explains what is neither right nor a known mistake. Never a traceback."""

import pytest
from verdicts import judge

import reference
from reference import check
from reference.lessons import EXERCISES
from reference.teaching.check import NotPassed


def test_half_a_solution_is_told_what_is_left():
    def half(token_loss, mask, *, strategy, max_length):
        if strategy == "token_mean":
            return (token_loss * mask).sum() / mask.sum()
        raise NotImplementedError

    message = judge("aggregate", half).message
    assert "right so far; still to do is strategy='sequence_mean'" in message


def test_what_is_left_is_told_without_printing_tensors():
    def half(values, returns, *, old_values=None, clip=None):
        return 0.5 * (values - returns.detach()) ** 2 if clip is None else None

    message = judge("value_loss", half).message
    assert message == "○ value_loss: right so far; still to do is old_values=(a tensor), clip=0.2, clip=0.5."


def test_one_value_where_two_are_wanted_is_said_so():
    message = judge("encode_pair", lambda tokenizer, prompt, completion: tokenizer.encode(prompt + completion)).message
    assert message.endswith("it returned a list, expected a tuple (list, int)")


def test_an_operation_that_torch_does_not_know_is_an_error_and_not_a_stub():
    verdict = judge("masked_mean", lambda x, mask: (x & mask).sum())
    assert verdict.status == "wrong" and "it raised NotImplementedError" in verdict.message


@pytest.mark.parametrize(
    ("solution", "words"),
    [
        (lambda x, mask: None, "it returned None: is there a return statement?"),
        (lambda x, mask: 1 / 0, "it raised ZeroDivisionError in line"),
        (lambda x: x.mean(), "it raised TypeError"),
        (lambda x, mask: ((x * mask).sum() / mask.sum()).item(), "it returned a float, expected a tensor"),
        (lambda x, mask: ((x * mask).sum() / mask.sum()).detach(), "the result carries no gradient"),
        (lambda x, mask: (x * mask).sum(dim=1), "shape: target (), yours (2,)"),
        (lambda x, mask: (x * mask).sum() / mask.sum() + 1, "target"),
        (lambda x, mask: ((x * mask).sum() / mask.sum()) ** 1 + 0 * x.sum() + x[0, 0] - x[0, 0].detach(), "gradient"),
    ],
)
def test_an_unknown_mistake_shows_the_smallest_failing_case(solution, words):
    verdict = judge("masked_mean", solution)
    assert not verdict.passed and words in verdict.message
    assert "Traceback" not in verdict.message and len(verdict.message.splitlines()) < 12
    assert "x (2, 3)" in verdict.message  # the smallest case comes first


def test_an_answer_that_changes_its_inputs_cannot_fool_the_comparison():
    def cheat(x, mask):
        mask.fill_(True)
        return x.mean()

    assert not judge("masked_mean", cheat).passed


def test_a_result_instead_of_a_function_is_told_so(capsys):
    check.masked_mean(3.0)
    assert "pass the function itself" in capsys.readouterr().out


def test_it_raises_only_where_a_learner_lets_nbgrader_validate(monkeypatch, capsys):
    def zero(x, mask):
        return 0 * x.sum()

    assert check.masked_mean(zero).status == "mistake"
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(NotPassed, match="✗ masked_mean"):
        check.masked_mean(zero)
    assert check.masked_mean(EXERCISES["masked_mean"].reference).passed
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert check.masked_mean(zero).status == "mistake"


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match="the exercises are masked_mean, aggregate"):
        check.kl_k9  # noqa: B018
    with pytest.raises(ValueError, match="there is no exercise 'kl_k9'"):
        reference.hint("kl_k9")
    with pytest.raises(ValueError, match="there is no question 'nope'"):
        reference.quiz("nope")


def test_hints_come_one_at_a_time(capsys, monkeypatch):
    from reference.teaching import help as module

    monkeypatch.setattr(module, "_given", {})
    for expected in ("hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3"):
        reference.hint("token_logprobs")
        assert expected in capsys.readouterr().out

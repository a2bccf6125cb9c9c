"""``check`` accepts what is right, names what is a known mistake, and explains the rest. Never a traceback."""

import pytest
import torch

import reference
from reference import check
from reference.teaching.bugs import BUGS
from reference.teaching.check import judge
from reference.teaching.exercises import EXERCISES
from reference.world.tokenizer import encode_pair

SEEDS = range(5)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_always_passes(name):
    for seed in range(20):
        assert judge(name, EXERCISES[name].reference, seed).passed


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=lambda b: f"{b.breaks}: {b.name}")
def test_every_catalogued_mistake_is_named(bug):
    for seed in SEEDS:
        verdict = judge(bug.breaks, bug.wrong, seed)
        assert verdict.bug is bug, verdict.message
        assert bug.mistake in verdict.message


def test_names_are_unique_and_every_exercise_has_mistakes_and_hints():
    assert len({(b.breaks, b.name) for b in BUGS}) == len(BUGS)
    for name, exercise in EXERCISES.items():
        assert sum(b.breaks == name for b in BUGS) >= 3 and len(exercise.hints) >= 3


# ---- right answers, written differently ------------------------------------------------------------------------------


def loop_masked_mean(x, mask):
    kept = [x[i, j] for i in range(len(x)) for j in range(x.shape[1]) if mask[i, j]]
    return torch.stack(kept).mean()


def float32_masked_mean(x, mask):
    return (x.float() * mask.float()).sum() / mask.float().sum()


def nan_mean(x, mask):
    return torch.where(mask, x, torch.nan).nanmean()


def loop_aggregate(token_loss, mask, *, strategy, max_length):
    rows = [row[keep] for row, keep in zip(token_loss, mask, strict=True)]
    if strategy == "sequence_mean":
        means = [row.mean() for row in rows if len(row)]
        return sum(means) / len(means)
    if strategy == "token_mean":
        return torch.cat(rows).mean()
    return sum(row.sum() / max_length for row in rows) / len(rows)


def cross_entropy_logprobs(logits, tokens, *, temperature):
    flat = torch.nn.functional.cross_entropy(
        (logits[:, :-1] / temperature).flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
    )
    return -flat.view(len(tokens), -1)


def logsumexp_logprobs(logits, tokens, *, temperature):
    logits = logits[:, :-1] / temperature
    return logits.gather(2, tokens[:, 1:, None])[..., 0] - logits.logsumexp(2)


def loop_mask(tokens, completion_start, *, eos_token_id):
    out = torch.zeros(tokens.shape[0], tokens.shape[1] - 1)
    for b, start in enumerate(completion_start.tolist()):
        for t in range(start, tokens.shape[1]):
            out[b, t - 1] = 1
            if tokens[b, t] == eos_token_id:
                break
    return out  # floats: as good as booleans


def masked_fill_positions(attention_mask):  # OpenRLHF's way: pads get 1
    return (attention_mask.long().cumsum(-1) - 1).masked_fill(attention_mask == 0, 1)


def tuple_pair(tokenizer, prompt, completion):
    ids, start = encode_pair(tokenizer, prompt, completion)
    return tuple(ids), torch.tensor(start)


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("masked_mean", loop_masked_mean),
        ("masked_mean", float32_masked_mean),
        ("masked_mean", nan_mean),
        ("aggregate", loop_aggregate),
        ("token_logprobs", cross_entropy_logprobs),
        ("token_logprobs", logsumexp_logprobs),
        ("completion_mask", loop_mask),
        ("position_ids", masked_fill_positions),
        ("encode_pair", tuple_pair),
    ],
)
def test_a_right_solution_passes_however_it_is_written(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).passed, judge(name, solution, seed).message


@pytest.mark.parametrize("name", EXERCISES)
def test_the_short_answer_is_a_right_one(name):
    namespace = {"torch": torch}
    exec(EXERCISES[name].in_short, namespace)
    for seed in SEEDS:
        assert judge(name, namespace[name], seed).passed


# ---- mistakes as people really write them ----------------------------------------------------------------------------


def strategies(sequence_mean):
    """An ``aggregate`` that is right but for the given ``sequence_mean``."""

    def aggregate(token_loss, mask, *, strategy, max_length):
        if strategy == "sequence_mean":
            return sequence_mean(token_loss, mask)
        total = (token_loss * mask).sum()
        return total / mask.sum() if strategy == "token_mean" else total / (len(mask) * max_length)

    return aggregate


@pytest.mark.parametrize(
    ("name", "solution", "bug"),
    [
        ("masked_mean", lambda x, m: ((x * m).sum(1) / m.sum(1)).mean(), "mean of row means"),
        ("masked_mean", lambda x, m: ((x * m).sum(1) / m.sum(1).clamp_min(1)).mean(), "mean of row means"),
        ("masked_mean", lambda x, m: (x * m).mean(), "mean over padding"),
        ("aggregate", strategies(lambda x, m: ((x * m).sum(1) / m.sum(1)).mean()), "NaN from an empty row"),
        ("aggregate", strategies(lambda x, m: (x * m).mean(1).mean()), "padding in the row mean"),
        (
            "aggregate",
            strategies(lambda x, m: ((x * m).sum(1) / m.sum(1).clamp_min(1)).mean()),
            "empty row counted as a loss of 0",
        ),
    ],
)
def test_a_known_mistake_is_named_in_its_natural_form(name, solution, bug):
    verdict = judge(name, solution)
    assert verdict.bug is not None and verdict.bug.name == bug, verdict.message


def first_entries(x, mask):  # as if every mask began at the left and had no holes
    return torch.cat([row[: int(keep.sum())] for row, keep in zip(x, mask, strict=True)]).mean()


def one_span(x, mask):
    rows = []
    for row, keep in zip(x, mask, strict=True):
        where = keep.nonzero()[:, 0]
        rows += [row[where[0] : where[-1] + 1]] if len(where) else []
    return torch.cat(rows).mean()


def strip_trailing(tokens, completion_start, *, eos_token_id):  # what follows the EOS is not always padding
    out = torch.zeros(tokens.shape[0], tokens.shape[1] - 1)
    for b, start in enumerate(completion_start.tolist()):
        row = tokens[b].tolist()
        end = len(row)
        while end > start and row[end - 1] in (eos_token_id, 0):
            end -= 1
        out[b, start - 1 : min(end + 1, len(row)) - 1] = 1
    return out


def common_prefix(tokenizer, prompt, completion):
    whole, _ = encode_pair(tokenizer, prompt, completion)
    alone = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return whole, next((i for i, (a, b) in enumerate(zip(whole, alone, strict=False)) if a != b), len(alone))


def from_the_first_pad(attention_mask):
    return (torch.arange(attention_mask.shape[1]) - attention_mask.argmax(1, keepdim=True)).clamp_min(0)


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("masked_mean", first_entries),
        ("masked_mean", one_span),
        ("completion_mask", strip_trailing),
        ("encode_pair", common_prefix),
        ("position_ids", from_the_first_pad),
    ],
)
def test_a_solution_that_only_works_on_easy_inputs_is_rejected(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).status in ("wrong", "mistake")


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


def test_a_pass_mentions_a_nan_that_would_leak():
    assert "NaN under the mask" in judge("masked_mean", lambda x, m: (x * m).sum() / m.sum()).message
    assert "NaN" not in judge("masked_mean", EXERCISES["masked_mean"].reference).message


@pytest.mark.slow
@pytest.mark.parametrize("value", [object(), {"a": 1}, "text", [[1], 2], torch.zeros(2, 3).to_sparse()])
def test_no_return_value_can_crash_it(value):
    for name in EXERCISES:
        assert judge(name, lambda *a, value=value, **k: value).status in ("wrong", "mistake")


# ---- everything else gets a line that helps --------------------------------------------------------------------------


def unsolved(*args, **kwargs):
    raise NotImplementedError


@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_is_not_attempted_yet(name, capsys):
    verdict = getattr(check, name)(unsolved)
    assert verdict.status == "not attempted"
    assert capsys.readouterr().out == f'○ {name}: not attempted yet. hint("{name}") helps you start.\n'


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
    assert verdict.status == "wrong" and words in verdict.message
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


@pytest.mark.slow
def test_feedback_never_contains_the_answer():
    for bug in BUGS:
        message = judge(bug.breaks, bug.wrong).message
        assert "def " not in message and "gather(" not in message and "cumsum" not in message


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


@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_is_the_source_of_the_reference(name, monkeypatch):
    from reference.teaching import help as module

    shown = []
    monkeypatch.setattr(module, "display", shown.append)
    reference.answer(name)
    assert EXERCISES[name].in_short in shown[0].data  # the essential lines first
    assert shown[0].data.count(f"def {name}(") == 2 and '"""' in shown[0].data  # then the reference itself

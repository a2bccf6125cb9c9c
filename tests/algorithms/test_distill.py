"""A teacher in the loop: the loss over its whole distribution, its log-ratio as the advantage, and what is refused."""

import copy
import random
from dataclasses import replace

import pytest
import torch
from llamas import SIZES, completions, experience, small
from loops import gradient, sgd, step_metrics
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from reference.algorithms.advantages import ADVANTAGES
from reference.algorithms.checks import require_rl
from reference.algorithms.collect import collect
from reference.algorithms.data import Experience
from reference.algorithms.distill import asks_teacher, reads_reward
from reference.algorithms.losses import LOSSES
from reference.algorithms.ready_made import is_sampled, ready_made
from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.rl import train_rl, update
from reference.algorithms.scoring import score
from reference.algorithms.supervised import demonstration
from reference.algorithms.teacher import load_teacher, require_teacher
from reference.objectives import generalised_jsd, kl_full, masked_mean, sequence_mean, token_logprobs
from reference.objectives.shapes import InputError
from reference.world.model import SHIPPED
from reference.world.rollout import encode_prompts
from reference.world.tasks import draw_problem, verify

DISTILL = RECIPES["distill"]


# ---- by hand -------------------------------------------------------------------------------------------------------------


def two_words(student: list[float], teacher: list[float]) -> Experience:
    """One token behind one prefix, where a policy and a teacher have these probabilities of two words; the first was drawn."""
    logits, theirs = (torch.tensor([[p, p]]).log() for p in (student, teacher))
    zero, tokens = torch.zeros(1, 1), torch.zeros(1, 2, dtype=torch.long)
    return Experience(
        tokens=tokens, attention_mask=tokens == 0, prompt_width=1, group=tokens[:, 0], mask=zero == 0,
        old_logprobs=logits[:, :1, 0], rewards=zero[:, 0], token_rewards=zero, teacher_logprobs=theirs[:, :1, 0],
        logits=logits.requires_grad_(), teacher_logits=theirs,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("share", "value", "slope"),
    [
        (1.0, 0.1438, [0.2747, -0.2747]),  # 0.5 ln 2 + 0.5 ln(2/3); 0.5 * (ln 2 - 0.1438)
        (0.0, 0.1308, [0.25, -0.25]),  # 0.25 ln 0.5 + 0.75 ln 1.5; the probabilities' difference
    ],
)
def test_the_loss_of_two_words(share, value, slope):
    e = two_words([0.5, 0.5], [0.25, 0.75])
    loss = LOSSES["jsd"].function(e.old_logprobs, e, replace(DISTILL, teacher_share=share))
    loss.sum().backward()
    assert loss.item() == pytest.approx(value, abs=1e-4)
    assert e.logits.grad[0, 0].tolist() == pytest.approx(slope, abs=1e-4)


def test_the_temperature_is_that_of_both():
    e = two_words([0.5, 0.5], [0.2, 0.8])
    loss = LOSSES["jsd"].function(e.old_logprobs, e, replace(DISTILL, temperature=2.0))
    # at 2 the odds 1 to 4 become 1 to 2: 0.5 ln(0.5 / (1/3)) + 0.5 ln(0.5 / (2/3)) = 0.5 ln 9/8
    assert loss.item() == pytest.approx(0.0589, abs=1e-4)


def test_the_advantage_of_two_words():
    e = two_words([0.5, 0.5], [0.25, 0.75])
    assert ADVANTAGES["teacher"].function(e, DISTILL).item() == pytest.approx(-0.6931, abs=1e-4)


# ---- the step ------------------------------------------------------------------------------------------------------------


def gpt2() -> GPT2LMHeadModel:
    """A model that is read in rectangles, and not as a Llama."""
    torch.manual_seed(1)
    return GPT2LMHeadModel(GPT2Config(vocab_size=384, n_embd=32, n_layer=1, n_head=2, n_positions=256)).eval()


def a_batch(recipe: Recipe) -> Experience:
    """Four completions, two of one prompt, one of a single token."""
    rollout = completions([3, 3, 5, 2], [6, 1, 4, 9], budget=12)
    batch = experience(rollout, torch.zeros(4, 9), groups=[0, 0, 1, 2])
    return replace(batch, advantages=torch.zeros(4, 1))


def logits_of(model, batch: Experience) -> Tensor:
    return score(model, batch, completions_only=True)


PAIRS = {
    "two of a kind": (lambda: small("llama"), lambda: small("grouped", hidden_size=48)),
    "a Llama and a GPT-2": (lambda: small("llama"), gpt2),
    "a GPT-2 and a Llama": (gpt2, lambda: small("llama")),
}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("pair", PAIRS)
def test_the_gradient_of_a_step_is_that_of_the_objective(pair, share):
    student, teacher = (make() for make in PAIRS[pair])
    recipe = replace(DISTILL, teacher=teacher, teacher_share=share, micro_batch_size=3, max_grad_norm=None)
    batch = a_batch(recipe)
    scalars = update(student, sgd(student), batch, recipe)
    mine = gradient(student)
    student.zero_grad()
    logits, theirs = logits_of(student, batch), logits_of(teacher, batch).detach()
    sequence_mean(generalised_jsd(logits, theirs, teacher_share=share), batch.mask).backward()
    expected = gradient(student)
    assert expected.norm() > 1e-3 and (mine - expected).norm() < 1e-4 * expected.norm()
    exact = masked_mean(kl_full(logits, theirs), batch.mask).item()
    assert scalars["teacher_kl"] == pytest.approx(exact, rel=1e-4)
    assert all(weight.grad is None for weight in teacher.parameters())


def test_a_correction_for_the_sampler_is_of_tokens_and_not_of_prefixes():
    student, teacher = small("llama"), small("grouped", hidden_size=48)
    recipe = replace(DISTILL, teacher=teacher, max_grad_norm=None)
    batch = a_batch(recipe)
    gradients = []
    for correction in (None, torch.full((4, 9), 0.5)):
        update(student, sgd(student), replace(batch, correction=correction), recipe)
        gradients.append(gradient(student))
    assert torch.equal(*gradients)


def test_a_loss_of_your_own_may_read_both_distributions():
    student, teacher = small("llama"), small("grouped", hidden_size=48)
    recipe = replace(DISTILL, teacher=teacher, max_grad_norm=None)
    found = []
    for loss in ("jsd", lambda logp, e, r: kl_full(e.logits, e.teacher_logits)):
        require_rl(replace(recipe, loss=loss), None, None)
        update(student, sgd(student), a_batch(recipe), replace(recipe, loss=loss))
        found.append(gradient(student))
    assert torch.equal(*found)


# ---- the loop ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def teacher(base):
    """The shipped model after another recipe."""
    return load_teacher(SHIPPED["tool-sft"], base[1])


SMALL = {"prompts_per_step": 16, "max_new_tokens": 40, "steps": 2}


@pytest.mark.slow
def test_the_advantage_of_samples_is_the_teachers_log_ratio(base, teacher):
    recipe = replace(DISTILL, **SMALL, teacher=teacher, loss="reinforce", minibatches=1, max_grad_norm=None)
    batch, metrics = collect(*base, recipe, random.Random(0))
    with torch.no_grad():
        mine, theirs = (token_logprobs(logits_of(model, batch), batch.targets) for model in (base[0], teacher))
    expected = torch.where(batch.mask, theirs - mine, 0.0)
    assert torch.allclose(batch.advantages, expected, atol=1e-4)
    assert metrics["teacher_kl"] == pytest.approx(-masked_mean(expected, batch.mask).item(), abs=1e-4)
    assert 0 < metrics["reward"] < 1  # the verifier judges, and teaches nothing
    model = copy.deepcopy(base[0])
    update(model, sgd(model), batch, recipe)
    found = gradient(model)
    model.zero_grad()
    logprobs = token_logprobs(logits_of(model, batch), batch.targets)
    sequence_mean(-expected * logprobs, batch.mask).backward()
    assert (found - gradient(model)).norm() < 1e-3 * found.norm()


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"teacher_share": 0.0}, {"loss": "ppo_clip"}], ids=["reverse", "forward", "reward"]
)
def test_the_policy_comes_nearer_to_its_teacher_which_stays_as_it_was(base, changes):
    # the teacher is the shipped model, the policy the same with noise in its weights
    model, teacher = copy.deepcopy(base[0]), copy.deepcopy(base[0]).requires_grad_(False)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    recipe = replace(DISTILL, prompts_per_step=32, steps=5, teacher=teacher, **changes)
    rows = step_metrics(train_rl, model, base[1], torch.optim.AdamW(model.parameters(), lr=3e-4), recipe)
    assert rows[-1]["teacher_kl"] < 0.5 * rows[0]["teacher_kl"]
    assert all(torch.equal(weight, base[0].state_dict()[name]) for name, weight in teacher.state_dict().items())


@pytest.mark.slow
def test_what_is_charged_beside_the_teacher_is_added(base, teacher):
    # with the policy as its own reference the KL is 0 and the entropy's gradient is not
    recipe = replace(DISTILL, **SMALL, teacher=teacher, max_grad_norm=None)
    batch, _ = collect(*base, recipe, random.Random(0))
    model, found = copy.deepcopy(base[0]), {}
    for name, changes in (("plain", {}), ("entropy", {"entropy_coef": 0.1})):
        update(model, sgd(model), batch, replace(recipe, **changes))
        found[name] = gradient(model)
    assert (found["plain"] - found["entropy"]).norm() > 1e-3 * found["plain"].norm()


# ---- ready-made solutions ------------------------------------------------------------------------------------------------


def test_the_coin_of_a_step():
    tosses = [is_sampled(replace(DISTILL, on_policy=0.3), random.Random(seed)) for seed in range(1000)]
    assert 250 < sum(tosses) < 350
    rng = random.Random(0)
    assert is_sampled(DISTILL, rng) and rng.getstate() == random.Random(0).getstate()  # none is tossed
    assert not is_sampled(replace(DISTILL, on_policy=0.0), rng)


@pytest.mark.slow
def test_ready_made_completions_are_careful_solutions_of_the_problems(base):
    recipe = replace(DISTILL, prompts_per_step=3, group_size=2)
    made = ready_made(base[1], recipe, random.Random(0))
    rng = random.Random(0)
    problems = [draw_problem(rng) for _ in range(3)]
    texts = [demonstration(problem, rng) for problem in problems for _ in range(2)]
    assert made.rollout.texts(base[1]) == texts and made.correct.tolist() == [1.0] * 6
    assert [verify(problem, text) for problem, text in zip(made.problems, texts, strict=True)] == [1.0] * 6
    prompts = encode_prompts(base[1], made.problems)
    width = made.rollout.prompt_width
    for row, mask, ids in zip(made.rollout.tokens, made.rollout.attention_mask, prompts, strict=True):
        assert row[:width][mask[:width]].tolist() == ids


@pytest.mark.slow
def test_a_step_without_samples_learns_from_ready_made_ones(base, teacher):
    recipe = replace(DISTILL, **SMALL, teacher=teacher, on_policy=0.5, group_size=2)
    rows, seen = {}, set()
    for seed in range(4):
        model = copy.deepcopy(base[0])
        for row in step_metrics(train_rl, model, base[1], sgd(model), replace(recipe, steps=1), seed=seed):
            rows[row["on_policy"]] = row
            seen.add(row["on_policy"])
    assert seen == {0.0, 1.0}
    assert "reward" in rows[1.0] and "reward" not in rows[0.0]
    for row in rows.values():
        assert row["teacher_kl"] > 0 and row["ratio"] == pytest.approx(1, abs=1e-5) and row["length"] > 5
    model = copy.deepcopy(base[0])
    (row,) = step_metrics(train_rl, model, base[1], sgd(model), replace(recipe, on_policy=1.0, steps=1))
    assert "on_policy" not in row


@pytest.mark.slow
def test_the_gradient_of_ready_made_completions_is_that_of_the_objective(base, teacher):
    recipe = replace(DISTILL, **SMALL, teacher=teacher, on_policy=0.0, minibatches=1, max_grad_norm=None)
    made = ready_made(base[1], recipe, random.Random(3))
    batch, metrics = collect(*base, recipe, random.Random(3), given=made)
    assert metrics == {"length": pytest.approx(made.rollout.completion_mask.sum(dim=1).float().mean().item())}
    assert batch.correction is None
    model = copy.deepcopy(base[0])
    update(model, sgd(model), batch, recipe)
    found = gradient(model)
    model.zero_grad()
    divergence = generalised_jsd(logits_of(model, batch), logits_of(teacher, batch).detach(), teacher_share=1.0)
    sequence_mean(divergence, batch.mask).backward()
    assert (found - gradient(model)).norm() < 1e-3 * found.norm()


# ---- refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "asks", "reads"),
    [
        ("distill", {}, True, False),
        ("distill", {"loss": "ppo_clip"}, True, False),
        ("distill", {"advantage": "group"}, True, False),
        ("grpo", {}, False, True),
        ("grpo", {"advantage": "teacher"}, True, False),
        ("grpo", {"advantage": len}, False, True),
        ("grpo", {"advantage": len, "teacher": "a"}, True, True),
        ("grpo", {"loss": len, "teacher": "a"}, True, True),
    ],
)
def test_who_asks_a_teacher_and_who_reads_the_reward(name, changes, asks, reads):
    recipe = replace(RECIPES[name], **changes)
    assert (asks_teacher(recipe), reads_reward(recipe)) == (asks, reads)


IDENTITY = torch.nn.Identity()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": None}, "^distill learns from a teacher, and none is named: .*python -m reference train sft --out runs/teacher"),
        ({"teacher": "base"}, r"^teacher is base, which only the command line loads: pass the model, from load_teacher\(name"),
        ({"critic": "shared"}, "^critic is 'shared', and loss is 'jsd', which reads no advantage"),
        ({"kl": "k1", "kl_coef": 0.1, "kl_place": "reward"}, "^kl_place is 'reward', and the teacher teaches without one"),
        ({"overlong": "penalty"}, "^overlong is 'penalty', which is taken off the reward"),
        ({"on_policy": 0.5, "task": "tools"}, "^on_policy is 0.5, and task is 'tools'"),
        ({"on_policy": 0.5, "kl": "k3", "kl_place": "loss", "kl_coef": 0.1, "kl_target": 0.1}, "^kl_target is 0.1, which is steered"),
        ({"on_policy": 1.5}, "on_policy is 1.5, expected a finite number that is at most 1"),
        ({"teacher_share": -0.1}, "teacher_share is -0.1, expected a finite number that is at least 0"),
        ({"loss": "reinforce", "on_policy": 0.5}, "on_policy is 0.5, and nothing reads it"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        require_rl(replace(DISTILL, **{"teacher": IDENTITY, **changes}), IDENTITY, IDENTITY)


@pytest.mark.slow
def test_a_teacher_that_is_not_there_or_reads_other_tokens_is_refused(base, tmp_path):
    with pytest.raises(
        InputError, match=r"there is no model folder at .*the teacher; python -m reference train sft --out"
    ):
        load_teacher(tmp_path / "nothing", base[1])
    other = copy.deepcopy(base[1])
    other.add_tokens(["<strange>"])
    with pytest.raises(InputError, match=r"has another tokenizer than the policy \(384 and 385 tokens\)"):
        load_teacher(SHIPPED["base"], other)


@pytest.mark.slow
def test_a_teacher_with_nothing_to_teach_is_refused(base):
    nan = copy.deepcopy(base[0])
    nan.model.norm.weight.data[0] = torch.nan
    for teacher, message in (
        (base[0], "says the same as the policy, so nothing could be learned"),
        (small("llama", vocab_size=SIZES["vocab_size"] + 16), "has 400 logits per token and the policy 384"),
        (nan, "the teacher runs/a gives nan as a logit"),
    ):
        with pytest.raises(InputError, match=message):
            require_teacher(teacher, base[0], base[1], "runs/a")

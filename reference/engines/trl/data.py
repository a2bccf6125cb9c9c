"""What TRL trains on: our problems, our verifier, our pairs and our demonstrations, in the order in which our loops take them."""

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedTokenizerBase

from reference.algorithms.collect import shaped_rewards
from reference.algorithms.data import Pairs
from reference.algorithms.recipes import Recipe
from reference.algorithms.supervised import draw_demonstrations
from reference.objectives import dead_group_share, group_reward_std
from reference.objectives.shapes import InputError
from reference.world.tasks import Problem, chat, draw_problem, verify

if TYPE_CHECKING:
    from datasets import Dataset

Sequences = tuple[list[int], list[int], list[int]]  # prompt, chosen completion, rejected completion
IGNORED = -100  # a label that is not learned
MEASURED = "verifier/"  # before the names of what the reward function reports


def draw_problems(recipe: Recipe, *, seed: int = 0) -> list[Problem]:
    """The problems of all steps, those that our own loop draws. None is held out."""
    steps = [random.Random(f"{seed}/{step}") for step in range(recipe.steps)]
    return [draw_problem(rng) for rng in steps for _ in range(recipe.prompts_per_step)]


def problems_dataset(problems: list[Problem]) -> "Dataset":
    """One row per prompt: the chat, and the number of its problem, which the verifier is given with each completion."""
    from datasets import Dataset

    return Dataset.from_dict({"prompt": [chat(p) for p in problems], "problem": list(range(len(problems)))})


def verifier(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, problems: list[Problem], ends: list[int]
) -> Callable[..., list[float]]:
    """A reward function as TRL calls it: 1.0 or 0.0 for each completion, then shaped as the recipe says.

    It judges tokens, not TRL's text: that has lost its special tokens, and does not say whether the completion came to
    its end. A truncated one is wrong. It also reports what we log and TRL does not.
    """

    def reward_function(
        *,
        completion_ids: list[list[int]],
        problem: list[int],
        log_metric: Callable[[str, float], None],
        prompts: object = None,
        completions: object = None,
        trainer_state: object = None,
        log_extra: object = None,
    ) -> list[float]:
        complete = [ids[-1] in ends for ids in completion_ids]
        texts = tokenizer.batch_decode(
            [ids[:-1] if e else ids for ids, e in zip(completion_ids, complete, strict=True)]
        )
        verdicts = [verify(problems[p], text) * e for p, text, e in zip(problem, texts, complete, strict=True)]
        correct, lengths = torch.tensor(verdicts), torch.tensor([len(ids) for ids in completion_ids])
        log_metric(MEASURED + "reward", correct.mean().item())
        log_metric(MEASURED + "reward_std", group_reward_std(correct, group_size=recipe.group_size).item())
        log_metric(MEASURED + "dead_groups", dead_group_share(correct, group_size=recipe.group_size).item())
        return shaped_rewards(correct, lengths, recipe).tolist()

    return reward_function


def demonstrations_dataset(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, *, seed: int = 0) -> "Dataset":
    """Careful solutions as token ids, with the assistant's tokens as labels: the batches of our own loop, one by one."""
    from datasets import Dataset

    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    for step in range(recipe.steps):
        tokens, mask = draw_demonstrations(tokenizer, random.Random(f"{seed}/{step}"), recipe)
        for ids, kept in zip(tokens, mask, strict=True):
            length = 2 + int(kept.nonzero()[-1])  # mask[t] is about token t + 1; nothing is learned behind the last
            learned = torch.cat([kept.new_zeros(1), kept])[:length]
            rows["input_ids"].append(ids[:length].tolist())
            rows["labels"].append(ids[:length].masked_fill(~learned, IGNORED).tolist())
    return Dataset.from_dict(rows)


def pairs_dataset(recipe: Recipe, pairs: Pairs, trainer: str, *, seed: int = 0) -> "Dataset":
    """The pairs of every step, those that our own loop takes, as token ids under the names of TRL's trainer.

    Tokens, because text could break into other ones than were sampled, and TRL would end truncated completions with an
    EOS that was never sampled.
    """
    from datasets import Dataset

    if len(pairs) < recipe.prompts_per_step:
        raise InputError(
            f"there are {len(pairs)} pairs, expected at least prompts_per_step, {recipe.prompts_per_step}: raise pool"
        )
    triples, form = (
        [*sequences(pairs)],
        {"KTO": kto_rows, "CPO": cpo_rows, "Reward": reward_rows, "DPO": dpo_rows}[trainer],
    )
    rows = []
    for step in range(recipe.steps):
        index = random.Random(f"{seed}/{step}").sample(range(len(pairs)), k=recipe.prompts_per_step)
        rows += form([triples[i] for i in index])
    return Dataset.from_list(rows)


def pairs_chats(pairs: Pairs, tokenizer: PreTrainedTokenizerBase) -> "Dataset":
    """The pairs as chats, in the form that TRL documents: prompt, chosen, rejected."""
    from datasets import Dataset

    def assistant_turn(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    texts = zip(pairs.problems, pairs.texts(tokenizer), strict=True)
    return Dataset.from_list(
        [{"prompt": chat(p), "chosen": assistant_turn(c), "rejected": assistant_turn(r)} for p, (c, r) in texts]
    )


def sequences(pairs: Pairs) -> Iterator[Sequences]:
    """Prompt, chosen and rejected completion of each pair, without padding."""
    rows = pairs.completions
    real = [tokens[mask].tolist() for tokens, mask in zip(rows.tokens, rows.attention_mask, strict=True)]
    widths = rows.attention_mask[:, : rows.prompt_width].sum(dim=1).tolist()
    for i in range(0, len(real), 2):
        yield real[i][: widths[i]], real[i][widths[i] :], real[i + 1][widths[i + 1] :]


def dpo_rows(batch: list[Sequences]) -> list[dict[str, Any]]:
    return [{"prompt_ids": p, "chosen_ids": c, "rejected_ids": r} for p, c, r in batch]


def reward_rows(batch: list[Sequences]) -> list[dict[str, Any]]:
    return [{"chosen_ids": p + c, "rejected_ids": p + r} for p, c, r in batch]


def cpo_rows(batch: list[Sequences]) -> list[dict[str, Any]]:
    return [side("chosen", p, c) | side("rejected", p, r) for p, c, r in batch]


def side(name: str, prompt: list[int], completion: list[int]) -> dict[str, list[int]]:
    tokens = prompt + completion
    labels = [IGNORED] * len(prompt) + completion
    return {f"{name}_input_ids": tokens, f"{name}_attention_mask": [1] * len(tokens), f"{name}_labels": labels}


def kto_rows(batch: list[Sequences]) -> list[dict[str, Any]]:
    """Each completion by itself, with the one of the pair before, good for good, for the reference point.

    TRL would take the row before: every second time that is the other completion of the same prompt.
    """
    rows = []
    for (prompt, *both), (_, *before) in zip(batch, [batch[-1], *batch[:-1]], strict=True):
        for completion, mismatched, good in zip(both, before, (True, False), strict=True):
            rows.append(
                {"prompt_ids": prompt, "completion_ids": completion, "KL_completion_ids": mismatched, "label": good}
            )
    return rows

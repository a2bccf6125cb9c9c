"""The exercises token_logprobs, completion_mask, position_ids, encode_pair."""

from collections.abc import Callable

import torch

from reference.objectives import completion_mask, position_ids, token_logprobs
from reference.teaching.example import example, readable
from reference.teaching.exercise import Case, Exercise, numbers
from reference.world.tokenizer import encode_pair

EOS = 1


def token_logprobs_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for batch, time, vocab, temperature in [(1, 3, 4, 1.0), (1, 3, 5, 0.5), (2, 4, 3, 1.0), (3, 4, 2, 1.5)]:
        tokens = torch.randint(vocab, (batch, time), generator=g)
        logits = 2 * numbers(g, batch, time, vocab)
        cases.append(Case({"logits": logits, "tokens": tokens}, {"temperature": temperature}, ("logits",)))
    return cases


def completion_mask_cases(seed: int) -> list[Case]:
    """Prompts with an EOS of their own, left and right padding, pad ids that are and are not the EOS.

    The edge case is a completion that was cut off, so that it has no EOS.
    """
    g = torch.Generator().manual_seed(seed)
    cases = []
    for layout in (  # left pads, prompt, completion with its EOS (or -length without one), right pads; pad id
        [(0, 2, 3, 0, 0)],
        [(0, 3, 2, 2, 0), (0, 2, 4, 1, 0)],
        [(2, 2, 3, 2, EOS), (0, 4, 2, 3, EOS)],
        [(1, 3, 4, 0, EOS), (2, 2, 1, 3, EOS), (0, 4, 4, 0, EOS)],
        [(0, 2, -3, 0, 0), (1, 2, 2, 0, 0)],
    ):
        rows, starts = [], []
        for left, prompt, completion, right, pad in layout:
            words = torch.randint(2, 9, (prompt + abs(completion),), generator=g).tolist()
            words[prompt - 1] = EOS  # a chat prompt closes the user's turn with the same token
            if completion > 0:
                words[-1] = EOS
            rows.append([pad] * left + words + [pad] * right)
            starts.append(left + prompt)
        arguments = {"tokens": torch.tensor(rows), "completion_start": torch.tensor(starts)}
        cut_off = any(completion < 0 for _, _, completion, _, _ in layout)
        cases.append(Case(arguments, {"eos_token_id": EOS}, edge=cut_off))
    after = torch.randint(2, 9, (2,), generator=g).tolist()  # generation in a batch may go on after the EOS
    arguments = {"tokens": torch.tensor([[4, EOS, 7, EOS, *after, 0]]), "completion_start": torch.tensor([2])}
    cases.append(Case(arguments, {"eos_token_id": EOS}))
    other = {"tokens": torch.tensor([[5, 9, 0, EOS, 9, 7, 7]]), "completion_start": torch.tensor([2])}  # pads are 7
    return [*cases, Case(other, {"eos_token_id": 9})]


def rounds_to_zero(solution: Callable) -> str:
    """Is the log-prob of an unlikely token still finite in float32? Legitimate if not, and worth knowing."""
    logits, tokens = torch.tensor([[[0.0, 200.0]] * 2]), torch.tensor([[0, 0]])
    if torch.isfinite(solution(logits, tokens, temperature=1.0)).all():
        return ""
    return " (A softmax first and a log after it: an unlikely token gets -inf, and NaN as its gradient.)"


def counts_instead_of_chooses(solution: Callable) -> str:
    """Numbers are as good as booleans in a sum, not in an index."""
    mask = solution(torch.tensor([[4, 5, EOS]]), torch.tensor([1]), eos_token_id=EOS)
    kind = str(mask.dtype).removeprefix("torch.")
    return "" if mask.dtype == torch.bool else f" (A mask of {kind} does not choose: x[mask] wants .bool().)"


def position_ids_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    pads = torch.randint(1, 4, (2,), generator=g).tolist()
    masks = [
        [[1, 1, 1]],
        [[0, 1, 1, 1], [1, 1, 1, 1]],
        [[0] * pads[0] + [1] * (7 - pads[0]), [1] * 5 + [0] * 2],
        [[0, 1, 0, 1, 1]],  # two pieces joined with padding between them
        [[1, 1, 0, 0], [0, 1, 1, 1], [0, 0, 1, 1]],
    ]
    cases = []
    for mask in map(torch.tensor, masks):
        cases.append(Case({"attention_mask": mask}, {}, count_where=mask.bool()))
    return cases


def encode_pair_cases(seed: int) -> list[Case]:
    """Boundaries where nothing merges, where a space merges into the next word, and where two words join."""
    tokenizer = example().tokenizer
    number = torch.randint(10, 99, (1,), generator=torch.Generator().manual_seed(seed)).item()
    pairs = [
        (f"{number}+1=", str(number + 1)),
        (f"{number}. So far so ", "good."),
        ("Next", " one."),
        ("Ans", "wer: 7"),
        ("See", "ck"),  # the completion's letters complete a token that began in the prompt
    ]
    last = pairs[-1]
    return [Case({"tokenizer": tokenizer, "prompt": p, "completion": c}, {}, edge=(p, c) == last) for p, c in pairs]


def as_words(case: Case, pair: tuple) -> str:
    """The tokens instead of their ids, those before the boundary and those after it."""
    ids, start = pair
    words = readable(case.arguments["tokenizer"], [int(i) for i in ids])
    return f"prompt: {' '.join(words[: int(start)])}   completion: {' '.join(words[int(start) :])}"


EXERCISES = {
    "token_logprobs": Exercise(
        token_logprobs,
        token_logprobs_cases,
        (
            "T positions, T-1 predictions: which position predicts nothing you have, and which token is predicted by none?",
            "The logits at position t score tokens[:, t + 1]. Drop the last of the one and the first of the other.",
            "Temperature divides the logits before log_softmax over the vocabulary (the last axis); then gather picks one "
            "entry per position. gather wants an index with a last axis of its own: unsqueeze(-1), later squeeze(-1).",
        ),
        """
def token_logprobs(logits, tokens, *, temperature):
    logprobs = (logits[:, :-1] / temperature).log_softmax(dim=-1)
    return logprobs.gather(dim=-1, index=tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
""",
        remark=rounds_to_zero,
    ),
    "completion_mask": Exercise(
        completion_mask,
        completion_mask_cases,
        (
            "Think on the token axis first: from completion_start through the first EOS that is not before it. Then move "
            "to the prediction axis.",
            "torch.arange(T) against completion_start[:, None] gives 'inside the completion'. For 'up to the first EOS', "
            "count the EOS tokens of the completion strictly before each position: none means keep.",
            "Entry t of the result speaks of tokens[:, t + 1]. Which column of the token-axis mask has to go?",
        ),
        """
def completion_mask(tokens, completion_start, *, eos_token_id):
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    is_end = inside & (tokens == eos_token_id)
    ends_before = is_end.cumsum(dim=1) - is_end.long()
    return (inside & (ends_before == 0))[:, 1:]
""",
        remark=counts_instead_of_chooses,
    ),
    "position_ids": Exercise(
        position_ids,
        position_ids_cases,
        (
            "The first real token of every row is number 0, wherever it stands. What counts real tokens from the left?",
            "cumsum along the row counts them, starting from 1.",
            "Left pads come out negative after that. Any position of the row will do for them, but it must be one.",
        ),
        """
def position_ids(attention_mask):
    return (attention_mask.long().cumsum(dim=1) - 1).clamp_min(0)
""",
    ),
    "encode_pair": Exercise(
        encode_pair,
        encode_pair_cases,
        (
            "Which text do you tokenise: two pieces, or one? Join the strings first: prompt, completion, "
            "tokenizer.eos_token.",
            "tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) tells for each token which characters "
            "it covers.",
            "The completion begins at the first token whose end lies beyond len(prompt).",
        ),
        """
def encode_pair(tokenizer, prompt, completion):
    text = prompt + completion + tokenizer.eos_token
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for start, end in encoded["offset_mapping"]]
    return encoded["input_ids"], next(i for i, end in enumerate(ends) if end > len(prompt))
""",
        in_words=as_words,
    ),
}

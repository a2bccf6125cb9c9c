"""Self-labelled calls: a model proposes them, and the loss of the text behind each decides which are kept (Toolformer).

    train_proposer   a model learns the form of a call from demonstrations; a large one reads some in its prompt instead
    propose          where a call is likeliest, several are sampled behind a forced <|call|>, and run
    measure          the loss of the next five tokens: behind call and result, behind the call alone, without a call

``call_filter`` then keeps the calls that help.

In our chats a call is a turn of its own: it ends there, the tool answers, and the text goes on behind a new header. "The
call without its result" is then a tool's turn with nothing in it. Toolformer (arXiv 2302.04761) puts call and result in
brackets into the running text, and leaves the result out of the brackets. No step asks whether a text needs a call, or
whether the call is right. Here both are known, and ``Proposal`` says it for those who count.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.recipes import RECIPES
from reference.algorithms.step import set_rate
from reference.algorithms.supervised import sft_step
from reference.objectives import prediction_mask, token_logprobs
from reference.objectives.tool_use import HORIZON, future_loss
from reference.world.calculator import evaluate
from reference.world.eval_mode import eval_mode
from reference.world.rollout import row_seeds, sample
from reference.world.tool_calls import Result, answer_call
from reference.world.tool_rollout import Marks
from reference.world.tool_tasks import Message, ToolProblem, draw_tool_problem, draw_trajectory
from reference.world.trajectories import draw_chats, shipped
from reference.world.workers import cores_of

LEARNING_RATE = 2e-3  # of the proposer: high, since it takes few steps
LONGEST_CALL = 40  # tokens; 21 and the digits of the expression are enough
ROWS = 64  # of a forward pass that scores
# each (proposals,): behind call and result, behind the call alone, without a call
Losses = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Text:
    """A solution without calls, to be labelled. Of the problem the labelling reads the question alone."""

    problem: ToolProblem
    words: str


@dataclass(frozen=True)
class Proposal:
    """A call at a place of a text: in front of this token of the words."""

    text: Text
    position: int
    call: str
    result: Result

    @property
    def needed(self) -> bool:
        """Whether the problem is one that the model cannot do by head."""
        return self.text.problem.kind != "by head"

    @property
    def right(self) -> bool:
        """Whether the call gives what a good solution computes at some point: for a chain, its answer."""
        problem = self.text.problem
        wanted = {evaluate(expression) for expression in problem.calls} or {problem.answer}
        return self.result.kind == "ok" and self.result.text in {str(value) for value in wanted}


def draw_texts(rng: random.Random, count: int) -> list[Text]:
    """Problems of all kinds, each with what a solution says when it does not call: the steps of a chain, or the answer."""
    problems = [draw_tool_problem(rng) for _ in range(count)]
    return [Text(problem, draw_trajectory(problem, rng)[-1]["content"]) for problem in problems]


def proposer_demonstrations(rng: random.Random, generated: int) -> list[list[Message]]:
    """The hand-written dozen, and so many generated chats beside it, whose calls are right at once and needed."""
    return [*shipped("hand-written"), *draw_chats("generated", rng, generated, failures=0.0, waste=0.0)]


def train_proposer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    demonstrations: Sequence[list[Message]],
    *,
    steps: int,
    seed: int = 0,
    batch_size: int = 16,
) -> Iterator[dict[str, float]]:
    """Imitate the demonstrations, in place: each step takes ``batch_size`` of them, or all where there are fewer.

    Yields the scalars of each step, and takes the next one when it is asked to.
    """
    recipe = replace(RECIPES["sft"], lr=LEARNING_RATE, steps=steps)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.0)
    with eval_mode(model), cores_of(model):
        for step in range(steps):
            set_rate(optimizer, step, recipe)
            rng = random.Random(f"{seed}/{step}")
            tokens, mask = encoded(tokenizer, rng.sample(demonstrations, min(batch_size, len(demonstrations))))
            yield sft_step(model, optimizer, tokens.to(model.device), mask.to(model.device), recipe)


def encoded(tokenizer: PreTrainedTokenizerBase, chats: list[list[Message]]) -> tuple[Tensor, Tensor]:
    """Tokens (chats, time), right-padded, and the mask (chats, pred) of what the assistant says."""
    rows = tokenizer.apply_chat_template(chats, return_assistant_tokens_mask=True, return_dict=True)
    masks = pad_sequence([torch.tensor(mask) for mask in rows["assistant_masks"]], batch_first=True)
    return padded(rows["input_ids"], tokenizer.pad_token_id), prediction_mask(masks)


def padded(rows: Sequence[list[int]], pad_token_id: int) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=pad_token_id)


def propose(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[Text],
    rng: random.Random,
    *,
    positions: int,
    calls: int,
    least: float = 0.0,
) -> list[Proposal]:
    """``calls`` samples at each of the ``positions`` places of a text where a call is likeliest, and above ``least``.

    Samples that are equal are one proposal. Those that cannot be run are in the list too, with their error.
    Toolformer calls the three k, m and tau_s; for its calculator it takes 20, 10 and 0.
    """
    mark = Marks.of(tokenizer).call
    likely = call_probabilities(model, tokenizer, texts)
    places = [
        (text, int(place))
        for text, row in zip(texts, likely, strict=True)
        for place in row.topk(min(positions, len(row))).indices.sort().values
        if row[place] > least
    ]
    begun = [prompt_ids(tokenizer, text) + word_ids(tokenizer, text)[:place] + [mark] for text, place in places]
    if not begun:
        return []
    seeds = row_seeds(rng, len(begun) * calls)
    written = sample(model, tokenizer, begun, max_new_tokens=LONGEST_CALL, group_size=calls, seeds=seeds)
    samples = [(*places[row // calls], call) for row, call in enumerate(written.texts(tokenizer))]
    return [Proposal(*found, answer_call(found[2])) for found in dict.fromkeys(samples)]


@torch.no_grad()
def call_probabilities(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[Text]
) -> list[Tensor]:
    """For each text the probability of <|call|> in front of every token of its words, (tokens,)."""
    mark, found = Marks.of(tokenizer).call, []
    for first in range(0, len(texts), ROWS):
        part = [(prompt_ids(tokenizer, t), word_ids(tokenizer, t)) for t in texts[first : first + ROWS]]
        tokens = padded([prompt + words for prompt, words in part], tokenizer.pad_token_id).to(model.device)
        likely = model(tokens).logits.softmax(dim=-1)[:, :, mark]  # right-padded: causal attention never sees the pads
        found += [
            row[len(prompt) - 1 : len(prompt) + len(words) - 1]
            for row, (prompt, words) in zip(likely, part, strict=True)
        ]
    return found


def prompt_ids(tokenizer: PreTrainedTokenizerBase, text: Text) -> list[int]:
    """The question, and the header behind which the words begin."""
    question = [{"role": "user", "content": text.problem.question}]
    return tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=False)


def word_ids(tokenizer: PreTrainedTokenizerBase, text: Text) -> list[int]:
    return tokenizer(text.words, add_special_tokens=False)["input_ids"]


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, proposals: Sequence[Proposal], *, skip: int = 0
) -> Losses:
    """The loss of the text behind each proposal, in nats, in the order of ``keep_call``.

    Behind the call and its result, behind the call and an empty answer, and without a call. ``skip``: so many tokens of
    the text are read before the five that count. Behind a call our texts go on with "Answer: ", three tokens that every
    result predicts, and the last two of the five are then the first two digits: a result that begins alike is kept.
    """
    marks = Marks.of(tokenizer)
    rows = []
    for proposal in proposals:
        words = word_ids(tokenizer, proposal.text)
        prompt, at = prompt_ids(tokenizer, proposal.text) + words[: proposal.position], proposal.position + skip
        seen, after = words[proposal.position : at], [*words, marks.end][at:][:HORIZON]
        call = [marks.call, *tokenizer(proposal.call, add_special_tokens=False)["input_ids"], marks.end]
        for answer in (proposal.result.text, ""):
            rows.append((prompt + call + marks.tool_turn(tokenizer, answer) + [marks.assistant] + seen, after))
        rows.append((prompt + seen, after))
    with_result, without_result, without_call = (
        future_losses(model, rows, tokenizer.pad_token_id).view(len(proposals), 3).T
    )
    return with_result, without_result, without_call


@torch.no_grad()
def future_losses(model: PreTrainedModel, rows: Sequence[tuple[list[int], list[int]]], pad_token_id: int) -> Tensor:
    """``future_loss`` of every row (what stands before, the tokens that follow), in order."""
    losses = torch.zeros(len(rows))
    by_length = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    for first in range(0, len(rows), ROWS):
        index = by_length[first : first + ROWS]
        tokens = padded([rows[i][0] + rows[i][1] for i in index], pad_token_id).to(model.device)
        step = torch.arange(HORIZON, device=model.device)
        start, count = (
            torch.tensor([len(rows[i][part]) for i in index], device=model.device)[:, None] for part in (0, 1)
        )
        at = (start - 1 + step).clamp(max=tokens.shape[1] - 2)  # pred t is about token t + 1
        logprobs = token_logprobs(model(tokens).logits, tokens).gather(1, at)
        losses[index] = future_loss(logprobs, step < count).cpu()
    return losses

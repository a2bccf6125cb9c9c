"""A byte-level BPE tokenizer of our own, trained on the corpus, used exactly like one from the hub.

Byte-level: every string can be encoded, nothing is ever "unknown". Digits stand alone, so that 47 is two tokens and
sums can be learned digit by digit. One special token per role opens a turn and ``<|end|>`` (the EOS) closes it.
Padding has a token of its own: where pad and EOS are the same id, a mask built from values silently loses the EOS.
"""

import random
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from reference.objectives.shapes import InputError
from reference.world.tasks import draw_problem, draw_solution

VOCAB_SIZE = 384
PAD, EOS = "<|pad|>", "<|end|>"
SPECIAL_TOKENS = [PAD, EOS, "<|user|>", "<|assistant|>", "<|tool|>", "<|call|>"]
CALL = '{{"name": "calculator", "arguments": {{"expression": "{}"}}}}'  # tool calls are JSON, so their words get tokens
CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja")


def train_tokenizer(*, num_texts: int = 20_000, seed: int = 0) -> PreTrainedTokenizerFast:
    """Train the tokenizer on freshly drawn problems and solutions (a second or two)."""
    rng = random.Random(seed)
    problems = [draw_problem(rng) for _ in range(num_texts)]
    texts = [text for problem in problems for text in (problem.question, draw_solution(problem, rng))]
    texts += [CALL.format(problem.expression) for problem in problems[:200]]

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=EOS,
        extra_special_tokens=SPECIAL_TOKENS[2:],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE.read_text()
    return tokenizer


def encode_pair(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], int]:
    """Token ids of ``prompt + completion + EOS``, and the index of the first token that holds completion text.

    The text is tokenised once, as a whole. Tokenised separately, prompt and completion can break into other tokens than
    the same text does in one piece ("so far so " + "good" against "so far so" + " good"), and the model is trained on
    a sequence it never meets. A token that straddles the boundary counts as completion. With the chat template the
    boundary is a special token, which merges with nothing. TRL warns when the two tokenisations disagree. A tokenizer
    that begins every text with a BOS does so here, unless the prompt has it already; the EOS comes once in any case.
    """
    require_fast(tokenizer, "nothing tells where the completion begins")
    encoded = tokenizer(
        prompt + completion + tokenizer.eos_token, add_special_tokens=False, return_offsets_mapping=True
    )
    ids, ends = encoded["input_ids"], [end for _, end in encoded["offset_mapping"]]
    start = next(index for index, end in enumerate(ends) if end > len(prompt))
    leading = leading_ids(tokenizer)
    if ids[: len(leading)] == leading:  # the prompt has its BOS, as one from a chat template
        return ids, start
    return leading + ids, start + len(leading)


def leading_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts in front of every text by itself, such as a BOS: models are trained on texts with it."""
    whole, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    starts = range(len(whole) - len(bare) + 1)
    return whole[: next((n for n in starts if whole[n : n + len(bare)] == bare), 0)]


def require_fast(tokenizer: PreTrainedTokenizerBase, without: str) -> None:
    """Refuse a tokenizer written in Python, which does not tell which characters a token stands for."""
    if not tokenizer.is_fast:
        raise InputError(
            f"{type(tokenizer).__name__} does not tell which characters its tokens stand for, so {without}: use a model "
            "with a fast tokenizer"
        )

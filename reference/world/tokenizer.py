"""A byte-level BPE tokenizer of our own, trained on the corpus, used exactly like one from the hub.

Byte-level: every string can be encoded, nothing is ever "unknown". Digits stand alone, so that 47 is two tokens and
sums can be learned digit by digit. One special token per role opens a turn and ``<|end|>`` (the EOS) closes it.
Padding has a token of its own: where pad and EOS are the same id, a mask built from values silently loses the EOS.
"""

import random
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from .tasks import draw_problem, draw_solution

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
    boundary is a special token, which merges with nothing. TRL warns when the two tokenisations disagree.
    """
    encoded = tokenizer(
        prompt + completion + tokenizer.eos_token, add_special_tokens=False, return_offsets_mapping=True
    )
    ends = [end for _, end in encoded["offset_mapping"]]
    return encoded["input_ids"], next(index for index, end in enumerate(ends) if end > len(prompt))

"""From the values of a JSON object to texts: of completions, questions and gold answers, whatever they are wrapped in.

Numbers are texts already (``file_lines``). Everything here is pure, and gives None or nothing for what is of another kind.
"""

from typing import Any

from reference.evaluation.answers import declared_answer
from reference.evaluation.extractors import EXTRACTORS

WRAPPINGS = (
    "content",
    "text",
    "generated_text",
    "completion",
    "message",
    "choices",
    "body",
    "response",
    "output",
    "solution",
)
REASONS = ("finish_reason", "stop_reason", "finish_reasons", "stop_reasons")
CUT = ("length", "max_tokens", "max_new_tokens", "max_length")  # OpenAI and vLLM; Anthropic and inspect; others
FLAGS = ("truncated", "is_truncated")
COUNTS = ("tokens", "num_tokens", "n_tokens", "completion_tokens", "output_tokens", "completion_length", "response_length",
          "usage.completion_tokens", "model_response.output_tokens", "response.body.usage.completion_tokens")  # fmt: skip
DEEPEST = 8  # wrappings around a text
MOST_NATS = 1e6  # of a log-ratio; a softmax of float32 numbers gives none like it, and squares of larger ones overflow

Leaf = tuple[str | None, bool]  # a completion, and whether its wrapping says that it was cut off


def at(row: Any, name: str) -> Any:
    """The value of a field; a dot in the name goes into an object, unless a field is called so itself."""
    if name in row:
        return row[name]
    for part in name.split(".") if "." in name else ():
        row = row.get(part) if isinstance(row, dict) else None
    return row if "." in name else None


def completions_of(value: Any, cut: bool = False, depth: int = 0) -> list[Leaf]:
    """Completions in a text, an object, a conversation, or lists of these; ``[["a"], ["b"]]`` of lm-eval is a and b."""
    if isinstance(value, str):
        return [(value, cut)]
    if depth < DEEPEST and isinstance(value, dict):
        cut = cut or any(value.get(name) in CUT for name in REASONS[:2])
        inner = next((value[name] for name in WRAPPINGS if value.get(name) is not None), None)
        return completions_of(inner, cut, depth + 1)
    if depth < DEEPEST and isinstance(value, list):
        if is_conversation(value):
            return completions_of(last_turn(value, "assistant"), cut, depth + 1)
        if is_parts(value):
            return [("".join(part["text"] for part in value if isinstance(part.get("text"), str)), cut)]
        return [leaf for entry in value for leaf in completions_of(entry, cut, depth + 1)]
    return [(None, cut)] if depth else []


def is_conversation(value: list) -> bool:
    return bool(value) and all(isinstance(turn, dict) and "role" in turn for turn in value)


def is_parts(value: list) -> bool:
    """The pieces of one message: text, pictures, thoughts."""
    return bool(value) and all(isinstance(part, dict) and "type" in part for part in value)


def last_turn(turns: list, role: str) -> Any:
    return next((turn.get("content") for turn in reversed(turns) if turn["role"] == role), None)


def plain(value: Any) -> str | None:
    """A text, or a number, which is a text here."""
    return value.strip() or None if isinstance(value, str) else None


def question_of(value: Any) -> str | None:
    """The question, or what the user said last."""
    if isinstance(value, list) and is_conversation(value):
        value = last_turn(value, "user")
    if isinstance(value, list) and is_parts(value):
        return completions_of(value)[0][0]
    return plain(value)


def same_words(text: str) -> str:
    """A question as it is compared: white space does not count."""
    return " ".join(text.split())


def golds_of(value: Any) -> tuple[str, ...]:
    """Gold answers; a list means that any of them is right."""
    if isinstance(value, dict):
        if isinstance(value.get("choices"), list) and (place := plain(value.get("gold_index"))):  # lighteval's doc
            value = value["choices"][int(place)] if is_count(place) and int(place) < len(value["choices"]) else None
        else:
            value = value.get("ground_truth")
    values = value if isinstance(value, list) else [value]
    golds = [gold_text(text) for text in values if isinstance(text, str)]
    return tuple(dict.fromkeys(gold for gold in golds if gold))


def gold_text(text: str) -> str:
    """The answer in a gold: what stands behind the last ``####`` (GSM8K), else in the last box (MATH), else what it declares
    ("A: 72" of OpenAI's solutions of GSM8K, "The answer is: 72"), else all of it."""
    if "####" in text:
        return text.rpartition("####")[2].strip()
    if "\\boxed" in text and (boxed := EXTRACTORS["boxed"].find(text)):
        return boxed.strip()
    return declared_answer(text) or text.strip()


def flags_of(row: dict[str, Any], n: int) -> list[bool] | None:
    """Whether each of n completions was cut off, by fields beside them; None where a list has another length."""
    flags = [False] * n
    for name in (*FLAGS, *REASONS):
        value = row.get(name)
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        if len(values) != n:
            return None
        cut = CUT if name in REASONS else ("true", "True", "1")
        flags = [
            flag or one is True or (isinstance(one, str) and one in cut)
            for flag, one in zip(flags, values, strict=True)
        ]
    return flags


def lengths_of(row: dict[str, Any], n: int) -> list[int] | None:
    """Tokens of each of n completions, from a count, a list of counts, or lists of tokens."""
    for name in COUNTS:
        if (value := at(row, name)) is None:
            continue
        values = value if isinstance(value, list) and len(value) == n else [value]
        if len(values) == n and all(is_count(one) for one in values):
            return [int(one) for one in values]
        if len(values) == n and all(isinstance(one, list) for one in values):
            return [len(one) for one in values]
    return None


def log_ratios_of(row: dict[str, Any], n: int) -> list[list[float]] | None:
    """What ``complete --against`` has written: a list of numbers for each of n completions; None for anything else."""
    value = row.get("log_ratios")
    if not isinstance(value, list) or len(value) != n or not all(isinstance(one, list) for one in value):
        return None
    if not all(isinstance(number, str) for one in value for number in one):
        return None
    try:
        ratios = [[float(number) for number in one] for one in value]
    except ValueError:
        return None
    return ratios if all(abs(number) <= MOST_NATS for one in ratios for number in one) else None  # NaN is not


def is_count(value: Any) -> bool:
    return isinstance(value, str) and len(value) < 12 and value.isdecimal()


def protocol_of(row: dict[str, Any]) -> dict[str, str | bool] | None:
    """How the completions were made, as ``python -m reference complete`` writes it: names and plain values."""
    value = row.get("protocol")
    return {name: v for name, v in value.items() if isinstance(v, str | bool)} if isinstance(value, dict) else None

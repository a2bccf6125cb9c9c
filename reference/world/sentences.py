"""Parts of the sentences that say why a checkpoint cannot be used."""

from collections.abc import Sequence


def weight_count(weights: Sequence[object]) -> str:
    return "1 weight" if len(weights) == 1 else f"{len(weights)} weights"


def reason_of(error: Exception) -> str:
    """What an error of another library begins with: one line, or two where the first only announces the second."""
    lines = str(error).strip().splitlines() or [""]
    return " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1])[:160]

"""What is recorded of LLaMA-Factory: its own functions on the cases, by name of the record."""

from .pairs import PAIRS
from .tokens import TOKENS

ROWS = PAIRS | TOKENS

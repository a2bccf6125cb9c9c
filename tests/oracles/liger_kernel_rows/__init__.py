"""What is recorded of Liger: the formulas of its chunked losses on the cases, by name of the record."""

from .heads import HEADS
from .policy import POLICY
from .preference import PREFERENCE

ROWS = POLICY | PREFERENCE | HEADS

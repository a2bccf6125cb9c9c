"""What is recorded of SkyRL: its own functions on the cases, by name of the record."""

from .corrections import CORRECTIONS
from .credit import CREDIT
from .losses import LOSSES
from .tokens import TOKENS

ROWS = TOKENS | CREDIT | LOSSES | CORRECTIONS

"""What is recorded of verl: its own functions on the cases, by name of the record."""

from .corrections import CORRECTIONS
from .credit import CREDIT
from .distillation import DISTILLATION
from .estimators import ESTIMATORS
from .losses import LOSSES
from .losses_newer import LOSSES_NEWER
from .metrics import METRICS
from .tokens import TOKENS

ROWS = TOKENS | CREDIT | ESTIMATORS | LOSSES | LOSSES_NEWER | CORRECTIONS | METRICS | DISTILLATION

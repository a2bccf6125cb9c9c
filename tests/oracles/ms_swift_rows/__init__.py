"""What is recorded of ms-swift: its own functions on the cases, by name of the record."""

from .advantages import ADVANTAGES
from .offline import OFFLINE
from .others import OTHERS
from .policy import POLICY
from .teachers import TEACHERS

ROWS = POLICY | ADVANTAGES | OFFLINE | TEACHERS | OTHERS

"""The recorded runs behind pictures and tables: what each is called in figures/runs, and the command that makes it.

python -m reference record           lists them, and says which are there
python -m reference record NAME ...  makes those; a name without its seed stands for all seeds

Each entry is what stands behind ``python -m reference train``. Recorded are the log, the options and the accuracy, not
the weights.
"""

from . import advantages, aggregation, clipping, kl, preference, recipes
from .logs import at_the_end, mean_at, recorded_logs

__all__ = ["EXPERIMENTS", "at_the_end", "mean_at", "recorded_logs"]

EXPERIMENTS: dict[str, str] = (
    recipes.EXPERIMENTS
    | clipping.EXPERIMENTS
    | kl.EXPERIMENTS
    | advantages.EXPERIMENTS
    | aggregation.EXPERIMENTS
    | preference.EXPERIMENTS
)

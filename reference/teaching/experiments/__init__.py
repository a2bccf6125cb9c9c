"""The recorded runs behind pictures and tables: what each is called in figures/runs, and the command that makes it.

python -m reference record           lists them, and says which are there
python -m reference record NAME ...  makes those; a name without its seed stands for all seeds

Each entry is what stands behind ``python -m reference train``. Recorded are the log, the options and the accuracy, not
the weights.
"""

from reference.runs import recorded

from . import advantages, aggregation, clipping, kl, preference

EXPERIMENTS: dict[str, str] = (
    recorded.EXPERIMENTS
    | clipping.EXPERIMENTS
    | kl.EXPERIMENTS
    | advantages.EXPERIMENTS
    | aggregation.EXPERIMENTS
    | preference.EXPERIMENTS
)

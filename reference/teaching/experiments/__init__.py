"""The recorded runs behind pictures and tables: what each is called in figures/runs, and the command that makes it.

python -m reference record           lists them, and says which are there
python -m reference record NAME ...  makes those; a name without its seed stands for all seeds

Each entry is what stands behind ``python -m reference train``. Recorded are the log, the options and the accuracy, not
the weights.
"""

from . import recipes

EXPERIMENTS: dict[str, str] = recipes.EXPERIMENTS

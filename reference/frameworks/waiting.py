"""Which silent defaults wait for another option: "with sapo, tau is 1.05" says nothing while the loss is another."""

import re
from typing import Any

from reference.frameworks.settings import Setting

CONDITION = re.compile(r"(?:and )?with ([^,:;]*)[,:;]")
OFF = (None, False, 0, 0.0, "none", "off", "disabled", "")


def waits(setting: Setting, settings: list[Setting]) -> bool:
    """Whether the sentence begins with a condition on other options, and none of these is met.

    The condition names options, as ``with use_kl_loss:``, values, as ``with clip_cov,``, or both, as ``with loss_type sapo,``.
    One that names neither is told: nobody knows whether it is met.
    """
    condition = CONDITION.match(setting.words)
    if condition is None:
        return False
    values = {str(s.cell.option).rpartition(".")[2]: s.value for s in settings if s.cell.option and s.known}
    chosen = {str(value) for value in values.values() if isinstance(value, str)}
    possible = {str(known.value) for s in settings for known in s.cell.values if isinstance(known.value, str)}
    names, met = False, False
    words = condition.group(1).split()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in values:
            names, met = True, met or is_on(values[word], following)
        elif word in possible:
            names, met = True, met or word in chosen
    return names and not met


def is_on(value: Any, following: str) -> bool:
    """An option that is set, or set to the word behind it where its values are words."""
    if isinstance(value, str) and following not in ("", "and", "or"):
        return value == following
    return value not in OFF

"""Values as YAML and Hydra write them."""

import json
import math
import re
from typing import Any

PLAIN = re.compile(r"[A-Za-z_/][\w./-]*")
WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")  # a text of this name needs quotes


def yaml_value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return yaml_float(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(yaml_value, value)) + "]"
    if isinstance(value, int):
        return str(value)
    return str(value) if PLAIN.fullmatch(str(value)) and str(value).lower() not in WORDS else json.dumps(str(value))


def yaml_float(value: float) -> str:
    """With a dot: without one, 1e-06 is a text in YAML 1.1."""
    if math.isinf(value):
        return "-.inf" if value < 0 else ".inf"
    text = repr(value)
    return text if "." in text or "e" not in text else text.replace("e", ".0e")

"""Silent defaults that wait for another option."""

import pytest

from reference.configs.option import Option
from reference.frameworks.defaults import Cell, Value
from reference.frameworks.settings import Setting
from reference.frameworks.waiting import waits


def number(name: str, words: str, value: object = 0.1) -> Setting:
    return Setting(Cell("ratio", "", name, value, "a.py:1", says=words), value, None)


LOSS = Cell(
    "ratio", "", "actor.loss_mode", "vanilla", "a.py:2", values=(Value("vanilla", "x", {}), Value("sapo", "y", {}))
)
SWITCH = Cell(
    "kl", "", "actor.use_kl_loss", False, "a.py:3", values=(Value(False, "no KL", {}), Value(True, "a KL", {}))
)


def settings(loss: str = "vanilla", switch: bool = False) -> list[Setting]:
    return [Setting(LOSS, loss, Option(loss, loss, 1, "a.sh")), Setting(SWITCH, switch, None)]


@pytest.mark.parametrize(
    ("words", "loss", "switch", "expected"),
    [
        ("tau is {value}", "vanilla", False, False),
        ("with sapo, tau is {value}", "vanilla", False, True),
        ("with sapo, tau is {value}", "sapo", False, False),
        ("with loss_mode sapo, tau is {value}", "vanilla", False, True),
        ("with loss_mode sapo, tau is {value}", "sapo", False, False),
        ("with use_kl_loss: k3", "vanilla", False, True),
        ("with use_kl_loss: k3", "vanilla", True, False),
        ("with sapo and use_kl_loss, x", "vanilla", True, False),
        ("with vLLM, weights of {value}", "vanilla", False, False),  # nobody here knows whether vLLM samples
        ("without sapo, x", "vanilla", False, False),
    ],
)
def test_a_default_waits_while_the_condition_of_its_sentence_is_not_met(words, loss, switch, expected):
    assert waits(number("tau", words), settings(loss, switch)) is expected

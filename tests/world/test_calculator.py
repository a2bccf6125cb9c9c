"""The calculator: its grammar, its limits, and that it agrees with Python wherever both have a value."""

import ast
import random
import re

import pytest
from transformers.utils import get_json_schema

from reference.world.calculator import DEEPEST, DIGITS, LONGEST, CalculatorError, calculator, evaluate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7", 7),
        ("2+3*4", 14),
        ("2*3+4", 10),
        ("(2+3)*4", 20),
        ("10-4-3", 3),
        ("10-(4-3)", 9),
        ("-3*-4", 12),
        ("--5", 5),
        ("2-(-(1+1))", 4),
        ("007", 7),
        ("12*(34+5)", 468),
    ],
)
def test_values_by_hand(expression, value):
    assert evaluate(expression) == value
    assert calculator(expression) == str(value)


def random_expression(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return str(rng.randint(0, 999))
    if kind < 0.45:
        return f"({random_expression(rng, depth - 1)})"
    if kind < 0.55:
        return f"-{random_expression(rng, depth - 1)}"
    return f"{random_expression(rng, depth - 1)}{rng.choice('+-*')}{random_expression(rng, depth - 1)}"


def python_value(expression: str) -> int:
    """By Python's own grammar. The expressions are ours, and only these three operations are walked."""
    operations = {ast.Add: int.__add__, ast.Sub: int.__sub__, ast.Mult: int.__mul__}

    def value(node: ast.expr) -> int:
        match node:
            case ast.Constant(value=int() as number):
                return number
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return operations[type(op)](value(left), value(right))
        raise AssertionError(ast.dump(node))

    return value(ast.parse(expression, mode="eval").body)


def test_it_agrees_with_python_on_two_thousand_expressions():
    rng = random.Random(0)
    seen = 0
    while seen < 2000:
        expression = random_expression(rng, 4)
        if len(expression) <= LONGEST and not re.search(r"\b0\d", expression):
            assert evaluate(expression) == python_value(expression), expression
            seen += 1


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "is empty"),
        (" ", "' ' at character 1"),
        ("1 + 2", "' ' at character 2"),
        ("1+", "ends too early, expected a number"),
        ("(1", "expected a closing bracket"),
        ("1)", r"'\)' at character 2"),
        ("()", "expected a number or a bracket"),
        ("+1", r"'\+' at character 1"),
        ("2**3", r"'\*' at character 3"),
        ("7/2", "'/' at character 2"),
        ("1.5", r"'\.' at character 2"),
        ("1_000", "'_' at character 2"),
        ("1e9", "'e' at character 2"),
        ("0x1F", "'x' at character 2"),
        ("٣+1", r"'\\u0663' at character 1"),  # an Arabic digit: int() and str.isdigit() take it
        ("²", r"'\\xb2' at character 1"),
        ("1\n", r"'\\n' at character 2"),
        ("1\x00", r"'\\x00' at character 2"),
        ("__import__('os')", "'_' at character 1"),
        ("9" * (DIGITS + 1), f"has {DIGITS + 1} digits"),
        ("1" * 10_000, f"has 10000 characters, at most {LONGEST}"),
        ("(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1), f"more than {DEEPEST} brackets"),
        ("-" * (DEEPEST + 1) + "1", f"more than {DEEPEST} brackets"),
    ],
)
def test_everything_else_is_refused_in_few_words(expression, words):
    with pytest.raises(CalculatorError, match=words) as error:
        evaluate(expression)
    assert len(str(error.value)) <= 80 and str(error.value).isascii()


def test_at_its_limits_it_still_answers():
    assert evaluate("(" * DEEPEST + "1" + ")" * DEEPEST) == 1
    largest = "9" * DIGITS
    longest = "*".join([largest] * 4) + "*" + "9" * 11
    assert len(longest) == LONGEST - 1
    assert evaluate(longest) == int(largest) ** 4 * int("9" * 11)
    assert len(calculator(longest)) <= LONGEST


def test_its_schema_names_the_one_argument():
    parameters = get_json_schema(calculator)["function"]["parameters"]
    assert parameters["required"] == ["expression"]
    assert parameters["properties"]["expression"]["type"] == "string"

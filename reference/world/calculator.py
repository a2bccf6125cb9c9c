"""The calculator that a model may call. What a model writes is hostile input, so it is read by a grammar of its own.

    sum      = product { ("+" | "-") product }
    product  = factor { "*" factor }
    factor   = number | "-" factor | "(" sum ")"
    number   = 1 to 12 of the digits 0 to 9

Nothing else is read, not even a space, and nothing is ever given to Python's ``eval``. A text of at most 64 characters
bounds everything: the work, the depth, and the digits of the result.
"""

LONGEST = 64  # characters of an expression
DEEPEST = 8  # brackets and signs inside each other
DIGITS = 12  # of a number in the expression


class CalculatorError(ValueError):
    """Why an expression has no result, in words for the model: at most 80 characters, whatever it wrote."""


def calculator(expression: str) -> str:
    """Compute an expression of whole numbers.

    Args:
        expression: numbers, +, -, * and brackets, without spaces, such as 12*(34+5)
    """
    return str(evaluate(expression))


def evaluate(expression: str) -> int:
    """The value of an expression. Raises ``CalculatorError`` for everything that the grammar does not have."""
    if not expression:
        raise CalculatorError("the expression is empty")
    if len(expression) > LONGEST:
        raise CalculatorError(f"the expression has {len(expression)} characters, at most {LONGEST} are read")
    value, end = read_sum(expression, 0, 0)
    if end < len(expression):
        raise CalculatorError(f"{unexpected(expression, end)}, expected +, -, * or the end")
    return value


def read_sum(text: str, at: int, depth: int) -> tuple[int, int]:
    """The value of the sum that begins at a place of the text, and the place behind it."""
    value, at = read_product(text, at, depth)
    while text[at : at + 1] in ("+", "-"):
        right, end = read_product(text, at + 1, depth)
        value, at = (value + right if text[at] == "+" else value - right), end
    return value, at


def read_product(text: str, at: int, depth: int) -> tuple[int, int]:
    value, at = read_factor(text, at, depth)
    while text[at : at + 1] == "*":
        right, at = read_factor(text, at + 1, depth)
        value *= right
    return value, at


def read_factor(text: str, at: int, depth: int) -> tuple[int, int]:
    if depth > DEEPEST:
        raise CalculatorError(f"more than {DEEPEST} brackets and signs inside each other")
    match text[at : at + 1]:
        case "-":
            value, end = read_factor(text, at + 1, depth + 1)
            return -value, end
        case "(":
            value, end = read_sum(text, at + 1, depth + 1)
            if text[end : end + 1] != ")":
                raise CalculatorError(f"{unexpected(text, end)}, expected a closing bracket")
            return value, end + 1
    return read_number(text, at)


def read_number(text: str, at: int) -> tuple[int, int]:
    end = at
    while "0" <= text[end : end + 1] <= "9":  # str.isdigit would take the digits of every script
        end += 1
    if end == at:
        raise CalculatorError(f"{unexpected(text, at)}, expected a number or a bracket")
    if end - at > DIGITS:
        raise CalculatorError(f"a number has {end - at} digits, at most {DIGITS} are read")
    return int(text[at:end]), end


def unexpected(text: str, at: int) -> str:
    """What stands at a place where it cannot stand. ASCII in any case: the words go back to the model."""
    return f"{text[at]!a} at character {at + 1}" if at < len(text) else "the expression ends too early"

"""Texts that are calls, and texts that are none: what the exercise ``parse_call`` is tried on.

A*B stands for a product whose numbers each draw of the cases chooses. Each text that is no call has one thing wrong.
"""

CALLS = (
    '{"name": "calculator", "arguments": {"expression": "A*B"}}',
    '{"name": "clock", "arguments": {}}',
    '{"arguments": {"expression": "A*B"}, "name": "calculator"}',
    ' {"name": "calculator",\n  "arguments": {"expression": "A*B"}}\n',
    '{"name": "search", "arguments": {"words": ["tea", "A*B"], "options": {"limit": 3, "exact": true, "from": null}}}',
    '{"name": "write", "arguments": {"text": "a { and a } and \\"name\\": \\u0041*B, 1.5"}}',
)
NO_CALLS = (
    "",
    "The answer is A*B.",
    '{"name": "calculator", "arguments": {"expression": "A*B"}',  # a bracket is missing
    '{"name": "calculator"}',
    '{"arguments": {"expression": "A*B"}}',
    "[1, 2]",
    "7",
    "null",
    '["name", "arguments"]',
    '[{"name": "calculator", "arguments": {"expression": "A*B"}}]',
    '{"name": "calculator", "arguments": "A*B"}',
    '{"name": "calculator", "arguments": "{\\"expression\\": \\"A*B\\"}"}',  # JSON in quotes
    '{"name": "calculator", "arguments": ["A*B"]}',
    '{"name": "calculator", "arguments": null}',
    '{"name": 3, "arguments": {"expression": "A*B"}}',
    '{"name": null, "arguments": {}}',
    '{"name": "calculator", "arguments": {"expression": "A*B"}, "id": 1}',
    '{"name": "calculator", "parameters": {"expression": "A*B"}}',
    '{"name": "calculator", "arguments": {"expression": "A*B"}} Now I wait.',
    'I compute: {"name": "calculator", "arguments": {"expression": "A*B"}}',
    '{"name": "calculator", "arguments": {"expression": "A*B"}}{"name": "clock", "arguments": {}}',
    '{"name": "calculator", "name": "clock", "arguments": {"expression": "A*B"}}',
    '{"name": "calculator", "arguments": {"expression": "A*B"}, "arguments": {"expression": "1"}}',
    '{"name": "calculator", "arguments": {"expression": "A*B", "expression": "1"}}',
    '{"name": "round", "arguments": {"value": NaN}}',
    '{"name": "round", "arguments": {"value": -Infinity}}',
    "{'name': 'calculator', 'arguments': {'expression': 'A*B'}}",  # Python, and no JSON
    '{"name": "calculator", "arguments": {"expression": "A*B"},}',
    '("calculator", {"expression": "A*B"})',
    "```json\n" + '{"name": "calculator", "arguments": {"expression": "A*B"}}' + "\n```",
)

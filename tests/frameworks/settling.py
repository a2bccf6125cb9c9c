"""What options of a framework amount to, for tests that work it out by hand."""

from reference.frameworks.settle import settle


def settled(name: str, entry: str, options: dict, columns: dict | None = None) -> dict:
    """The columns that the options amount to, beside those that single options have set."""
    return settle(name, options.get, columns or {}, entry)


def has(found: dict, **expected: object) -> bool:
    return {name: found.get(name, "absent") for name in expected} == expected

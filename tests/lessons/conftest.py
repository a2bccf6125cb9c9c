"""What a notebook would display, widgets moved to their ends, and the chat that the first lessons look at."""

import pytest
from displays import panel_of, pictures_at_the_ends, shown  # noqa: F401  (fixtures)

from reference.teaching.example import Example, example


@pytest.fixture(scope="session")
def chat() -> Example:
    return example()

"""The recorded defaults, a file per framework and version."""

from pathlib import Path

VERSIONS = Path(__file__).parent

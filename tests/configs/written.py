"""A config that a test writes, and what the reader says about it."""

from reference.configs.option import ConfigRead
from reference.configs.read_config import read_config


def read(folder, name: str, text: str, framework: str | None = None) -> ConfigRead:
    path = folder / name
    path.write_text(text)
    return read_config(path, framework)


def values(read: ConfigRead) -> dict[str, object]:
    return {key: option.value for key, option in read.options.items()}

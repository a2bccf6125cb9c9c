"""Rows of a TensorBoard folder: the scalars of its event files in the order of their writing."""

import logging
from pathlib import Path
from typing import Any

from reference.doctor.names_row import listed
from reference.objectives.shapes import InputError

EVENTS = "*tfevents*"


def event_folder(path: Path) -> Path | None:
    """The folder at or below ``path`` that holds event files; None where there is none. Several are refused."""
    if not path.is_dir():
        return path if "tfevents" in path.name else None
    if any(path.glob(EVENTS)):
        return path
    folders = sorted({file.parent for file in path.rglob(EVENTS)})
    if len(folders) > 1:
        names = listed([str(folder.relative_to(path)) for folder in folders], 4)
        raise InputError(f"{path} holds {len(folders)} TensorBoard runs ({names}): name one of them")
    return folders[0] if folders else None


def rows_of_events(folder: Path) -> list[dict[str, Any]]:
    """A row per scalar, sorted by the time it was written, so that a run that was resumed comes after its first part."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # a file that was cut off is read as far as it goes
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    try:
        events.Reload()
    except Exception as error:  # what it raises for damaged files is not documented
        raise InputError(
            f"{folder} cannot be read as TensorBoard events ({type(error).__name__}): name another"
        ) from None
    tags = events.Tags()
    found = [(each.wall_time, each.step, tag, each.value) for tag in tags["scalars"] for each in events.Scalars(tag)]
    for tag in tags["tensors"]:  # as add_scalar(new_style=True) writes them
        for each in events.Tensors(tag):
            if (value := make_ndarray(each.tensor_proto)).size == 1 and value.dtype.kind in "fiu":
                found.append((each.wall_time, each.step, tag, float(value)))
    return [{"step": step, tag: value} for _, step, tag, value in sorted(found, key=lambda event: event[0])]

"""What every kernel that a test starts runs first (conftest.py names it): the pictures of its notebook are measured."""


def measure() -> None:
    import importlib.util
    import sys
    from pathlib import Path

    if importlib.util.find_spec("reference"):  # the kernels of a class have an environment of their own
        sys.path.append(str(Path(__file__).parent))
        from contrast import watch

        sys.path.pop()
        watch()


measure()
del measure  # what stands here is in the notebook too

"""From the folder tests/audit, in an environment that has the framework: python -m recorders verl

Writes batches/FRAMEWORK-WHAT.safetensors, with the version of the framework inside.
"""

import argparse
import importlib
from pathlib import Path

from safetensors.torch import save_file

FOLDER = Path(__file__).parents[1] / "batches"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Save the batches of a framework that is installed here.")
    parser.add_argument("framework", choices=["verl", "openrlhf", "skyrl", "nemo_rl"])
    name = parser.parse_args().framework
    module = importlib.import_module(f".of_{name}", __package__)
    FOLDER.mkdir(exist_ok=True)
    for what, tensors in module.batches().items():
        path = FOLDER / f"{name}-{what}.safetensors"
        save_file(
            {key: tensor.clone().contiguous() for key, tensor in tensors.items()}, path, {"version": module.VERSION}
        )
        print(path, {key: tuple(tensor.shape) for key, tensor in tensors.items()})

"""The frameworks whose answers are recorded: how each is called, and what an environment of its own holds.

Imports nothing but the standard library, so that the recording commands can use it anywhere.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Framework:
    """``title``: its name in tables. ``package``: on the package index, or ``name @ git+URL@commit``.

    ``needs``: what its formulas import, beside torch. The package itself is installed without its dependencies, because
    most of them want a GPU or versions that exclude each other. ``module``: what is imported, if not the fixture's name.
    """

    title: str
    package: str
    needs: tuple[str, ...] = ()
    module: str = ""


# By the name of the fixture and of the folder of rows.
RECORDED = {
    "verl": Framework(
        "verl",
        "verl==0.9.1",
        (
            "ray",
            "tensordict==0.10.0",
            "omegaconf",
            "hydra-core",
            "codetiming",
            "dill",
            "pandas",
            "transformers==5.23.0",
        ),
    ),
    "openrlhf": Framework("OpenRLHF", "openrlhf==0.11.2", ("ray", "transformers==5.23.0")),
    "skyrl": Framework("SkyRL", "skyrl==0.3.0", ("omegaconf", "loguru", "jaxtyping", "pyyaml", "numpy")),
    "liger_kernel": Framework("Liger", "liger-kernel==0.8.5"),
    "torchrl": Framework("torchrl", "torchrl==0.14.1", ("tensordict==0.14.3",)),
    "areal": Framework("AReaL", "areal==1.0.4", ("numpy", "pyyaml")),
    "torchtune": Framework("torchtune", "torchtune==0.6.1"),
    "nemo_rl": Framework(
        "NeMo-RL",
        "nemo-rl @ git+https://github.com/NVIDIA-NeMo/RL@7ea279abfbeb698b092856d0dab61e7cf39bc909",
        ("pydantic", "transformers==5.23.0"),
    ),
    "openpipe_art": Framework("ART", "openpipe-art==0.5.18", ("pydantic", "transformers==5.23.0"), "art"),
    "axolotl": Framework("axolotl", "axolotl==0.19.0"),
    "ms_swift": Framework("ms-swift", "ms-swift==4.6.0", ("trl==0.29.1",), "swift"),
    "llamafactory": Framework("LLaMA-Factory", "llamafactory==0.9.5", ("trl==0.24.0",)),
}
TITLES = ("TRL", *(framework.title for framework in RECORDED.values()))

# Whose defaults are recorded, by the name of the file in defaults/.
DEFAULTS = {
    "trl": "TRL",
    "verl": "verl",
    "openrlhf": "OpenRLHF",
    "skyrl": "SkyRL",
    "liger_kernel": "Liger",
    "torchrl": "torchrl",
    "areal": "AReaL",
    "torchtune": "torchtune",
    "nemo_rl": "NeMo-RL",
    "openpipe_art": "ART",
    "axolotl": "axolotl",
    "ms_swift": "ms-swift",
    "llamafactory": "LLaMA-Factory",
}
NEEDS = {
    "trl": ("transformers==5.23.0",),
    "ms_swift": ("transformers==5.19.0",),
    "llamafactory": ("transformers==5.6.0",),
    "axolotl": ("trl==1.9.0",),
}  # what else states its defaults
CELLS = Path(__file__).parents[2] / "reference" / "frameworks" / "versions"


def recorded_version(name: str) -> str:
    """Of a framework's defaults, or of its records where there are none."""
    folder = CELLS if name in DEFAULTS else Path(__file__).parent / "fixtures"
    return max(path.stem.removeprefix(f"{name}-") for path in folder.glob(f"{name}-*.json"))

"""The frameworks whose answers are recorded: how each is called, and what an environment of its own holds.

Imports nothing but the standard library, so that the recording commands can use it anywhere.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Framework:
    """``title``: its name in tables. ``package``: on the package index, or ``name @ git+URL@commit``.

    ``needs``: what its formulas import, beside torch. The package itself is installed without its dependencies, because
    most of them want a GPU or versions that exclude each other.
    """

    title: str
    package: str
    needs: tuple[str, ...] = ()


# By the name of the fixture and of the folder of rows.
RECORDED = {
    "verl": Framework(
        "verl",
        "verl==0.9.1",
        ("ray", "tensordict==0.10.0", "omegaconf", "codetiming", "dill", "pandas", "transformers==5.23.0"),
    ),
    "openrlhf": Framework("OpenRLHF", "openrlhf==0.11.2", ("ray", "transformers==5.23.0")),
    "nemo_rl": Framework(
        "NeMo-RL",
        "nemo-rl @ git+https://github.com/NVIDIA-NeMo/RL@7ea279abfbeb698b092856d0dab61e7cf39bc909",
        ("pydantic", "transformers==5.23.0"),
    ),
    "openpipe_art": Framework("ART", "openpipe-art==0.5.18", ("pydantic", "transformers==5.23.0")),
    "axolotl": Framework("axolotl", "axolotl==0.19.0"),
}
TITLES = ("TRL", *(framework.title for framework in RECORDED.values()))

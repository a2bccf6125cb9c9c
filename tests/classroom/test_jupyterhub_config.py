"""docs/jupyterhub_config.py, as JupyterHub loads it. JupyterHub itself is not needed."""

import shlex
import subprocess
from pathlib import Path

import pytest
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

FILE = Path(__file__).parents[2] / "docs" / "jupyterhub_config.py"


@pytest.fixture
def settings() -> Config:
    return PyFileConfigLoader(FILE.name, path=str(FILE.parent)).load_config()


def test_it_loads_and_sets_what_the_page_promises(settings):
    assert settings.Spawner.environment["OMP_NUM_THREADS"] == "1"
    assert settings.JupyterHub.active_server_limit == 22
    assert settings.Spawner.mem_limit == 2 * 1024**3
    assert not {"Authenticator", "DummyAuthenticator"} & set(settings)  # who may log in is for the teacher to say


def test_a_process_started_as_the_spawner_does_has_the_limit(settings):
    """LocalProcessSpawner hands the command to shell_cmd as one text; what it starts inherits the limit."""
    command = [*settings.LocalProcessSpawner.shell_cmd, shlex.join(["sh", "-c", "ulimit -d; nice"])]
    if not all(Path("/usr/bin", name).exists() for name in ("prlimit", "nice")):
        pytest.skip("no prlimit: it comes with util-linux")
    limit, niceness = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(limit) == settings.Spawner.mem_limit // 1024 and int(niceness) >= 10


def test_every_option_of_the_server_is_one_that_jupyter_server_knows(settings):
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    known = {"ServerApp": ServerApp, "MappingKernelManager": MappingKernelManager}
    for option in settings.Spawner.args:
        name, trait = option.removeprefix("--").partition("=")[0].split(".")
        assert trait in known[name].class_trait_names(config=True)

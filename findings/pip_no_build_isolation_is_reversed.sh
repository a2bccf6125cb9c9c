#!/usr/bin/env bash
# pip: PIP_NO_BUILD_ISOLATION=1 keeps the isolation, and 0 switches it off.
#
# One would guess: the variable of an option is set to 1 to use the option, as with PIP_NO_INDEX=1 and PIP_NO_DEPS=1. So
# PIP_NO_BUILD_ISOLATION=1 is --no-build-isolation.
#
# Seen: the value is that of the setting behind the option, whether to isolate. With 1 pip makes an isolated environment
# as if nothing had been said, and asks an index for what the build needs. With 0 it builds with the packages that are
# there, as with the option. Without a network only 0 works.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment with pip and setuptools; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check pip==26.3 setuptools==80.9.0
fi
mkdir "$folder/small" && cd "$folder/small"
cat > pyproject.toml <<'PROJECT'
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[project]
name = "small"
version = "1"
PROJECT
"$python" - <<'PROGRAM'
import os, subprocess, sys
from importlib.metadata import version

print(f"pip {version('pip')}")
COMMAND = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--disable-pip-version-check", "."]


def builds(*options, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | variables
    return subprocess.run([*COMMAND, *options], env=environment, capture_output=True).returncode == 0


found = {
    "nothing said": builds(),
    "--no-build-isolation": builds("--no-build-isolation"),
    "PIP_NO_BUILD_ISOLATION=1": builds(PIP_NO_BUILD_ISOLATION="1"),
    "PIP_NO_BUILD_ISOLATION=0": builds(PIP_NO_BUILD_ISOLATION="0"),
}
for name, built in found.items():
    print(f"{name:26} {'builds' if built else 'asks an index for setuptools, and fails'}")
sys.exit(0 if list(found.values()) == [False, True, False, True] else 1)
PROGRAM

"""The wheel, installed, and the site that it builds: both made once a run."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

Once = Callable[[str, Callable[[Path], object]], Path]


def of_a_reader(home: Path) -> dict[str, Any]:
    """Describe the process of a reader who has nothing: an empty folder, no settings."""
    variables = {name: value for name, value in os.environ.items() if name in ("PATH", "TMPDIR")}
    return {"cwd": home, "env": {**variables, "HOME": str(home), "LC_ALL": "C.UTF-8"}}


@pytest.fixture(scope="session")
def installed(once: Once) -> Path:
    """Build the wheel and install it into a fresh virtual environment: gives that environment's folder.

    The wheel's dependencies are those of this environment, by a path file: to install them again would take minutes and
    prove nothing about the wheel.
    """

    def install(folder: Path) -> None:
        pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
        environment = folder / "venv"
        venv.create(environment)
        paths = {name: str(environment) for name in ("base", "platbase", "installed_base")}
        dependencies = Path(sysconfig.get_path("purelib", vars=paths)) / "dependencies.pth"
        dependencies.write_text(sysconfig.get_path("purelib"))  # pip's, too
        (wheel,) = folder.glob("*.whl")
        install = [environment / "bin" / "python", *pip, "install", "--no-deps", "--ignore-installed", wheel]
        subprocess.run(install, check=True)

    return once("wheel", install) / "venv"


@pytest.fixture(scope="session")
def home_with_site(installed: Path, once: Once) -> Path:
    """Let the installed wheel build the whole site in a reader's cache: gives the reader's home."""

    def build(home: Path) -> None:
        subprocess.run([installed / "bin" / "python", "-m", "reference_ws.guide.site"], check=True, **of_a_reader(home))

    return once("home", build)

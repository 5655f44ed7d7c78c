"""The wheel, installed with its extras, and the whole site: each made once a run, the site by the installed wheel."""

import os
import subprocess
import sys
import zipfile
from functools import partial
from importlib.metadata import PathDistribution, distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def of_a_reader(home: Path):
    """Describe the process of a reader who has nothing: an empty folder, no settings."""
    variables = {name: value for name, value in os.environ.items() if name in ("PATH", "TMPDIR")}
    return {"cwd": home, "env": {**variables, "HOME": str(home), "LC_ALL": "C.UTF-8"}}


@pytest.fixture(scope="session")
def wheel(once):
    """Build the wheel; gives its file."""

    def build(folder: Path) -> None:
        subprocess.run([*PIP, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)

    return next(once("wheel", build).glob("*.whl"))


@pytest.fixture(scope="session")
def told(wheel):
    """Read the wheel's metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return PathDistribution(zipfile.Path(archive, name.removesuffix("METADATA"))).metadata


def needed(requirements, extra):
    """Name the distributions that `requirements`, under `extra`, and all that they need in turn, stand for."""
    found: dict[tuple[str, str], None] = {}
    waiting = [(requirement, extra) for requirement in requirements]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for key in [(name, ""), *((name, more) for more in requirement.extras)]:
            if key not in found:
                found[key] = None
                inner = requirements if name == "reference-ws" else requires(name) or []
                waiting += [(line, key[1]) for line in inner]
    return {name for name, _ in found} - {"reference-ws"}


@pytest.fixture(scope="session")
def install(wheel, told, once):
    """Make virtual environments: of the wheel, with an extra or none, and what it needs for that; gives the folder.

    What it needs are links to what this environment has, distribution by distribution: to install that again would take
    minutes and a network. Whatever else is here is not to be found there.
    """

    def fill(extra: str, folder: Path) -> None:
        import venv  # here: Pyodide has none (`make py314`)

        venv.create(folder)
        subprocess.run([*PIP, "--python", folder, "install", "--no-deps", wheel], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        for name in needed(told.get_all("Requires-Dist"), extra):
            here = distribution(name)
            for top in {file.parts[0] for file in here.files or ()} - {"..", "__pycache__"}:
                if not (packages / top).exists():  # two distributions may share a namespace
                    (packages / top).symlink_to(here.locate_file(top))

    return lambda extra="": once(f"environment-{extra or 'bare'}", partial(fill, extra))


@pytest.fixture(scope="session")
def installed(install):
    """Install all that a reader needs; gives the folder of the virtual environment."""
    return install("serve")


@pytest.fixture(scope="session")
def home_with_site(installed, once):
    """Let the installed wheel build the whole site in a reader's cache; gives the reader's home."""

    def build(home: Path) -> None:
        subprocess.run([installed / "bin" / "python", "-m", "reference_ws.guide.site"], check=True, **of_a_reader(home))

    return once("home", build)


@pytest.fixture(scope="session")
def whole_site(request):
    """Give the site that `make check` or `make serve` has built; have the pages changed since, what the wheel builds.

    It is every test's: none may change it, but to add the Python that runs in the browser.
    """
    from reference_ws.guide import site  # here: Pyodide has no mkdocs (`make py314`)

    if not site.is_stale(site.default_output()):
        return site.default_output()
    (built,) = request.getfixturevalue("home_with_site").glob(".cache/*/site")
    return built

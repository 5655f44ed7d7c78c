from pathlib import Path

import pytest
from small_docs import write_docs

from reference_ws.guide.site import build


@pytest.fixture(scope="session")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the small documents: built once, not to be changed."""
    folder = tmp_path_factory.mktemp("small")
    build(output=folder / "site", progress=lambda _: None, config=write_docs(folder))
    return folder / "site"

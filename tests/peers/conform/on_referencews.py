"""This library: the code of the page itself."""

from reference_ws.guide.conformance import suite
from reference_ws.guide.pages import source_root

page = suite(source_root() / "docs", "zh")
namespace: dict[str, object] = {"__name__": __name__}
for sample in page.samples:
    exec(sample.source, namespace)
app = namespace["app"]

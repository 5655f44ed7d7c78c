"""The tables of what servers do otherwise, from a file that is written here."""

import re

import msgspec
import pytest

from reference_ws.guide.differences import read_servers, servers_file, tables

TITLES = ("server", "version", "as-written", "otherwise", "why", "example", "where")
FILE = """
[reasons.mute]
zh = "不说话。"
ru = "Молчит."

[reasons.late]
zh = "来得太晚。"
ru = "Опаздывает."

[[servers]]
name = "exact"
version = "1.0"

[[servers]]
name = "odd one"
version = "2.0"
differences = [
    { transcript = "closing#end 2", reason = "mute", expected = '<- text "<b>"', got = "(nothing)" },
    { transcript = "index#start 1", reason = "mute", expected = "<- accept", got = "(nothing)" },
    { transcript = "echo/0", reason = "late", expected = "soon", got = "later" },
]

[[servers]]
name = "odd two"
version = "2.0"
differences = [
    { transcript = "closing#end 2", reason = "mute", expected = '<- text "<b>"', got = "(nothing)" },
    { transcript = "index#start 1", reason = "mute", expected = "<- accept", got = "(nothing)" },
    { transcript = "echo/0", reason = "late", expected = "soon", got = "later" },
]
"""
PAGE = "# A {#a}\n\n## End {#end}\n\n" + "```transcript\n-> connect /\n<- accept\n```\n\n" * 3


@pytest.fixture
def docs(tmp_path):
    """Documents with three transcripts, and the file of the servers beside them."""
    docs = tmp_path / "docs"
    (docs / "ru").mkdir(parents=True)
    (docs / "ru" / "closing.md").write_text(PAGE, "utf-8")
    columns = [f'[columns.{title}]\nru = "{title}!"' for title in TITLES]
    servers_file(docs).write_text("\n".join([*columns, FILE]), "utf-8")
    return docs


def test_transcripts_that_come_as_written_are_counted(docs):
    html = tables(docs, "ru")

    assert "<td>exact</td> <td>1.0</td> <td>3</td> <td>0</td>" in html
    assert "<td>odd one</td> <td>2.0</td> <td>1</td> <td>2</td>" in html


def test_titles_and_reasons_are_in_the_readers_language(docs):
    html = tables(docs, "ru")

    assert all(f'<th scope="col">{title}!</th>' in html for title in TITLES)
    assert "Молчит." in html
    assert "不说话。" not in html


def test_servers_that_differ_alike_share_a_table(docs):
    headings = re.findall("<h3.*?</h3>", tables(docs, "ru"))

    assert ['<h3 id="odd-one-2.0">odd one 2.0, odd two 2.0</h3>'] == headings


def test_a_difference_shows_an_example_and_leads_to_its_sections(docs):
    html = tables(docs, "ru")

    assert "<code>&lt;- text &quot;&lt;b&gt;&quot;</code><br>→ <code>(nothing)</code>" in html
    assert '<a href="../closing/#end">closing#end</a><br><a href="../#start">index#start</a>' in html


def test_a_difference_that_no_page_shows_has_no_example(docs):
    assert "<td>Опаздывает.</td> <td>—</td> <td>—</td>" in tables(docs, "ru")


def test_a_mistyped_key_is_an_error(docs):
    file = servers_file(docs)
    file.write_text(file.read_text("utf-8").replace("expected", "excepted", 1), "utf-8")

    with pytest.raises(msgspec.ValidationError, match="excepted"):
        read_servers(file)

"""What the server itself says is in the language of the address, or else of the browser."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from reference_ws.guide.serving import application
from reference_ws.guide.words.catalogs import catalog


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    for name, text in {
        "docs/zh/broken.md": "# A {#a}\n\n```python\n1 / 0\n```\n",
        "site/index.html": "首页",
        "site/404.html": "没有这一页",
        "site/pt/404.html": "Essa página não existe",
        "site/ru/404.html": "Нет такой страницы",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return TestClient(application(tmp_path / "site", tmp_path / "docs"))


@pytest.mark.parametrize(
    ("accept_language", "path", "expected"),
    [
        ("pt-BR,pt;q=0.9", "/nothing/", "Essa página não existe"),
        ("pt-BR,pt;q=0.9", "/ru/nothing/", "Нет такой страницы"),
        ("ru", "/nothing/deep.html", "Нет такой страницы"),
        ("zh-TW", "/nothing/", "没有这一页"),
        ("en", "/nothing/", "没有这一页"),
        ("", "/pt/nothing/", "Essa página não existe"),
    ],
)
def test_a_missing_page_is_told_in_the_reader_s_language(client, accept_language, path, expected):
    response = client.get(path, headers={"accept-language": accept_language})

    assert (404, expected) == (response.status_code, response.text)
    assert "accept-language" == response.headers["vary"]


def test_the_root_is_chinese_for_every_browser(client):
    assert "首页" == client.get("/", headers={"accept-language": "ru"}).text


@pytest.mark.parametrize("language", ["zh", "pt", "ru"])
def test_a_missing_example_is_told_in_the_reader_s_language(client, language):
    sentence = catalog(language).gettext("There is no such page. The pages:")

    response = client.get("/live/nothing", headers={"accept-language": language})

    assert (404, f"{sentence}\n/live/broken\n") == (response.status_code, response.text)


@pytest.mark.parametrize("language", ["zh", "pt", "ru", "en"])
def test_a_broken_page_is_told_in_the_reader_s_language(client, language):
    sentence = catalog(language).gettext("The examples of the page %(page)s don't run; the server's log says why.")

    response = client.get("/live/broken", headers={"accept-language": language})

    assert (500, sentence % {"page": "broken"} + "\n") == (response.status_code, response.text)


@pytest.mark.parametrize("path", ["/", "/nothing/"])
def test_pages_tell_the_browser_to_be_careful(client, path):
    headers = client.get(path).headers

    assert "nosniff" == headers["x-content-type-options"]
    assert "same-origin" == headers["referrer-policy"]
    assert "SAMEORIGIN" == headers["x-frame-options"]
    assert "frame-ancestors 'self'" == headers["content-security-policy"]

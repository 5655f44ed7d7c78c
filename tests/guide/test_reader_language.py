"""What the server itself says is in the language of the address, or else of the browser."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

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
    assert "Accept-Language, Cookie, Accept-Encoding" == response.headers["vary"]


@pytest.mark.parametrize(
    ("accept_language", "chosen", "place"),
    [
        ("pt-BR,pt;q=0.9", None, "/pt/"),
        ("ru", None, "/ru/"),
        ("ru", "pt", "/pt/"),
        ("ru", "xx", "/ru/"),
        ("ru", "zh", None),
        ("zh-TW", None, None),
        ("en", None, None),
        (None, None, None),
        (None, "ru", "/ru/"),
    ],
)
def test_the_root_is_answered_in_the_reader_s_language(client, accept_language, chosen, place):
    headers = {"accept-language": accept_language} if accept_language else {"accept-language": ""}
    headers |= {"cookie": f"ws-language={chosen}"} if chosen else {}

    response = client.get("/?highlight=a%20b", headers=headers, follow_redirects=False)

    if place is None:
        assert "Accept-Language, Cookie, Accept-Encoding" == response.headers["vary"]
        assert (200, "首页") == (response.status_code, response.text)
    else:
        assert "Accept-Language, Cookie" == response.headers["vary"]
        assert (307, f"{place}?highlight=a%20b") == (response.status_code, response.headers["location"])
        assert "no-store" == response.headers["cache-control"]


def test_only_the_root_asks_for_the_language(client):
    response = client.get("/index.html", headers={"accept-language": "ru"}, follow_redirects=False)
    assert (200, "首页") == (response.status_code, response.text)


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


@pytest.mark.parametrize("path", ["/", "/nothing/", "/live/nothing", "/live/broken"])
def test_pages_tell_the_browser_to_be_careful(client, path):
    headers = client.get(path).headers

    assert "nosniff" == headers["x-content-type-options"]
    assert "same-origin" == headers["referrer-policy"]
    assert "SAMEORIGIN" == headers["x-frame-options"]
    policy = headers["content-security-policy"].split("; ")
    assert "frame-ancestors 'self'" in policy
    # A page says itself what it runs; everything else runs nothing of anybody else's.
    is_page = "text/html" in headers["content-type"]
    assert is_page or "default-src 'self'" in policy


LOOPBACK = ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.9.8.7:1", "[::1]", "[::1]:8000"]
FOREIGN = [
    "evil.test:8000",
    "localhost.evil.test",
    "127.0.0.1.evil.test",
    "a@localhost",
    "localhost:8000:1",
    "[::1",
    "",
]


@pytest.mark.parametrize(
    ("host", "allowed", "lets_in", "refuses"),
    [
        ("127.0.0.1", (), LOOPBACK, [*FOREIGN, "192.168.1.2:8000", "0.0.0.0", "[2001:db8::1]"]),
        ("::1", ("Box.lan",), [*LOOPBACK, "box.lan:8000", "BOX.LAN."], [*FOREIGN, "192.168.1.2"]),
        ("localhost", (), LOOPBACK, FOREIGN),
        ("0.0.0.0", ("box.lan",), [*LOOPBACK, "192.168.1.2:8000", "[2001:db8::1]:8000", "box.lan"], FOREIGN),
        ("box.lan", (), [*LOOPBACK, "box.lan:8000", "192.168.1.2"], [*FOREIGN, "other.lan"]),
    ],
)
def test_a_server_answers_to_its_own_names_only(tmp_path, client, host, allowed, lets_in, refuses):
    app = application(tmp_path / "site", tmp_path / "docs", host=host, allow_hosts=allowed)
    guarded = TestClient(app)
    for name in lets_in:
        assert 200 == guarded.get("/index.html", headers={"host": name}).status_code, name
    for name in refuses:
        response = guarded.get("/index.html", headers={"host": name, "accept-language": "en"})
        assert 400 == response.status_code, name
        assert "--allow-host NAME" in response.text
        assert "nosniff" == response.headers["x-content-type-options"]
        connection = guarded.websocket_connect("/live/broken", headers={"host": name})
        with pytest.raises(WebSocketDenialResponse) as denied, connection:
            pass
        assert 400 == denied.value.status_code


def test_two_hosts_are_none(tmp_path, client):
    app = TestClient(application(tmp_path / "site", tmp_path / "docs", host="127.0.0.1"))
    assert 400 == app.get("/", headers=[("host", "localhost"), ("host", "evil.test")]).status_code

"""A small copy of the documents' folder, with the project's own mkdocs.yml, and a page to read and run."""

import shutil
from pathlib import Path

from reference_ws.guide.pages import source_root

PAGES = ("index", "lifecycle", "handlers", "messages", "closing")

TITLES = {
    "zh": ("首页", "生命周期", "处理器", "消息", "关闭连接"),
    "pt": ("Início", "Ciclo de vida", "Handlers", "Mensagens", "Encerrar a conexão"),
    "ru": ("Главная", "Жизненный цикл", "Обработчики", "Сообщения", "Закрытие соединения"),
}

# What a page says its language is.
TAGS = {"zh": "zh-Hans", "pt": "pt", "ru": "ru"}

# What only the last page says, to be searched for.
ONLY_ON_CLOSING = {
    "zh": "应用把消息广播给所有人。",
    "pt": "As transmissões terminam aqui.",
    "ru": "Здесь заканчивается рассылка.",
}

CLOSING = """
## denied {{#denied}}

!!! warning
    {text}

```transcript {{app=raw denial=off}}
-> connect /denied?token=abc
    cookie: a=b
<- deny 403
```

```transcript
# {text}
-> connect /echo
<- accept
-> text "<b>"
<- close 1000 "bye"
```

## last {{#last}}

```transcript
alice -> connect /room/1
alice <- accept
bob -> connect /room/2
bob <- accept
bob -> drop
```
"""

REFERENCE = """
[Address][reference_ws.Address]

::: reference_ws.Address

::: reference_ws.testing.connect

```glossary
```
"""

GLOSSARY = """\
[[term]]
en = "close <code>"
zh = "关闭码"
pt = "código"
ru = "код закрытия"
forbidden = { zh = ["关闭代码"] }
also = { zh = ["断开码"], ru = ["код"] }
at = "closing#last"
"""

ADDRESSES = """
`make serve` puts `http://127.0.0.1:8000` there.
Open it: `ws = new WebSocket("ws://127.0.0.1:8000/live/index/echo")`.
See `http://127.0.0.1:80001`.

```console
$ python -m websockets ws://127.0.0.1:8000/live/index/echo
```

```transcript
-> connect /echo
    origin: http://127.0.0.1:8000
```
"""

LIFECYCLE = "".join(
    f"\n## {show} {{#{show}}}\n\n```lifecycle {{show={show}}}\n```\n"
    for show in ("states", "receive", "send", "close-codes")
)


# Two Python samples and a transcript, all of which pass.
ECHO = """\
# Echo {#echo}

```python
from reference_ws import App, WebSocket

app = App()
codes = []


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    codes.append(1000)
```

## Say hello {#hello}

```transcript
-> connect /echo
<- accept
-> text "hello"
<- text "hello"
<- close 1000
```

```python
assert codes == [1000]
```
"""


def write_reference(docs: Path) -> None:
    """Add two objects of the reference and the glossary to a page, and the notes that only programs read."""
    for language in TITLES:
        with (docs / language / "messages.md").open("a", encoding="utf-8") as page:
            page.write(REFERENCE)
    (docs / "glossary.toml").write_text(GLOSSARY, "utf-8")
    (docs / "pages.toml").touch()


def write_docs(folder: Path) -> Path:
    """Write five pages in three languages below `folder`; return the mkdocs.yml that builds them."""
    more = {"lifecycle": LIFECYCLE, "index": ADDRESSES}
    for language, titles in TITLES.items():
        (folder / "docs" / language).mkdir(parents=True)
        for name, title in zip(PAGES, titles, strict=True):
            body = CLOSING.format(text=ONLY_ON_CLOSING[language]) if name == "closing" else more.get(name, "")
            front = f"---\ndescription: {ONLY_ON_CLOSING[language]}\n---\n\n" if name == "closing" else ""
            (folder / f"docs/{language}/{name}.md").write_text(f"{front}# {title} {{#{name}}}\n{body}", "utf-8")
    shutil.copytree(source_root() / "docs/assets", folder / "docs/assets")
    for file in ("sw.js", "manifest.webmanifest"):
        shutil.copy(source_root() / "docs" / file, folder / "docs")
    config = folder / "mkdocs.yml"
    nav = "".join(f"  - {name}.md\n" for name in PAGES)
    config.write_text(f"INHERIT: {source_root() / 'mkdocs.yml'}\ndocs_dir: docs\nnav:\n{nav}", "utf-8")
    return config

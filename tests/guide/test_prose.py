from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from checks.prose import check
from checks.variants import variant

from reference_ws.guide.glossary import Term, read_terms
from reference_ws.guide.pages import read_page

TERMS = [
    Term("message", "消息", "mensagem", "сообщение", {"zh": ["信息"], "pt": ["recado"], "ru": ["мессадж"]}),
    Term("binary frame", "二进制帧", "frame binário", "двоичный фрейм", {"ru": ["бинарный фрейм"]}),
]


@pytest.fixture
def findings(tmp_path: Path) -> Callable[..., list[str]]:
    """Check a page of one paragraph; what is said about its place is cut off."""

    def check_paragraph(language: str, text: str) -> list[str]:
        path = tmp_path / "docs" / language / "closing.md"
        path.parent.mkdir(parents=True)
        path.write_text(f"# 1 {{#closing}}\n\n{text}\n", encoding="utf-8")
        found = list(check(read_page(path), TERMS))
        place = f"docs/{language}/closing.md:3: "
        assert all(finding.startswith(place) for finding in found)
        return [finding.removeprefix(place) for finding in found]

    return check_paragraph


WRONG = [
    ("zh", "一条信息。", "信息 stands where the term is 消息 (message)"),
    ("zh", "您先接受它。", "the reader is 你: “您先接受它。”"),
    ("zh", "先接受,再发送。", "punctuation beside a Chinese character is full-width: “先接受,再发送。”"),
    ("zh", "先接受(握手)。", "punctuation beside a Chinese character is full-width: “先接受(握手)。”"),
    ("zh", "先接受.", "punctuation beside a Chinese character is full-width: “先接受.”"),
    ("zh", "见 RFC,然后发送。", "punctuation beside a Chinese character is full-width: “见 RFC,然后发送。”"),
    (
        "zh",
        "一个WebSocket 连接。",
        "a space stands between a Chinese character and a Latin letter or digit: “一个WebSocket 连接。”",
    ),
    ("zh", "有 64条。", "a space stands between a Chinese character and a Latin letter or digit: “有 64条。”"),
    (
        "zh",
        "由 [ASGI](https://asgi.example)定义。",
        "a space stands between a Chinese character and a Latin letter or digit: “由 ASGI定义。”",
    ),
    ("zh", "现在呢？", "a question without an answer ends the section: 现在呢？"),
    ("pt", "O que vê Ana?", "a question without an answer ends the section: O que vê Ana?"),
    ("pt", "Dois *recados*.", "recados stands where the term is mensagem (message)"),
    ("pt", "Agora você envia.", "the reader is addressed without a pronoun: “Agora você envia.”"),
    ("pt", "| Agora | o teu cliente |", "the reader is addressed without a pronoun: “| Agora | o teu cliente |”"),
    ("pt", "Conecta-te.", "the reader is addressed without a pronoun: “Conecta-te.”"),
    ("pt", "Vem um texto. Outro vai.", "each sentence stands on a line of its own: “Vem um texto. Outro vai.”"),
    ("pt", "Chame `close()`. Depois acaba.", "each sentence stands on a line of its own: “Chame `…`. Depois acaba.”"),
    ("ru", "Двумя мессаджами.", "мессаджами stands where the term is сообщение (message)"),
    ("ru", "В бинарных  фреймах.", "бинарных  фреймах stands where the term is двоичный фрейм (binary frame)"),
    ("ru", "Теперь Вы отправите текст.", "вы and ваш begin with a small letter: “Теперь Вы отправите текст.”"),
    (
        "ru",
        "Если текст пришёл, Ваша очередь.",
        "вы and ваш begin with a small letter: “Если текст пришёл, Ваша очередь.”",
    ),
    ("ru", "Код `1000` — Ваш выбор.", "вы and ваш begin with a small letter: “Код `…` — Ваш выбор.”"),
    ("ru", "Это твоё соединение.", "the reader is вы: “Это твоё соединение.”"),
    ("ru", "Ты его закрыл.", "the reader is вы: “Ты его закрыл.”"),
    ("ru", "Текст пришёл. Он последний.", "each sentence stands on a line of its own: “Текст пришёл. Он последний.”"),
    ("ru", "- «Пришёл!» Он рад.", "each sentence stands on a line of its own: “«Пришёл!» Он рад.”"),
]


@pytest.mark.parametrize(("language", "text", "finding"), WRONG)
def test_wrong_prose_is_found(findings, language, text, finding):
    assert [finding] == findings(language, text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "你先接受它，再发送 64 条 `信息`，见 [RFC 6455](信息.md#信息)。"),
        ("zh", "关于 `close()` 和 ASGI（一个接口）。"),
        ("zh", "Python 3.10, 3.11 都可以。"),
        ("zh", "```python\nmessage = '信息,您'\n```"),
        ("pt", "A teia, o túnel e o recadista; <abbr title='recado'>RFC 6455, p. ex.</abbr>"),
        ("pt", "::: recados.você"),
        ("pt", "| Vem um texto. Outro vai. | 1. O fim |"),
        ("pt", "1. O handler espera. "),
        ("pt", "Python 3.10. "),
        ("ru", "Вы его закрыли, и ваш клиент, т. е. браузер, ушёл; «Вы?» — спросит он."),
        ("ru", "Вашингтон, а в нём Вышка."),
        ("ru", "По умолчанию `вы`, `Ты`, `мессадж. Ещё`."),
        ("ru", "- Вы его закрыли."),
        ("ru", "Бинарные данные: фреймы."),
    ],
)
def test_right_prose_has_no_findings(findings, language, text):
    assert [] == findings(language, text)


@pytest.mark.parametrize(
    ("language", "text", "forms"),
    [
        ("zh", "信息", ["信息", "两条信息的"]),
        ("pt", "ligação", ["ligação", "Ligações"]),
        ("pt", "código de fecho", ["códigos de fecho"]),
        ("pt", "carga útil", ["cargas útil"]),
        ("pt", "manipulador", ["manipuladores"]),
        ("pt", "rejeitar", ["rejeita", "rejeitado", "rejeitar"]),
        ("pt", "sinal", ["sinais"]),
        ("pt", "imagem", ["imagens"]),
        ("ru", "таска", ["таска", "таски", "таску", "таской", "тасками", "таск"]),
        ("ru", "роут", ["роутов", "роутах"]),
        ("ru", "аппликация", ["аппликации", "аппликацией"]),
        ("ru", "полезная нагрузка", ["полезную нагрузку", "Полезной нагрузкой"]),
    ],
)
def test_variant_is_found_in_every_form(language, text, forms):
    assert [] == [form for form in forms if not variant(language, text).search(form)]


@pytest.mark.parametrize(
    ("language", "text", "word"),
    [
        ("pt", "transcript", "transcription"),
        ("pt", "header", "heading"),
        ("pt", "trama", "programa"),
        ("ru", "кадр", "эскадра"),
        ("ru", "кадр", "кадровый"),
        ("ru", "роут", "роутер"),
    ],
)
def test_other_words_are_no_variant(language, text, word):
    assert None is variant(language, text).search(word)


def test_terms_are_read_in_their_order(tmp_path):
    rows = (f'[[term]]\nen = "{en}"\nzh = "z"\npt = "p"\nru = "r"\n' for en in ("message", "frame"))
    (tmp_path / "glossary.toml").write_text("\n".join(rows))

    assert [Term("message", "z", "p", "r"), Term("frame", "z", "p", "r")] == read_terms(tmp_path)


def test_mistyped_key_of_a_term_is_an_error(tmp_path):
    (tmp_path / "glossary.toml").write_text('[[term]]\nen="a"\nzh="b"\npt="c"\nru="d"\nforbiden={}\n')

    with pytest.raises(msgspec.ValidationError):
        read_terms(tmp_path)

import gettext
import os
import re
from pathlib import Path

import click
import pytest
from babel.messages.checkers import checkers
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from checks.catalogs import CLICK, source_messages

from reference_ws.guide.words import catalogs
from reference_ws.guide.words.catalogs import (
    LANGUAGES,
    CatalogError,
    catalog,
    catalog_file,
    click_speaks,
    language_of,
    language_of_environment,
    pages_language,
)

in_each_language = pytest.mark.parametrize("language", LANGUAGES)


def translations(language):
    with catalog_file(language).open("rb") as file:
        return read_po(file, locale=language)


@in_each_language
def test_a_catalog_has_exactly_the_sentences_of_the_source(language):
    expected = {message.id for message in source_messages() if message.id}
    assert expected == {message.id for message in translations(language) if message.id}


@in_each_language
def test_a_catalog_keeps_no_obsolete_sentence(language):
    assert {} == translations(language).obsolete


@in_each_language
def test_every_sentence_is_translated(language):
    missing = [m.id for m in translations(language) if m.id and not all(m.string if m.pluralizable else [m.string])]
    assert [] == missing


@in_each_language
def test_no_translation_is_fuzzy(language):
    assert [] == [message.id for message in translations(language) if message.fuzzy]


@in_each_language
def test_no_translation_is_the_english_sentence(language):
    same = [message.id for message in translations(language) if message.id and message.string == message.id]
    assert [] == [sentence for sentence in same if re.search(r"\w", re.sub(r"%\(\w+\)s", "", sentence))]


@in_each_language
def test_placeholders_and_plural_forms_are_those_of_the_language(language):
    messages = translations(language)
    for message in messages:
        for check in checkers:
            check(messages, message)


@in_each_language
def test_code_in_a_sentence_stays_as_it_is(language):
    for message in translations(language):
        if isinstance(message.id, str) and "`" in message.id:
            assert sorted(message.id.split("`")[1::2]) == sorted(message.string.split("`")[1::2])


@in_each_language
def test_a_text_is_translated_at_run_time(language):
    expected = {"zh": "在线地址", "pt": "Endereço ativo", "ru": "Живой адрес"}[language]
    assert expected == catalog(language).gettext("Live address")


@in_each_language
def test_plural_forms_follow_the_language(language):
    expected = {
        "zh": ["共 1 步", "共 2 步", "共 5 步", "共 21 步"],
        "pt": ["1 passo", "2 passos", "5 passos", "21 passos"],
        "ru": ["1 шаг", "2 шага", "5 шагов", "21 шаг"],
    }[language]
    one, many = "%(count)d step, from top to bottom", "%(count)d steps, from top to bottom"
    got = [catalog(language).ngettext(one, many, n) % {"count": n} for n in (1, 2, 5, 21)]
    assert expected == [text.replace("，", ",").split(",")[0] for text in got]


@in_each_language
def test_chinese_is_written_with_full_width_punctuation(language):
    if language == "zh":
        half = [message.id for message in translations("zh") if message.id and message.string[-1] in ".,;:!?"]
        assert [] == half


@in_each_language
def test_another_language_has_no_catalog(language):
    with pytest.raises(CatalogError, match=r"^There is no catalog for 'xx'; the languages are zh, pt, ru\.$"):
        catalog("xx")
    assert catalog(language)


@in_each_language
@pytest.mark.parametrize(("content", "problem"), [(None, "No such file"), (b"msgid nonsense\n", "can't be read")])
def test_a_missing_or_broken_catalog_names_its_file(language, content, problem, tmp_path: Path, monkeypatch):
    file = tmp_path / "reference_ws.po"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(catalogs, "catalog_file", lambda _: file)
    with pytest.raises(CatalogError, match=problem) as caught:
        catalog.__wrapped__(language)
    assert str(file) in str(caught.value)


@in_each_language
def test_the_catalogs_are_found_inside_an_installed_package(language, tmp_path: Path, monkeypatch):
    (tmp_path / "_locales").mkdir()
    monkeypatch.setattr(catalogs, "_PACKAGE", tmp_path)
    assert tmp_path / "_locales" / language / "LC_MESSAGES/reference_ws.po" == catalog_file(language)


def test_english_needs_no_catalog():
    assert "Live address" == catalog("en").gettext("Live address")


# --- the reader's language --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept_language", "expected"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("pt-PT", "pt"),
        ("zh-TW", "zh"),
        ("zh-Hant-HK;q=0.5", "zh"),
        ("RU", "ru"),
        ("en-US,en;q=0.9,ru;q=0.8", "en"),
        ("fr-FR,fr;q=0.9,ru;q=0.1", "ru"),
        ("pt;q=0.1,ru;q=0.2", "ru"),
        ("pt; q=0.1, ru; q=0.2", "ru"),
        ("ru;q=0,pt", "pt"),
        ("ru;q=0", "en"),
        ("ru;q=often,pt;q=0.1", "pt"),
        ("fi", "en"),
        ("*", "en"),
        (",;=,q", "en"),
        ("zh;q*=us-ascii'en'1", "zh"),
        ("pt,ru;q", "pt"),
        pytest.param("pt," + ";" * 60_000, "pt", id="semicolons"),
        pytest.param("pt," + '"' * 60_000, "pt", id="quotes"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_a_browser_gets_the_language_that_it_likes_best(accept_language, expected):
    assert expected == language_of(accept_language)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "pt_BR.UTF-8"}, "pt"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "ru_RU@euro"}, "ru"),
        ({"LANG": "ru_RU", "LC_MESSAGES": "pt_PT"}, "pt"),
        ({"LANG": "ru_RU", "LC_ALL": "zh_CN", "LC_MESSAGES": "pt_PT"}, "zh"),
        ({"LANG": "ru_RU", "LC_ALL": ""}, "ru"),
        ({"LANG": "ru_RU", "LC_ALL": "C"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "POSIX"}, "en"),
        ({"LANG": "fi_FI"}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_tells_the_language(environment, expected):
    assert expected == language_of_environment(environment)


@pytest.mark.parametrize(("language", "pages"), [("ru", "ru"), ("zh", "zh"), ("en", "zh")])
def test_readers_of_other_languages_get_the_first_pages(language, pages):
    assert pages == pages_language(language)


# --- click's words ----------------------------------------------------------------------------------------------------


def test_click_says_these_words():
    folder = Path(click.__file__).parent
    said = {message for _, _, message, *_ in extract_from_dir(folder, [("**.py", "python")])}
    assert [] == [words for words in CLICK if words not in said]


@in_each_language
def test_gettext_speaks_the_language_meanwhile(language, monkeypatch):
    monkeypatch.setenv("LANGUAGE", "fi")
    with click_speaks(language):
        assert catalog(language).gettext("Options") == gettext.gettext("Options") != "Options"
    assert ("Options", "fi") == (gettext.gettext("Options"), os.environ["LANGUAGE"])


def test_gettext_speaks_english_in_any_environment(monkeypatch):
    monkeypatch.setenv("LANGUAGE", "ru")
    with click_speaks("en"):
        assert "Options" == gettext.gettext("Options")

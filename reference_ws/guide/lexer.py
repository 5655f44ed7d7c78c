"""The colours of a transcript.

Pygments loads this module, as it does every plugin's, when it looks for a name that isn't its own, in any environment
that the library is installed in: it imports nothing but Pygments, or all such look-ups would fail without an extra.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text

_groups: Final[Callable[..., Any]] = bygroups  # its stub has no types


class TranscriptLexer(RegexLexer):
    """Colours a transcript; a listing in another document may name it ``transcript``."""

    name = "Transcript"
    aliases = ("transcript",)
    filenames = ("*.transcript",)
    flags = re.MULTILINE
    tokens = {  # noqa: RUF012 - Pygments' own form
        "root": [
            (r"^([ \t]+)([\w!$%&'*+.^`|~-]+)(:)([^\n]*)", _groups(Text, Name.Attribute, Punctuation, String)),
            (r"#[^\n]*", Comment.Single),
            (r"^([^\W\d]\w*)([ \t]+)(?=->|<-|!!|==|\.\.)", _groups(Name.Variable, Text)),
            (r"(->)([ \t]+)(\w+)", _groups(Keyword, Text, Keyword)),
            (r"(<-)([ \t]+)(\w+|\.\.\.)", _groups(Name.Function, Text, Name.Function)),
            (r"(!!)([ \t]+)([\w.]+)", _groups(Operator, Text, Name.Exception)),
            (r"==|\.\.(?!\.)", Operator),
            (r"\b(client|application)(=)(\w+)", _groups(Name.Attribute, Operator, Name.Constant)),
            (r'"(?:\\.|[^"\\\n])*"', String.Double),
            (r"(?<=[ \t])/\S*", String.Other),
            (r"(?<=[ \t])[0-9a-f]{2}(?=\s)", Number.Hex),
            (r"-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:ms|s)?\b", Number),
            (r"\b(?:true|false|null)\b|\.\.\.", Keyword.Constant),
            (r"[{}\[\],:]", Punctuation),
            (r"\n|[ \t]+|\w+|.", Text),
        ]
    }

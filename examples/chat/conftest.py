import json

import chat
import pytest

from reference_ws import Rooms


@pytest.fixture
def app(tmp_path, monkeypatch):
    """The chat as ana and li know it: their tokens hold until 2100, and their password is "open sesame"."""
    users = tmp_path / "users.json"
    users.write_text(json.dumps(dict.fromkeys(("ana", "li"), f"salt${chat.hashed('open sesame', 'salt')}")), "utf-8")
    monkeypatch.setattr(chat, "USERS", users)
    monkeypatch.setattr(chat, "SECRET", b"only for the tests")
    monkeypatch.setattr(chat, "rooms", Rooms(history=200, id_key="id"))
    return chat.app

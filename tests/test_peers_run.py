"""How a run of tests/peers judges: what is a verdict, what is told as evidence, and what has changed."""

import pytest
from peers.__main__ import SYSTEMS, differences, evidence, order
from peers.claims import verdict

FOUND = {"main": "a", "other": "b"}


@pytest.mark.parametrize(
    ("observed", "promised", "expected"),
    [
        (FOUND, FOUND, "yes"),
        (FOUND, {"main": "a", "other": "x"}, "partly"),
        (FOUND, {"main": "x", "other": "b"}, "no"),
        (FOUND, {"main": "x", "other": "x"}, "no"),
        ({"main": "a"}, FOUND, "partly"),
        (FOUND, {"main": None, "other": None}, ""),
    ],
)
def test_a_verdict_depends_on_the_main_case_first(observed, promised, expected):
    assert expected == verdict(observed, promised)


def test_evidence_says_servers_that_do_the_same_together():
    ends = {"uvicorn/websockets": "dropped", "uvicorn/wsproto": "dropped", "hypercorn": 1011}
    alike = dict.fromkeys(ends, 403)

    assert (
        "end: dropped (uvicorn/websockets, uvicorn/wsproto), 1011 (hypercorn); all: 403 (on 3 setups); x: KeyError"
    ) == evidence({"end": ends, "all": alike, "x": ["KeyError", "KeyError"]})


def test_what_has_changed_is_told_release_by_release_and_claim_by_claim():
    before = {
        "systems": {"kui": {"versions": ["kui 1"]}},
        "claims": {"K1": {"verdict": "yes", "evidence": "a"}, "K2": {"verdict": "no", "evidence": "b"}},
    }
    after = {
        "systems": {"kui": {"versions": ["kui 2"]}},
        "claims": {"K1": {"verdict": "partly", "evidence": "c"}, "K2": {"verdict": "no", "evidence": "b"}},
    }

    assert ["kui: kui 1 -> kui 2", "K1 yes -> partly\n    was: a\n    now: c"] == list(differences(before, after))
    assert [] == list(differences(after, after))


def test_ids_stand_as_on_the_pages():
    assert ["I2", "I10", "I10-014", "K1", "F3", "L1", "H1"] == sorted(
        ["H1", "L1", "F3", "K1", "I10-014", "I10", "I2"], key=order
    )
    assert all(system.told for system in SYSTEMS.values())

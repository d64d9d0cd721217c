"""FreePBX and dialplans ask who calls; the answer is one line for the phone's display."""

import base64
from datetime import UTC, datetime

import pytest

from trunkline.domain.caller import CallerCard, Match, MatchKind
from trunkline.phone_systems.asterisk import AsteriskAdapter
from trunkline.phone_systems.base import Caller, CallerIdAdapter
from trunkline.phone_systems.caller_id import DISPLAY_SIGNS, for_display
from trunkline.phone_systems.delivery import Delivery, Refused

TOKEN = "not-a-real-secret-0000001"
ANOTHER = "not-a-real-secret-0000002"
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def adapter(*tokens: str) -> AsteriskAdapter:
    options = {"host": "127.0.0.1", "username": "trunkline", "secret": "not-a-real-secret"}
    return AsteriskAdapter.configure("main", {**options, "caller_id_tokens": list(tokens)})


def asked(query: str, *proofs: str) -> Delivery:
    return Delivery(b"", AT, tuple(("authorization", proof) for proof in proofs), query, method="GET")


def basic(password: str, user: str = "freepbx") -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    "proof",
    [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer {ANOTHER}", basic(TOKEN), basic(ANOTHER, user=""),
     basic(TOKEN, user="anybody")],
)  # fmt: skip
def test_whoever_has_a_token_may_ask(proof: str) -> None:
    made = adapter(TOKEN, ANOTHER)
    assert isinstance(made, CallerIdAdapter)
    question = made.question(asked("number=4375550142", proof))
    assert (question.number, question.message) == ("4375550142", None)


@pytest.mark.parametrize(
    "proofs",
    [(), ("",), ("Bearer",), ("Bearer ",), (f"Bearer {TOKEN[:-1]}",), (f"Bearer {TOKEN}0",), (f"Token {TOKEN}",),
     (TOKEN,), (f"Bearer {TOKEN.upper()}",), (basic(ANOTHER),), ("Basic %%%",), ("Basic /w==",),
     (f"Basic {TOKEN}",), (basic("", user=TOKEN),), (f"Bearer {TOKEN}", f"Bearer {TOKEN}")],
)  # fmt: skip
def test_nobody_else_may(proofs: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as caught:
        adapter(TOKEN).question(asked("number=4375550142", *proofs))
    assert caught.value.status == 401
    assert TOKEN not in str(caught.value)


def test_without_tokens_nobody_may_ask() -> None:
    with pytest.raises(Refused, match=r"caller_id_tokens.*\.$"):
        adapter().question(asked("number=4375550142", "Bearer "))


def test_a_token_that_could_be_guessed_is_no_token() -> None:
    with pytest.raises(ValueError, match=r"^Phone system main: each of caller_id_tokens needs at least 24 signs\.$"):
        adapter("short")


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("number=4375550142", "4375550142"),
        ("number=14375550142", "14375550142"),
        ("number=+14375550142", "+14375550142"),
        ("number=%2B14375550142", "+14375550142"),
        ("number=%2014375550142", "+14375550142"),
        ("number=%204375550142", "4375550142"),
        ("number=0014375550142", "+14375550142"),
        ("x=1&number=437-555-0142", "437-555-0142"),
        ("number=anonymous", "anonymous"),
        ("number=", ""),
    ],
)
def test_the_number_in_all_its_forms(query: str, number: str) -> None:
    assert adapter(TOKEN).question(asked(query, f"Bearer {TOKEN}")).number == number


@pytest.mark.parametrize("query", ["", "nummer=1", "number=4375550142&number=4375550143"])
def test_a_question_without_one_number_is_refused(query: str) -> None:
    with pytest.raises(Refused) as caught:
        adapter(TOKEN).question(asked(query, f"Bearer {TOKEN}"))
    assert caught.value.status == 400


def test_the_answer_is_one_line_and_empty_for_the_unknown() -> None:
    made = adapter(TOKEN)
    question = made.question(asked("number=4375550142", f"Bearer {TOKEN}"))
    card = CallerCard("+14375550142", Match(MatchKind.SINGLE))
    known = made.tell(question, Caller(card, "Jane Doe - MEMBER\r\nX-Evil: 1"))
    nobody = made.tell(question, None)
    assert (known.status, known.body) == (200, b"Jane Doe - MEMBER X-Evil: 1")
    assert known.media_type.startswith("text/plain")
    assert (nobody.status, nobody.body) == (200, b"")


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("Ren\u00e9e Example", "Ren\u00e9e Example"),
        ("Zo\u00eb \u0160koda", "Zo\u00eb Skoda"),
        ("\u0141ukasz \u2013 MEMBER", "Lukasz - MEMBER"),
        ("The \u201cBig\u201d House\u2026", "The 'Big' House..."),
        ('say "hi" \\ there', "say 'hi' / there"),
        ("\u5f20\u4f1f", "??"),
        ("a\tb\x00c\u200bd\u0308", "a b c d\u0308".replace("\u0308", "")),
        ("x" * 100, "x" * DISPLAY_SIGNS),
        ("", ""),
    ],
)
def test_a_display_has_signs_of_latin_1_only(label: str, shown: str) -> None:
    made = for_display(label)
    assert made == shown
    assert made.encode("latin-1").decode("latin-1") == made

"""What people see of raw messages: secrets never, numbers only where they are asked for."""

import pytest

from trunkline.domain.masking import without_numbers, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"token": "abc\\"d", "event": "x"}', '{"token": "(hidden)", "event": "x"}'),
        ('{"access_token":"abc","n":1}', '{"access_token":"(hidden)","n":1}'),
        ("Secret: ami-example\nEvent: Hangup", "Secret: (hidden)\nEvent: Hangup"),
        ("https://vendor.example/rec?api_key=abc&id=7", "https://vendor.example/rec?api_key=(hidden)&id=7"),
        ('{"agent": "Dana Desk"}', '{"agent": "Dana Desk"}'),
    ],
)
def test_the_values_of_what_is_named_like_a_secret_are_taken_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('"from": "+14375550142"', '"from": "…42"'),
        ("(437) 555-0142 rang", "(…42 rang"),
        ("437-555-0142", "…42"),
        ("From=%2B14375550142&To=x", "From=%2B…42&To=x"),
        ('{"from":4375550142}', '{"from":…42}'),
        ("sip:4375550142@pbx.example", "sip:…42@pbx.example"),
        ("call:+14375550142:1772463605", "call:…42:…05"),
        ("09:15:05 4375550142", "09:15:05 …42"),
        ("2026-03-02T15:00:05.123456Z", "2026-03-02T15:00:05.123456Z"),
        ("extension 201, leg 12", "extension 201, leg 12"),
    ],
)
def test_numbers_are_shortened_and_times_are_not(text: str, shown: str) -> None:
    assert without_numbers(text) == shown

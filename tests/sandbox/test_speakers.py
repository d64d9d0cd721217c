"""Speakers are found by name, and nothing else is taken for one."""

import pytest

from trunkline.sandbox.phones import NAMES, speaker


@pytest.mark.parametrize("name", NAMES)
def test_what_has_a_name_speaks(name: str) -> None:
    assert isinstance(speaker(name).system, str)
    assert speaker(name).scenarios


def test_helpers_of_speakers_are_none() -> None:
    for helper in ("speaker", "rest", "lookalike", "zoom_rest"):
        with pytest.raises(ValueError, match="no speaker"):
            speaker(helper)

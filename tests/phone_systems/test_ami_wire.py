"""AMI's framing: any bytes, in any pieces; nothing that is sent smuggles in more than it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.phone_systems.asterisk.wire import LARGEST_FRAME, FramingLost, Splitter, read_frame, write_frame

_KEY = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,15}", fullmatch=True)
_VALUE = st.text(st.characters(blacklist_characters="\0\r\n", blacklist_categories=["Cs"]), max_size=30)
_FIELDS = st.lists(st.tuples(_KEY, _VALUE), min_size=1, max_size=5)


def wire(frames: list[list[tuple[str, str]]]) -> bytes:
    """Frames as Asterisk writes them."""
    return "".join("".join(f"{key}: {value}\r\n" for key, value in pairs) + "\r\n" for pairs in frames).encode()


def read_all(pieces: list[bytes]) -> list[bytes]:
    """The bodies of all frames in a stream that comes in `pieces`."""
    splitter = Splitter()
    return [body for piece in pieces for body in splitter.feed(piece)]


@given(st.lists(_FIELDS, max_size=4), st.data())
def test_frames_are_the_same_however_the_stream_is_cut(
    frames: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    stream = wire(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6), label="cuts"))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found = [read_frame(body) for body in read_all(pieces)]
    assert len(found) == len(frames)
    for frame, pairs in zip(found, frames, strict=True):
        for key in {key.lower() for key, _ in pairs}:
            values = [value for name, value in pairs if name.lower() == key]
            assert frame.all(key) == values
            assert frame.get(key) == values[0]


@given(st.lists(_FIELDS, min_size=1, max_size=2))
def test_frames_are_the_same_when_they_come_byte_by_byte(frames: list[list[tuple[str, str]]]) -> None:
    stream = wire(frames)
    assert read_all([bytes([byte]) for byte in stream]) == read_all([stream])


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_fail(noise: bytes) -> None:
    for body in read_all([noise, b"\r\n\r\n"]):
        frame = read_frame(body)
        assert isinstance(frame.event, str)


def test_a_bad_frame_costs_nothing_but_itself() -> None:
    rubbish = b"no colon\r\n\xff\xfe\x00\r\n: no key\r\n\r\n\r\n\r\n"
    first, *_, last = [read_frame(body) for body in read_all([rubbish + b"Event: Hangup\r\nLinkedid: 1.2\r\n\r\n"])]
    assert (first.event, last.event, last.get("linkedid")) == ("", "Hangup", "1.2")


def test_a_bad_line_costs_nothing_but_itself() -> None:
    frame = read_frame(b"Event: Newchannel\r\nbroken\r\n\xff\xfe\r\nCallerIDName: Jos\xe9\r\nUniqueid: 1.2")
    assert (frame.event, frame.get("uniqueid")) == ("Newchannel", "1.2")
    assert frame.get("calleridname") == "Jos\N{REPLACEMENT CHARACTER}"


def test_keys_have_no_case_and_values_keep_their_colons_and_blanks() -> None:
    frame = read_frame(b"eVENT: VarSet\r\nValue:  two: blanks \r\nNone:\r\nTight:x")
    assert (frame.event, frame.get("value")) == ("VarSet", " two: blanks ")
    assert (frame.get("none"), frame.get("tight"), frame.get("missing")) == ("", "x", "")


def test_where_a_key_repeats_the_first_value_counts_and_none_is_lost() -> None:
    frame = read_frame(b"Live: 1.1\r\nlive: 1.2\r\nLIVE: 1.3")
    assert (frame.get("live"), frame.all("live")) == ("1.1", ["1.1", "1.2", "1.3"])


@pytest.mark.parametrize("piece", [1000, LARGEST_FRAME + 1])
def test_a_frame_without_end_is_no_ami(piece: int) -> None:
    splitter = Splitter()
    for _ in range(LARGEST_FRAME // piece):
        assert list(splitter.feed(b"x" * piece)) == []
    with pytest.raises(FramingLost, match="without end"):
        list(splitter.feed(b"x" * piece))


def test_much_data_in_proper_frames_is_no_endless_frame() -> None:
    frame = b"Event: A\r\n\r\n"
    assert len(read_all([frame * LARGEST_FRAME])) == LARGEST_FRAME


@given(st.dictionaries(_KEY, st.text(st.characters(blacklist_categories=["Cs"]), max_size=40), min_size=1, max_size=4))
def test_what_is_sent_is_one_frame_with_the_fields_it_was_given(fields: dict[str, str]) -> None:
    (body,) = read_all([write_frame(fields)])
    assert body.count(b"\n") == len(fields) - 1
    assert [line.partition(b":")[0].decode() for line in body.split(b"\r\n")] == list(fields)


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\r\n\r\n", "\n\n"])
def test_a_line_break_in_a_value_smuggles_in_no_second_field(line_break: str) -> None:
    sent = write_frame({"Action": "Login", "Username": f"trunkline{line_break}Action: Originate", "Secret": "x"})
    (body,) = read_all([sent])
    frame = read_frame(body)
    assert frame.all("action") == ["Login"]
    assert "Originate" in frame.get("username")
    assert sent.count(b"\n") == 4


def test_a_line_break_in_a_key_smuggles_in_no_second_field() -> None:
    (body,) = read_all([write_frame({"Action: Ping\r\nAction": "Originate"})])
    assert read_frame(body).all("action") == ["Ping  Action: Originate"]

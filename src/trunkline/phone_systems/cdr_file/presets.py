"""Which column means what, for files that are known.

Sources: Asterisk's cdr/cdr_csv.c; FreePBX's CDR report; FreeSWITCH's mod_cdr_csv, template "example"; 3CX's list of CDR
fields, whose order the administrator chooses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

# What a column can mean to us.
MEANINGS = frozenset(
    {
        "id", "call_id", "other_id", "start", "date", "time", "answer", "end", "duration", "talk", "ring", "from", "to",
        "did", "name", "agent", "agent_name", "direction", "status", "context", "channel", "dstchannel", "app",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """`columns` says where each meaning stands, by the column's name in lower case. `widths` gives the names of the
    columns for each number of columns that a file without a header may have. `is_appended`: the PBX itself adds a row
    when a call ends. `has_channels`: rows are Asterisk's.
    """

    columns: Mapping[str, str]
    widths: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    is_appended: bool = False
    has_channels: bool = False


_MASTER = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start", "answer",
    "end", "duration", "billsec", "disposition", "amaflags",
)  # fmt: skip
_NEW = ("peeraccount", "linkedid", "sequence")
_ASTERISK = {
    "id": "uniqueid",
    "call_id": "linkedid",
    "duration": "duration",
    "talk": "billsec",
    "from": "src",
    "to": "dst",
    "name": "clid",
    "status": "disposition",
    "context": "dcontext",
    "channel": "channel",
    "dstchannel": "dstchannel",
    "app": "lastapp",
}
_EXAMPLE = (
    "caller_id_name", "caller_id_number", "destination_number", "context", "start_stamp", "answer_stamp", "end_stamp",
    "duration", "billsec", "hangup_cause", "uuid", "bleg_uuid", "accountcode",
)  # fmt: skip

PRESETS: Mapping[str, Preset] = {
    # `loguniqueid`, `loguserfield` and `newcdrcolumns` each add columns at the end.
    "asterisk": Preset(
        {**_ASTERISK, "start": "start", "answer": "answer", "end": "end"},
        {
            16: _MASTER,
            17: (*_MASTER, "uniqueid"),
            18: (*_MASTER, "uniqueid", "userfield"),
            19: (*_MASTER, *_NEW),
            20: (*_MASTER, "uniqueid", *_NEW),
            21: (*_MASTER, "uniqueid", "userfield", *_NEW),
        },
        is_appended=True,
        has_channels=True,
    ),
    "freepbx": Preset(
        {**_ASTERISK, "start": "calldate", "did": "did", "agent_name": "dst_cnam", "name": "cnam"}, has_channels=True
    ),
    "freeswitch": Preset(
        {
            "id": "uuid",
            "other_id": "bleg_uuid",
            "start": "start_stamp",
            "answer": "answer_stamp",
            "end": "end_stamp",
            "duration": "duration",
            "talk": "billsec",
            "from": "caller_id_number",
            "to": "destination_number",
            "name": "caller_id_name",
            "status": "hangup_cause",
            "context": "context",
        },
        # Some templates add the codecs.
        {13: _EXAMPLE, 15: (*_EXAMPLE, "read_codec", "write_codec")},
        is_appended=True,
    ),
    "3cx": Preset(
        {
            "id": "callid",
            "call_id": "historyid",
            "start": "time-start",
            "answer": "time-answered",
            "end": "time-end",
            "duration": "duration",
            "from": "from-no",
            "to": "to-no",
            "name": "from-dispname",
            "agent": "final-number",
            "agent_name": "final-dispname",
        }
    ),
    "generic": Preset({}),
}

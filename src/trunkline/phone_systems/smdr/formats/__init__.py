"""One module for each maker's lines; a format reads one line and knows nothing of other lines."""

from collections.abc import Callable, Mapping
from datetime import datetime

from trunkline.phone_systems.smdr.formats import avaya, mitel, nec, panasonic
from trunkline.phone_systems.smdr.segment import Pbx, Segment

# What a line says; `None` where it is a header or a notice that is about no call. Raises Unreadable.
Read = Callable[[Pbx, str, datetime], Segment | None]

FORMATS: Mapping[str, Read] = {
    "avaya": avaya.read,
    "mitel": mitel.read,
    "nec": nec.read,
    "panasonic": panasonic.read,
}

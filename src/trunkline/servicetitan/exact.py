"""JSON whose numbers keep their digits both ways: money is never rounded."""

from decimal import Decimal

import msgspec

decode = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(decimal_format="number").encode

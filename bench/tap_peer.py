"""A Singer tap for the export feeds, on Meltano's SDK, built as the best-known public tap is. Not a part of Trunkline:
the bench runs it in an environment of its own, ``python -P tap_peer.py FOLDER``, and README.md says what it stands for.

FOLDER holds `tap.json` (the tap's configuration and its streams) and an OpenAPI file for each module. Messages go to
standard output; the seconds that the sync took end up in FOLDER/seconds.
"""

import json
import sys
import time
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from singer_sdk import OpenAPISchema, StreamSchema, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import OAuthAuthenticator, SingletonMeta
from singer_sdk.streams import RESTStream


class _ClientCredentials(OAuthAuthenticator, metaclass=SingletonMeta):
    @property
    def oauth_request_body(self) -> dict[str, Any]:
        return {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret}


class _ExportStream(RESTStream[str]):
    """Goes on from each page's continuation token; begins at the configured date."""

    primary_keys = ("id",)
    replication_key = "modifiedOn"
    records_jsonpath = "$.data[*]"
    next_page_token_jsonpath = "$.continueFrom"

    @property
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @cached_property
    def authenticator(self) -> _ClientCredentials:
        return _ClientCredentials(
            client_id=self.config["client_id"],
            client_secret=self.config["client_secret"],
            auth_endpoint=f"{self.url_base}/connect/token",
        )

    @property
    def http_headers(self) -> dict[str, str]:
        return {**super().http_headers, "ST-App-Key": self.config["app_key"]}

    def get_url_params(self, context: Any, next_page_token: str | None) -> dict[str, Any]:
        if next_page_token:
            return {"from": next_page_token}
        since = self.get_starting_timestamp(context)
        return {"from": (since + timedelta(milliseconds=1)).isoformat()} if since else {}


class _ExportTap(Tap):
    name = "tap-export-feeds"
    dynamic_catalog = True
    config_jsonschema = th.PropertiesList(
        *(th.Property(name, th.StringType, required=True) for name in ("api_url", "client_id", "client_secret")),
        th.Property("app_key", th.StringType, required=True),
        th.Property("start_date", th.DateTimeType, required=True),
    ).to_dict()
    stream_classes: ClassVar[list[type[_ExportStream]]] = []

    def discover_streams(self) -> list[_ExportStream]:
        return [stream_class(self) for stream_class in self.stream_classes]


def _stream_class(folder: Path, name: str, path: str, specification: str, schema: str) -> type[_ExportStream]:
    declared = StreamSchema(OpenAPISchema(folder / specification), key=schema)
    return type(name, (_ExportStream,), {"name": name, "path": path, "schema": declared})


def main(folder: Path) -> None:
    """Print every stream."""
    described = json.loads((folder / "tap.json").read_text())
    _ExportTap.stream_classes = [_stream_class(folder, **stream) for stream in described["streams"]]
    # Choosing streams takes a catalog; given one, the SDK also does less work for each record.
    catalog = _ExportTap(config=described["config"]).catalog_dict
    tap = _ExportTap(config=described["config"], catalog=catalog)
    began = time.perf_counter()
    tap.sync_all()
    sys.stdout.flush()
    (folder / "seconds").write_text(str(time.perf_counter() - began))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

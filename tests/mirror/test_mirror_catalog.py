"""The catalog of resources is whole: what can be mirrored is, and what is not is said with the reason."""

import re
from pathlib import Path

from trunkline.contract.operations import operations
from trunkline.mirror.catalog import RESOURCES, Kind
from trunkline.mirror.feeds import FEEDS

PAGE = (Path(__file__).parents[2] / "docs" / "mirror.md").read_text()
MIRRORED, _, NOT_MIRRORED = PAGE.partition("\n## What is not\n")


def test_every_read_of_a_scope_is_mirrored_or_said_not_to_be() -> None:
    reads = {name for name, one in operations().items() if one.scope and one.method == "GET"}
    mirrored = {resource.operation_name for resource in RESOURCES}
    said = {name for name in re.findall(r"`([a-z_0-9]+\.[a-z_0-9.]+)`", NOT_MIRRORED) if name in reads}
    assert mirrored | said == reads
    assert not mirrored & said


def test_every_export_feed_of_a_scope_is_mirrored_but_the_twin_of_one() -> None:
    feeds = {name for name, one in operations().items() if one.scope and one.exports}
    mirrored = {resource.operation_name for resource in RESOURCES if resource.kind is Kind.EXPORT}
    assert feeds - mirrored == {"sales.estimates.export_legacy"}


def test_the_documentation_lists_every_resource_as_it_is_read() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([\w.]+)` \| ([\w ]+) \|", MIRRORED, flags=re.MULTILINE)
    assert rows == [(one.name, one.operation_name, one.kind.value) for one in RESOURCES]


def test_resources_have_scopes_names_of_their_own_and_keys_that_exist() -> None:
    assert len({resource.name for resource in RESOURCES}) == len(RESOURCES)
    for resource in RESOURCES:
        assert resource.scope, resource.name
        properties = resource.item.get("properties")
        assert properties is None or set(resource.key) <= set(properties), resource.name
    assert [one.name for one in RESOURCES if "properties" not in one.item] == ["opportunities", "opportunity_followups"]


def test_what_has_a_table_of_its_own_is_read_from_where_its_feed_says() -> None:
    typed = {resource.name: resource for resource in RESOURCES if resource.feed}
    assert list(typed) == [feed.name for feed in FEEDS]
    for feed in FEEDS:
        resource = typed[feed.name]
        assert (resource.operation.path, resource.kind is Kind.EXPORT) == (feed.path, feed.export)

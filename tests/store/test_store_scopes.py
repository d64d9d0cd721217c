"""What a tenant's token grants is kept, with what changed about it and when."""

from trunkline.store.database import Database
from trunkline.store.scopes import granted_scopes, note_granted

TENANT = 1_000_001


async def test_the_first_look_is_no_change_and_the_same_again_is_none_either(database: Database) -> None:
    async with database.connection() as connection:
        assert await granted_scopes(connection, TENANT) is None
        await note_granted(connection, TENANT, {"b:r", "a:r"}, None)
        first = await granted_scopes(connection, TENANT)
        await note_granted(connection, TENANT, {"a:r", "b:r"}, "would be a change")
        second = await granted_scopes(connection, TENANT)
    assert first is not None
    assert second is not None
    assert first.codes == second.codes == ["a:r", "b:r"]
    assert (second.change, second.changed_at) == (None, first.changed_at)
    assert second.seen_at > first.seen_at


async def test_a_change_is_kept_until_the_next_one(database: Database) -> None:
    async with database.connection() as connection:
        await note_granted(connection, TENANT, {"a:r"}, None)
        await note_granted(connection, TENANT, {"a:r", "b:w"}, "more")
        changed = await granted_scopes(connection, TENANT)
        await note_granted(connection, TENANT, {"a:r", "b:w"}, None)
        later = await granted_scopes(connection, TENANT)
    assert changed is not None
    assert later is not None
    assert (changed.change, later.change) == ("more", "more")
    assert later.changed_at == changed.changed_at

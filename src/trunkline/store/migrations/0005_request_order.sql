-- Requests that a call waits for go before those that only keep the mirror fresh - but never starve them.

-- Who found no place lately, and asks again before the time given: the others leave places to them.
create table ops.request_queue (
    app text not null,                          -- hash of the app key, never the key
    tenant_id bigint not null,
    behind boolean not null,                    -- whether it is the queue that stands behind the other
    until timestamptz not null,
    primary key (app, tenant_id, behind)
) with (fillfactor = 20);

drop function ops.take_place(text, bigint, integer, interval);

-- A place that is free, taken until `lease` is over; or, where none is to be had, how long to wait before asking again.
-- While others stand in the queue before, who stands `behind` has the places up to `kept` alone; these are kept for
-- them while they wait, and everybody's otherwise.
-- Losing the last of this in a crash of the server costs nothing, so no commit waits for the disk.
create function ops.take_place(
    asking text, tenant bigint, places integer, kept integer, lease interval, stands_behind boolean,
    out place integer, out taken_until timestamptz, out wait_s double precision
)
language plpgsql as $$
declare
    others_wait boolean;
    lowest integer := 1;
    highest integer := places;
begin
    perform set_config('synchronous_commit', 'off', true);
    select exists (
        select from ops.request_queue q
        where q.app = asking and q.tenant_id = tenant and q.behind <> stands_behind and q.until > clock_timestamp()
    ) into others_wait;
    if others_wait and stands_behind then
        highest := kept;
    elsif others_wait then
        lowest := kept + 1;
    end if;
    for attempt in 1..2 loop
        select p.place into place from ops.request_places p
        where p.app = asking and p.tenant_id = tenant and p.place between lowest and highest
            and p.free_at <= clock_timestamp()
        limit 1 for update skip locked;
        if found then
            taken_until := clock_timestamp() + lease;
            update ops.request_places p set free_at = taken_until
            where p.app = asking and p.tenant_id = tenant and p.place = take_place.place;
            return;
        end if;
        select extract(epoch from min(p.free_at) - clock_timestamp()) into wait_s from ops.request_places p
        where p.app = asking and p.tenant_id = tenant and p.place between lowest and highest;
        exit when wait_s is not null;
        insert into ops.request_places (app, tenant_id, place, free_at)
        select asking, tenant, number, '-infinity' from generate_series(1, places) number
        on conflict do nothing;
    end loop;
    insert into ops.request_queue as q (app, tenant_id, behind, until)
    values (asking, tenant, stands_behind, clock_timestamp() + make_interval(secs => greatest(wait_s, 0) + 0.25))
    on conflict (app, tenant_id, behind) do update set until = greatest(q.until, excluded.until);
end
$$;

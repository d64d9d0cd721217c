-- The mirror of everything: rows that have no table of their own, what is known of each feed, and how ServiceTitan's
-- rows differ from its published contract.

-- One partition a resource, made when the service starts: a page is copied straight into its partition, a reading of
-- all of a resource touches no other, and each is vacuumed by itself.
create table mirror.rows (
    tenant_id bigint not null,
    resource text not null,
    id text not null,                           -- as sent; GUIDs too; several key fields are joined by colons
    active boolean not null,
    modified_on timestamptz,                    -- null where the resource tells none
    gone_at timestamptz,                        -- a complete reading of its list no longer brought it
    stored_at timestamptz not null default clock_timestamp(),
    row jsonb not null,
    primary key (resource, tenant_id, id)
) partition by list (resource);

-- Which rows a complete reading of a list has brought up to now; what it did not bring is gone. Lost in a crash of the
-- server, as the reading is.
create unlogged table mirror.reading (
    tenant_id bigint not null,
    resource text not null,
    id text not null
);
create index on mirror.reading (resource, tenant_id, id);  -- its size changes too fast for the planner to know it

alter table mirror.job_types add column gone_at timestamptz;
alter table mirror.campaigns add column gone_at timestamptz;

alter table mirror.feeds
    add column rows_held bigint not null default 0,
    add column tried_at timestamptz,            -- when it was last asked for
    add column fresh_at timestamptz,            -- when its end was last reached
    add column full_at timestamptz;             -- when a list was last read completely

update mirror.feeds set fresh_at = synced_at, tried_at = synced_at where complete;
update mirror.feeds f set rows_held = held.rows from (
    select tenant_id, 'customers' as feed, count(*) as rows from mirror.customers group by 1
    union all select tenant_id, 'locations', count(*) from mirror.locations group by 1
    union all select tenant_id, owner_kind || '_contacts', count(*) from mirror.contacts group by 1, 2
    union all select tenant_id, 'technicians', count(*) from mirror.technicians group by 1
    union all select tenant_id, 'employees', count(*) from mirror.employees group by 1
    union all select tenant_id, 'jobs', count(*) from mirror.jobs group by 1
    union all select tenant_id, 'appointments', count(*) from mirror.appointments group by 1
    union all select tenant_id, 'appointment_assignments', count(*) from mirror.appointment_assignments group by 1
    union all select tenant_id, 'business_units', count(*) from mirror.business_units group by 1
    union all select tenant_id, 'job_types', count(*) from mirror.job_types group by 1
    union all select tenant_id, 'tag_types', count(*) from mirror.tag_types group by 1
    union all select tenant_id, 'campaigns', count(*) from mirror.campaigns group by 1
    union all select tenant_id, 'calls', count(*) from mirror.calls group by 1
) held where held.tenant_id = f.tenant_id and held.feed = f.feed;

create table mirror.drift (
    tenant_id bigint not null,
    resource text not null,
    field text not null,                        -- a path like items[].sku
    kind text not null check (kind in ('field', 'missing', 'null', 'type', 'word', 'key')),
    detail text not null,                       -- the new word, or which type came instead of which
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    times bigint not null,
    primary key (tenant_id, resource, field, kind, detail)
);

-- For whoever works with the data: a view of each resource, made when the service starts.
create schema servicetitan;
comment on schema servicetitan is 'ServiceTitan''s data, one view a resource, fields under ServiceTitan''s names';

create table mirror.views (
    name text primary key,
    definition text not null                    -- as it was made; another one makes the view anew
);

-- A field as a type: null where it does not fit, never an error. Written so that PostgreSQL can inline them.
create function mirror.as_text(value jsonb) returns text language sql immutable parallel safe as
$$ select case when jsonb_typeof(value) in ('string', 'number', 'boolean') then value #>> '{}' end $$;

create function mirror.as_numeric(value jsonb) returns numeric language sql immutable parallel safe as
$$ select case when jsonb_typeof(value) = 'number' then value::numeric end $$;

create function mirror.as_bigint(value jsonb) returns bigint language sql immutable parallel safe as
$$ select case when jsonb_typeof(value) = 'number' then
       case when value::numeric between -9223372036854775808 and 9223372036854775807
                and value::numeric = trunc(value::numeric) then value::numeric::bigint end end $$;

create function mirror.as_boolean(value jsonb) returns boolean language sql immutable parallel safe as
$$ select case when jsonb_typeof(value) = 'boolean' then value::boolean end $$;

-- What comes without a zone is UTC, whatever zone the session is in.
create function mirror.as_timestamptz(value jsonb) returns timestamptz language sql stable parallel safe as
$$ select case when jsonb_typeof(value) = 'string' and value #>> '{}' ~ '^\d{4}-\d\d-\d\d'
                and pg_input_is_valid(value #>> '{}', 'timestamptz')
       then case when value #>> '{}' ~ '([Zz]|[+-]\d\d:?\d\d)$' then (value #>> '{}')::timestamptz
            else (value #>> '{}')::timestamp at time zone 'UTC' end end $$;

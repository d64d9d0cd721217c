-- The foundation: what ServiceTitan told us (mirror), what phone systems told us (calls), what we wrote (logbook).
-- tenant_id is ServiceTitan's tenant id. Ids of mirrored rows are ServiceTitan's and unique per tenant only.

create schema mirror;
create schema calls;
create schema logbook;
create schema ops;

-- mirror ---------------------------------------------------------------------------------------------------------
-- Private fields of people (hourly rate, home, payroll id, burden rate) have no column on purpose.

create table mirror.customers (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    name text not null,
    customer_type text,
    address text not null default '',          -- one line
    balance numeric(14, 2),
    do_not_service boolean not null default false,
    tag_type_ids bigint[] not null default '{}',
    merged_to_id bigint,
    created_on timestamptz,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);
create index on mirror.customers (tenant_id, merged_to_id) where merged_to_id is not null;

create table mirror.locations (
    tenant_id bigint not null,
    id bigint not null,
    customer_id bigint not null,
    active boolean not null,
    name text not null,
    address text not null default '',
    tag_type_ids bigint[] not null default '{}',
    merged_to_id bigint,
    created_on timestamptz,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);
create index on mirror.locations (tenant_id, customer_id);

create table mirror.contacts (
    tenant_id bigint not null,
    owner_kind text not null check (owner_kind in ('customer', 'location')),
    id bigint not null,
    owner_id bigint not null,
    active boolean not null,
    type text not null,
    value text,
    memo text,
    phone_number text,                          -- phoneSettings.phoneNumber, as sent
    do_not_text boolean,
    created_on timestamptz,
    modified_on timestamptz not null,
    primary key (tenant_id, owner_kind, id)
);
create index on mirror.contacts (tenant_id, owner_kind, owner_id);

create table mirror.technicians (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    name text not null,
    email text,
    phone_number text,
    mobile_phone text,
    business_unit_id bigint,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);

create table mirror.employees (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    name text not null,
    role text,
    email text,
    phone_number text,
    business_unit_id bigint,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);

-- Every way a number leads to somebody. Kept in the same transaction as the row it comes from.
create table mirror.phone_index (
    tenant_id bigint not null,
    number text not null,                       -- E.164
    owner_kind text not null check (owner_kind in ('customer', 'location', 'employee', 'technician')),
    owner_id bigint not null,
    source_id bigint not null,                  -- contact id; the person's own id for staff
    certainty text not null check (certainty in ('known', 'maybe')),
    note text,                                  -- the contact's memo, kept here too: a lookup need not go there
    primary key (tenant_id, number, owner_kind, owner_id, source_id)
);
create index on mirror.phone_index (tenant_id, owner_kind, source_id);

create table mirror.jobs (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    job_number text not null,
    customer_id bigint not null,
    location_id bigint,
    job_status text not null,
    is_open boolean not null,                   -- neither completed nor cancelled, spelling normalised
    business_unit_id bigint,
    job_type_id bigint,
    campaign_id bigint,
    summary text,
    membership_id bigint,
    tag_type_ids bigint[] not null default '{}',
    created_on timestamptz,
    completed_on timestamptz,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);
create index on mirror.jobs (tenant_id, customer_id) where is_open;
create index on mirror.jobs (tenant_id, customer_id, completed_on);

create table mirror.appointments (
    tenant_id bigint not null,
    id bigint not null,
    job_id bigint not null,
    active boolean not null,
    appointment_number text,
    status text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    window_start timestamptz,
    window_end timestamptz,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);
create index on mirror.appointments (tenant_id, job_id);

create table mirror.appointment_assignments (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    appointment_id bigint not null,
    job_id bigint not null,
    technician_id bigint not null,
    technician_name text,
    status text,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);
create index on mirror.appointment_assignments (tenant_id, appointment_id);
create index on mirror.appointment_assignments (tenant_id, technician_id) where active;

create table mirror.business_units (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    name text not null,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);

create table mirror.job_types (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    name text not null,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);

create table mirror.tag_types (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    name text not null,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);

create table mirror.campaigns (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    name text not null,
    phone_numbers text[] not null default '{}', -- tracking numbers as sent
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);

-- ServiceTitan's own call records (of calls that pass through its telephony), not ours.
create table mirror.calls (
    tenant_id bigint not null,
    id bigint not null,
    active boolean not null,
    direction text,
    status text,
    call_type text,
    from_number text,
    to_number text,
    received_on timestamptz,
    duration_s double precision,
    customer_id bigint,
    location_id bigint,
    job_id bigint,
    campaign_id bigint,
    agent_name text,
    modified_on timestamptz not null,
    primary key (tenant_id, id)
);

create table mirror.feeds (
    tenant_id bigint not null,
    feed text not null,
    continue_from text,                         -- token to go on from; null before the first page
    max_modified_on timestamptz,                -- where to start again should the token be refused
    complete boolean not null default false,    -- the first full sync reached the end
    rows_seen bigint not null default 0,
    pages_seen bigint not null default 0,
    expected_rows bigint,                       -- for the progress shown to people, where known
    error text,
    synced_at timestamptz,
    primary key (tenant_id, feed)
);

-- calls ----------------------------------------------------------------------------------------------------------

-- What a phone system said, byte for byte, before anyone tried to understand it.
create table calls.inbox (
    id bigint generated always as identity primary key,
    tenant_id bigint not null,
    account text not null,                      -- which configured phone system
    delivery_id text,                           -- the sender's own id, where it has one: a replay is refused
    received_at timestamptz not null,
    body bytea not null,
    processed_at timestamptz,
    error text                                  -- why it could not be understood
);
create unique index on calls.inbox (tenant_id, account, delivery_id) where delivery_id is not null;
create index on calls.inbox (id) where processed_at is null;

create table calls.calls (
    id bigint generated always as identity primary key,
    tenant_id bigint not null,
    account text not null,
    system text not null,
    call_key text not null,
    ref text not null unique,                   -- short reference; stands in the text of what we write
    merged_into bigint references calls.calls (id),
    direction text,
    state text not null,
    outcome text,
    external_number text,                       -- E.164
    did text,
    started_at timestamptz,
    answered_at timestamptz,
    ended_at timestamptz,
    customer_id bigint,                         -- of a single certain match
    match_kind text,
    call jsonb not null,
    card jsonb,                                 -- the caller card as it was shown at the ring
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index on calls.calls (tenant_id, started_at desc, id desc) where merged_into is null;
create index on calls.calls (tenant_id, external_number, started_at desc) where merged_into is null;
create index on calls.calls (tenant_id, account) where state <> 'ended' and merged_into is null;
create index on calls.calls (merged_into) where merged_into is not null;

-- Call keys, aliases and leg keys ('leg:...') of every call. A key of a call merged away keeps its first owner in
-- `original_call_id`, so that a merge can be undone.
create table calls.keys (
    tenant_id bigint not null,
    account text not null,
    key text not null,
    call_id bigint not null references calls.calls (id),
    original_call_id bigint not null references calls.calls (id),
    primary key (tenant_id, account, key)
);
create index on calls.keys (call_id);

create table calls.events (
    call_id bigint not null references calls.calls (id),     -- the call they first belonged to, before any merge
    tenant_id bigint not null,
    account text not null,
    event_id text not null,
    inbox_id bigint references calls.inbox (id),
    kind text not null,
    occurred_at timestamptz not null,
    event jsonb not null,
    primary key (tenant_id, account, event_id)
);
create index on calls.events (call_id);

-- The state of each connection, for people to see.
create table calls.connections (
    tenant_id bigint not null,
    account text not null,
    state text not null check (state in ('connecting', 'connected', 'disconnected')),
    since timestamptz not null,
    detail text,                                -- one sentence: what is wrong and what to do
    primary key (tenant_id, account)
);

-- logbook --------------------------------------------------------------------------------------------------------

create table logbook.entries (
    call_id bigint primary key references calls.calls (id),
    tenant_id bigint not null,
    state text not null check (state in ('open', 'logged', 'nothing', 'review')),
    review_reason text,
    detail text,                                -- why it is still open, for people
    attempts integer not null default 0,
    created_at timestamptz not null default now(),
    finished_at timestamptz
);
create index on logbook.entries (tenant_id, state) where state in ('open', 'review');

-- One row per write, committed before the write is tried: ServiceTitan has no idempotency keys.
create table logbook.intents (
    call_id bigint not null references calls.calls (id),
    action text not null,                       -- customer_note | job_note
    target_id bigint not null,
    tenant_id bigint not null,
    text text not null,
    state text not null check (state in ('intended', 'trying', 'doubtful', 'written', 'refused')),
    remote_id bigint,                           -- the note's id, where ServiceTitan gives one
    intended_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (call_id, action, target_id)
);

-- ops ------------------------------------------------------------------------------------------------------------

-- Who may send a request to ServiceTitan now: the places of each app at a tenant, shared by every process.
create table ops.request_places (
    app text not null,                          -- hash of the app key, never the key
    tenant_id bigint not null,
    place integer not null,
    free_at timestamptz not null,
    primary key (app, tenant_id, place)
) with (fillfactor = 20);                       -- each place changes twice a request: leave room beside it

-- A place that is free, taken until `lease` is over; or, where all are taken, how long to wait before asking again.
-- Losing the last of this in a crash of the server costs nothing, so no commit waits for the disk.
create function ops.take_place(
    asking text, tenant bigint, places integer, lease interval,
    out place integer, out taken_until timestamptz, out wait_s double precision
)
language plpgsql as $$
begin
    perform set_config('synchronous_commit', 'off', true);
    for attempt in 1..2 loop
        select p.place into place from ops.request_places p
        where p.app = asking and p.tenant_id = tenant and p.place <= places and p.free_at <= clock_timestamp()
        limit 1 for update skip locked;
        if found then
            taken_until := clock_timestamp() + lease;
            update ops.request_places p set free_at = taken_until
            where p.app = asking and p.tenant_id = tenant and p.place = take_place.place;
            return;
        end if;
        select extract(epoch from min(p.free_at) - clock_timestamp()) into wait_s from ops.request_places p
        where p.app = asking and p.tenant_id = tenant and p.place <= places;
        exit when wait_s is not null;
        insert into ops.request_places (app, tenant_id, place, free_at)
        select asking, tenant, number, '-infinity' from generate_series(1, places) number
        on conflict do nothing;
    end loop;
end
$$;

-- The request that took a place was answered: a second from now another may have it. A lease that ended is nobody's.
create function ops.give_back_place(asking text, tenant bigint, given integer, taken_until timestamptz) returns void
language plpgsql as $$
begin
    perform set_config('synchronous_commit', 'off', true);
    update ops.request_places p set free_at = clock_timestamp() + interval '1 second'
    where p.app = asking and p.tenant_id = tenant and p.place = given and p.free_at = taken_until;
end
$$;

-- What people decided about phone numbers, and how the copy of it in ServiceTitan stands.

create table calls.number_decisions (
    tenant_id bigint not null,
    number text not null,                       -- E.164
    owner_kind text not null check (owner_kind in ('number', 'customer', 'location')),
    owner_id bigint not null,                   -- 0 for the number itself
    kind text not null check (kind in ('direct_line', 'moved_away', 'shared', 'spam')),
    decided_by text not null,
    decided_at timestamptz not null,
    withdrawn boolean not null default false,   -- kept only until its copy is gone from ServiceTitan, too
    keeper_kind text check (keeper_kind in ('customer', 'location')),   -- what holds the copy in ServiceTitan;
    keeper_id bigint,                                                   -- null where nobody there has the number
    copy text not null check (copy in ('local', 'pending', 'written', 'failed')),
    problem text,                               -- why it is not written yet, or never will be; for people
    attempts integer not null default 0,        -- more than none: something may stand in ServiceTitan
    due_at timestamptz not null default now(),  -- when to try next
    version integer not null default 1,         -- a copy that was under way when this changed is none of this
    primary key (tenant_id, number, owner_kind, owner_id)
);
create index on calls.number_decisions (tenant_id, due_at) where copy = 'pending';
create index on calls.number_decisions (tenant_id, decided_at desc) where not withdrawn;

-- For which application GUIDs what stood in ServiceTitan was read back.
create table calls.number_restores (
    tenant_id bigint not null,
    application_guid uuid not null,
    restored_at timestamptz not null default now(),
    primary key (tenant_id, application_guid)
);

-- Under which GUID the app keeps them in a tenant's ServiceTitan; null: nowhere.
alter table ops.tenants add column application_guid uuid;

-- The decisions about these numbers as a JSON list with the field names of trunkline.domain.decisions.Decision, or null
-- where there is none - after one probe of an index, which is all that nearly every ring waits for. A function, like
-- calls.number_facts, so that a plan made while the table was empty does not read through it when it is full.
create function calls.decisions_about(tenant bigint, numbers text[]) returns text
language plpgsql stable
set enable_seqscan = off
as $$
begin
if not exists (select from calls.number_decisions d where d.tenant_id = tenant and d.number = any (numbers)) then
    return null;
end if;
return (
    select json_agg(json_build_object(
        'number', d.number, 'kind', d.kind, 'owner', json_build_object('kind', d.owner_kind, 'id', d.owner_id),
        'decided_at', d.decided_at, 'decided_by', d.decided_by,
        'customer_id', case d.owner_kind
            when 'customer' then mirror.surviving_customer(tenant, d.owner_id)
            when 'location' then (
                select mirror.surviving_customer(tenant, l.customer_id) from mirror.locations l
                where l.tenant_id = tenant and l.id = mirror.surviving_location(tenant, d.owner_id))
        end) order by d.decided_at)
    from calls.number_decisions d
    where d.tenant_id = tenant and d.number = any (numbers) and not d.withdrawn
);
end
$$;

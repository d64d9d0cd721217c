-- What more than one phone system needs: what a message is beside its body, what was refused, what the phone systems'
-- own histories say, and what was found wrong.

alter table calls.inbox add column kind text not null default '';  -- the last part of its address, or 'history'

-- What came to a phone system's address and was not from it: forged, stale, or too large. Nothing of it is kept.
create table calls.refusals (
    tenant_id bigint not null,
    account text not null,
    day date not null,                          -- UTC
    refused bigint not null,
    reason text not null,                       -- of the latest, one sentence
    primary key (tenant_id, account, day)
);

-- Every call that a phone system's own history tells of, known to us or not.
create table calls.told (
    tenant_id bigint not null,                  -- 0 where tenants share the phone system
    account text not null,
    key text not null,
    began_at timestamptz not null,
    day date not null,                          -- in the company's time zone
    primary key (tenant_id, account, key)
);
create index on calls.told (tenant_id, account, day);

create table calls.history_checks (
    tenant_id bigint not null,
    account text not null,
    checked_until timestamptz not null,         -- all calls that began before are in calls.told
    checked_at timestamptz not null,
    primary key (tenant_id, account)
);

-- The ledger: of each day, what the phone system told, and what became of it here. told = ours + missing, and
-- ours = logged + open + excluded.
create view calls.ledger as
select t.tenant_id, t.account, t.day,
    count(*) as told,
    count(c.id) as ours,
    count(*) - count(c.id) as missing,
    count(*) filter (where e.state = 'logged') as logged,
    count(*) filter (where c.id is not null and (e.state is null or e.state = 'open')) as open,
    count(*) filter (where e.state = 'nothing') as nothing_to_log,
    count(*) filter (where e.state = 'review' and e.review_reason = 'unknown_caller') as unknown_caller,
    count(*) filter (where e.state = 'review' and e.review_reason = 'ambiguous') as ambiguous,
    count(*) filter (where e.state = 'review' and e.review_reason = 'withheld') as withheld,
    count(*) filter (where e.state = 'review' and e.review_reason = 'refused') as refused
from calls.told t
left join calls.keys k on k.tenant_id = t.tenant_id and k.account = t.account and k.key = t.key
left join calls.calls c on c.id = k.call_id
left join logbook.entries e on e.call_id = c.id
group by t.tenant_id, t.account, t.day;

-- What is or was wrong with a phone system: told once when it began and once when it was over.
create table calls.alarms (
    id bigint generated always as identity primary key,
    tenant_id bigint not null,
    account text not null,
    kind text not null check (kind in ('connection', 'subscription', 'silence', 'history', 'missing')),
    detail text not null,                       -- one sentence: what is wrong and what to do
    began_at timestamptz not null,
    ended_at timestamptz
);
create unique index on calls.alarms (tenant_id, account, kind) where ended_at is null;

-- Looking through what one phone system said, the newest first, and through what of it was not understood.
create index on calls.inbox (tenant_id, account, id);
create index on calls.inbox (tenant_id, account, id) where error is not null;

-- Calls of phone systems that stand one in front of the other, found to be one; parted where a person said so.
create table calls.joins (
    older bigint not null references calls.calls (id),
    younger bigint not null references calls.calls (id),
    joined_at timestamptz not null,
    parted_at timestamptz,
    primary key (older, younger)
);

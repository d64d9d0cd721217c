-- What more than one phone system needs: what a message is beside its body, and what was refused.

alter table calls.inbox add column kind text not null default '';  -- the last part of its address, or 'history'

-- What came to a phone system's address and was not from it: forged, stale, or too large. Nothing of it is kept.
create table calls.refusals (
    tenant_id bigint not null,
    account text not null,
    day date not null,                          -- UTC
    refused bigint not null,
    primary key (tenant_id, account, day)
);

-- What each tenant's token grants, so that a change of the app's version is noticed and can be shown.
create table ops.granted_scopes (
    tenant_id bigint primary key,
    codes text[] not null,                      -- as in tn.crm.customers:r
    seen_at timestamptz not null,
    changed_at timestamptz not null,
    change text                                 -- one sentence about the last change, for people
);

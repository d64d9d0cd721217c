-- Tenants that people set up on the settings page or the command line; those in trunkline.toml are not in here.

create table ops.tenants (
    tenant_id bigint primary key,
    name text not null,
    timezone text not null,
    region text not null,
    links_base text not null,
    environment text not null,                  -- production, integration, or a sandbox's base URL
    client_id text not null,
    client_secret text not null,                -- encrypted, as is the next; the key is not in the database
    app_key text not null,
    paused boolean not null default false,
    changed_at timestamptz not null default now()
);

-- Every process reads the tenants anew when this is heard.
create function ops.tell_tenants_changed() returns trigger
language plpgsql as $$
begin
    perform pg_notify('trunkline_tenants', '');
    return null;
end
$$;
create trigger tell_tenants_changed after insert or update or delete on ops.tenants
    for each statement execute function ops.tell_tenants_changed();

-- A network's phone system serves several tenants: its messages, events and keys stand under tenant 0, its calls under
-- whoever they are for. Erasing a tenant follows its calls, and must find what hangs on them.
create index on calls.events (inbox_id) where inbox_id is not null;
create index on calls.keys (original_call_id);

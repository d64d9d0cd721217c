-- Who owns a phone number: calls.number_facts and what it leans on.
--
-- It is a function, not a statement sent by the application, because its plan must be made once per session and with
-- index scans alone: a plan made while tables were still empty must not scan them when they are full.
--
-- Nearly every number belongs to one customer who was never merged: that case is read in one statement, as lean as can
-- be. What few numbers need stands in functions that the others never enter; all share mirror.customer_facts.

create index on mirror.jobs (tenant_id, customer_id) where membership_id is not null;
create index on mirror.appointment_assignments (tenant_id, technician_id)
    where active and status in ('Dispatched', 'Working');

-- The customer that `start` was merged into, however many times over. A chain that leads to a customer we do not have
-- ends at the last we have; a circle, which ServiceTitan should never send, is named by its least member.
create function mirror.surviving_customer(tenant bigint, start bigint) returns bigint
language plpgsql stable as $$
declare
    seen bigint[] := array[start];
    onward bigint;
begin
    loop
        select further.id into onward
        from mirror.customers c
        join mirror.customers further on further.tenant_id = tenant and further.id = c.merged_to_id
        where c.tenant_id = tenant and c.id = seen[cardinality(seen)];
        if onward is null then
            return seen[cardinality(seen)];
        elsif onward = any (seen) then
            return (select min(member) from unnest(seen[array_position(seen, onward):]) member);
        end if;
        seen := seen || onward;
    end loop;
end
$$;

-- The same for a location.
create function mirror.surviving_location(tenant bigint, start bigint) returns bigint
language plpgsql stable as $$
declare
    seen bigint[] := array[start];
    onward bigint;
begin
    loop
        select further.id into onward
        from mirror.locations l
        join mirror.locations further on further.tenant_id = tenant and further.id = l.merged_to_id
        where l.tenant_id = tenant and l.id = seen[cardinality(seen)];
        if onward is null then
            return seen[cardinality(seen)];
        elsif onward = any (seen) then
            return (select min(member) from unnest(seen[array_position(seen, onward):]) member);
        end if;
        seen := seen || onward;
    end loop;
end
$$;

-- `survivor` and all that were merged into it. ServiceTitan does not send their jobs and locations again after a
-- merge, so these may still name a merged customer.
create function mirror.merged_family(tenant bigint, survivor bigint) returns bigint[]
language plpgsql stable as $$
begin
    return (
        with recursive family (id) as (
            select survivor
            union
            select c.id from family
            join mirror.customers c on c.tenant_id = tenant and c.merged_to_id = family.id
        )
        select array_agg(family.id) from family
    );
end
$$;

-- Colleagues who own a number, as JSON with the field names of trunkline.domain.caller.StaffFacts.
create function mirror.staff_facts(tenant bigint, number_asked text, day_start timestamptz, day_end timestamptz)
returns json
language plpgsql stable as $$
begin
    return (
        select json_agg(json_build_object(
            'id', person.id, 'name', person.name, 'kind', own.owner_kind,
            'current_job', busy.job, 'current_customer', busy.customer) order by own.owner_kind, person.id)
        from mirror.phone_index own
        cross join lateral (
            select e.id, e.name from mirror.employees e
            where own.owner_kind = 'employee' and e.tenant_id = tenant and e.id = own.owner_id and e.active
            union all
            select t.id, t.name from mirror.technicians t
            where own.owner_kind = 'technician' and t.tenant_id = tenant and t.id = own.owner_id and t.active
        ) person
        left join lateral (
            -- The job a technician is at ('Working'), or else on the way to ('Dispatched').
            select json_build_object(
                    'id', j.id, 'number', j.job_number, 'status', j.job_status, 'location_id', j.location_id,
                    'job_type', (
                        select t.name from mirror.job_types t where t.tenant_id = tenant and t.id = j.job_type_id),
                    'business_unit', (
                        select b.name from mirror.business_units b
                        where b.tenant_id = tenant and b.id = j.business_unit_id),
                    'summary', j.summary) as job,
                (select c.name from mirror.customers c where c.tenant_id = tenant and c.id = j.customer_id) as customer
            from mirror.appointment_assignments s
            join mirror.appointments a on a.tenant_id = tenant and a.id = s.appointment_id
            join mirror.jobs j on j.tenant_id = tenant and j.id = a.job_id
            where own.owner_kind = 'technician' and s.tenant_id = tenant and s.technician_id = person.id
                and s.active and s.status in ('Dispatched', 'Working')
                and a.active and a.starts_at < day_end and a.ends_at > day_start and j.active
            order by s.status desc, a.starts_at desc
            limit 1
        ) busy on true
        where own.tenant_id = tenant and own.number = number_asked and own.owner_kind in ('employee', 'technician')
    );
end
$$;

-- One customer as JSON with the field names of trunkline.domain.caller.CustomerFacts; no row where we have none such.
-- `family` are the customer and all that were merged into it, `losers` those among them that own the number. Plain SQL,
-- so that PostgreSQL takes it into the statement that calls it.
create function mirror.customer_facts(
    tenant bigint, customer bigint, family bigint[], certainty text, number_location bigint, losers bigint[], note text,
    at timestamptz, day_start timestamptz, day_end timestamptz
) returns table (facts json, merged_to bigint)
language sql stable as $$
select json_build_object(
    'id', c.id, 'name', c.name, 'active', c.active, 'customer_type', c.customer_type,
    'address', c.address, 'balance', c.balance, 'do_not_service', c.do_not_service,
    'certainty', certainty, 'number_location_id', number_location, 'contact_note', nullif(btrim(note), ''),
    'merged_from', coalesce(to_json(losers), '[]'),
    'tags', case when c.tag_type_ids = '{}' then '[]' else coalesce((
        select json_agg(t.name order by t.name) from mirror.tag_types t
        where t.tenant_id = tenant and t.id = any (c.tag_type_ids)), '[]') end,
    'locations', coalesce(site.list, '[]'), 'location_count', case when site.listed < 10 then site.listed else (
        select count(*) from mirror.locations s
        where s.tenant_id = tenant and s.customer_id = any (family) and s.active and s.merged_to_id is null
    ) end,
    'open_jobs', coalesce((
        select json_agg(json_build_object(
            'id', j.id, 'number', j.job_number, 'status', j.job_status, 'location_id', j.location_id,
            'job_type', (select t.name from mirror.job_types t where t.tenant_id = tenant and t.id = j.job_type_id),
            'business_unit', (
                select b.name from mirror.business_units b where b.tenant_id = tenant and b.id = j.business_unit_id),
            'summary', j.summary))
        from (
            select o.* from mirror.jobs o
            where o.tenant_id = tenant and o.customer_id = any (family) and o.is_open and o.active
            order by o.created_on desc nulls last, o.id desc
            limit 10
        ) j
    ), '[]'),
    'next_appointment', case when visit.next_id is not null then (
        select json_build_object(
            'id', a.id, 'job_id', a.job_id, 'starts_at', a.starts_at, 'ends_at', a.ends_at, 'status', a.status,
            'window_start', a.window_start, 'window_end', a.window_end,
            'technicians', coalesce((
                select json_agg(coalesce(t.name, s.technician_name) order by s.id)
                from mirror.appointment_assignments s
                left join mirror.technicians t on t.tenant_id = tenant and t.id = s.technician_id
                where s.tenant_id = tenant and s.appointment_id = a.id and s.active
                    and coalesce(t.name, s.technician_name) is not null
            ), '[]'))
        from mirror.appointments a
        where a.tenant_id = tenant and a.id = visit.next_id
    ) end,
    'today_job_id', visit.today_job_id,
    'last_visit_at', (
        select max(visit.completed_on) from unnest(family) member (id)
        cross join lateral (
            select j.completed_on from mirror.jobs j
            where j.tenant_id = tenant and j.customer_id = member.id and j.completed_on is not null
                and j.active and j.job_status not ilike 'cancel%'
            order by j.completed_on desc
            limit 1
        ) visit
    ),
    'has_membership', exists (
        select from mirror.jobs j
        where j.tenant_id = tenant and j.customer_id = any (family) and j.membership_id is not null and j.active)
), c.merged_to_id
from mirror.customers c
left join lateral (
    select count(*) as listed,
        json_agg(json_build_object('id', l.id, 'name', l.name, 'address', l.address)) as list
    from (
        select s.id, s.name, s.address
        from mirror.locations s
        where s.tenant_id = tenant and s.customer_id = any (family) and s.active and s.merged_to_id is null
        order by s.id = number_location desc nulls last, s.id
        limit 10
    ) l
) site on true
left join lateral (
    -- The smallest of several arrays is the one whose first members are smallest: an order and what it picks.
    select (min(array[extract(epoch from a.starts_at)::bigint, a.id]) filter (
            where j.is_open and a.ends_at >= at and a.status in ('Scheduled', 'Dispatched', 'Working', 'Hold')
        ))[2] as next_id,
        -- A visit under way or to come before one that is over; of several the nearest.
        (min(array[(a.ends_at < at)::int, abs(extract(epoch from a.starts_at - at))::bigint, a.id, a.job_id])
            filter (where a.starts_at >= day_start and a.starts_at < day_end and a.status not ilike 'cancel%')
        )[4] as today_job_id
    from (
        select o.id, true as is_open from mirror.jobs o
        where o.tenant_id = tenant and o.customer_id = any (family) and o.is_open and o.active
        union all
        select d.id, false from mirror.jobs d
        where d.tenant_id = tenant and d.customer_id = any (family) and not d.is_open and d.active
            and d.completed_on >= day_start and d.job_status not ilike 'cancel%'
    ) j
    join mirror.appointments a on a.tenant_id = tenant and a.job_id = j.id
    where a.active and a.ends_at >= day_start
) visit on true
where c.tenant_id = tenant and c.id = customer
$$;

-- The customers who own a number - directly, through a location, or through one merged into them - each once: `list`
-- has ten at most, `total` is how many there are. At most 1000 entries of the phone index are looked at.
create function mirror.owner_facts(
    tenant bigint, number_asked text, at timestamptz, day_start timestamptz, day_end timestamptz
) returns json
language plpgsql stable as $$
begin
return (
    select json_build_object(
        'list', coalesce(json_agg(customer.facts order by shown.place), '[]'), 'total', coalesce(max(shown.total), 0))
    from (
        -- Where there are more than ten, those with an open job are likelier to call than the rest.
        select owner.*, row_number() over (order by c.active desc, owner.busy desc, owner.certainty, c.id) as place,
            case when exists (
                select from mirror.customers m where m.tenant_id = tenant and m.merged_to_id = c.id
            ) then mirror.merged_family(tenant, c.id) else array[c.id] end as family
        from (
            select hit.customer_id as id,
                min(hit.certainty) as certainty,        -- 'known' sorts before 'maybe'
                case when not bool_or(hit.owner_kind = 'customer') and min(hit.location_id) = max(hit.location_id)
                    then min(hit.location_id) end as location_id,
                array_agg(distinct hit.first_id) filter (where hit.first_id <> hit.customer_id) as losers,
                coalesce(min(hit.note) filter (where hit.certainty = 'known'), min(hit.note)) as note,
                count(*) over () as total,
                case when count(*) over () > 10 then exists (
                    select from mirror.jobs j
                    where j.tenant_id = tenant and j.customer_id = hit.customer_id and j.is_open and j.active
                ) end as busy
            from (
                select own.owner_kind, own.certainty, own.note, place.id as location_id, holder.id as first_id,
                    case when holder.merged_to_id is null then holder.id
                        else mirror.surviving_customer(tenant, holder.id) end as customer_id
                from (
                    select i.owner_kind, i.owner_id, i.certainty, i.note from mirror.phone_index i
                    where i.tenant_id = tenant and i.number = number_asked and i.owner_kind in ('customer', 'location')
                    limit 1000
                ) own
                left join mirror.locations l
                    on l.tenant_id = tenant and l.id = case when own.owner_kind = 'location' then own.owner_id end
                left join mirror.locations place
                    on place.tenant_id = tenant
                    and place.id = case when l.merged_to_id is null then l.id
                                       else mirror.surviving_location(tenant, l.id) end
                join mirror.customers holder
                    on holder.tenant_id = tenant
                    and holder.id = case when own.owner_kind = 'customer' then own.owner_id else place.customer_id end
            ) hit
            group by hit.customer_id
        ) owner
        join mirror.customers c on c.tenant_id = tenant and c.id = owner.id
        order by place
        limit 10
    ) shown
    cross join lateral mirror.customer_facts(
        tenant, shown.id, shown.family, shown.certainty, shown.location_id, shown.losers, shown.note,
        at, day_start, day_end) customer
);
end
$$;

-- What is known about each number (E.164), as a JSON list with the field names of
-- trunkline.domain.caller.NumberFacts. `day_start` and `day_end` bound today in the tenant's time zone.
create function calls.number_facts(
    tenant bigint, numbers text[], at timestamptz, day_start timestamptz, day_end timestamptz
) returns text
language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
return (
    select '[' || string_agg(json_build_object(
        'number', wanted.number,
        'customers', case when single.facts is not null then json_build_array(single.facts)
            else coalesce(several.found -> 'list', '[]') end,
        'customer_count', case when single.facts is not null then 1
            else coalesce((several.found ->> 'total')::bigint, 0) end,
        'staff', case when own.staff
            then coalesce(mirror.staff_facts(tenant, wanted.number, day_start, day_end), '[]') else '[]' end,
        'past_calls', coalesce(past.list, '[]'))::text, ',') || ']'
    from unnest(numbers) wanted (number)
    left join lateral (
        select count(*) as entries, bool_or(i.owner_kind in ('employee', 'technician')) as staff,
            min(i.owner_id) as id, min(i.owner_kind) as kind, min(i.certainty) as certainty, min(i.note) as note
        from (
            select x.owner_id, x.owner_kind, x.certainty, x.note from mirror.phone_index x
            where x.tenant_id = tenant and x.number = wanted.number
            limit 1000
        ) i
    ) own on true
    -- `offset 0` keeps each of the two apart: evaluated once, and not at all where its condition does not hold.
    left join lateral (
        select c.facts
        from mirror.customer_facts(
            tenant, own.id, array[own.id], own.certainty, null, null, own.note, at, day_start, day_end) c
        where own.entries = 1 and own.kind = 'customer' and c.merged_to is null and not exists (
            select from mirror.customers m where m.tenant_id = tenant and m.merged_to_id = own.id)
        offset 0
    ) single on true
    left join lateral (
        select mirror.owner_facts(tenant, wanted.number, at, day_start, day_end) as found
        where own.entries > 0 and single.facts is null
        offset 0
    ) several on true
    left join lateral (
        select json_agg(json_build_object(
            'started_at', past.started_at, 'direction', past.direction, 'outcome', past.outcome, 'agent', past.agent,
            'customer_id', past.customer_id)) as list
        from (
            select k.started_at, coalesce(k.direction, 'unknown') as direction, k.outcome,
                k.call -> 'answered_by' ->> 'name' as agent, k.customer_id
            from calls.calls k
            where k.tenant_id = tenant and k.external_number = wanted.number and k.merged_into is null
                and k.started_at is not null and k.state = 'ended'
            order by k.started_at desc
            limit 5
        ) past
    ) past on true
);
end
$$;

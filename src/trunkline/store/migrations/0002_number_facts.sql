-- Who owns a phone number: calls.number_facts and what it leans on.
--
-- It is a function, not a statement sent by the application, because its plan must be made once per session and with
-- index scans alone: a plan made while tables were still empty must not scan them when they are full.

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

-- What is known about each number (E.164), as JSON with the field names of trunkline.domain.caller.NumberFacts.
-- `day_start` and `day_end` bound today in the tenant's time zone. At most 1000 owners of a number are looked at.
create function calls.number_facts(
    tenant bigint, numbers text[], at timestamptz, day_start timestamptz, day_end timestamptz
) returns table (number_asked text, facts text)
language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
return query
select wanted.number, json_build_object(
    'number', wanted.number,
    'customers', coalesce(found.list, '[]'), 'customer_count', coalesce(found.total, 0),
    'staff', coalesce(staff.list, '[]'),
    'past_calls', coalesce(past.list, '[]'))::text
from unnest(numbers) wanted (number)

-- The customers --------------------------------------------------------------------------------------------------
left join lateral (
    select max(shown.total) as total, json_agg(json_build_object(
        'id', shown.id, 'name', shown.name, 'active', shown.active, 'customer_type', shown.customer_type,
        'address', shown.address, 'balance', shown.balance, 'do_not_service', shown.do_not_service,
        'certainty', shown.certainty, 'number_location_id', shown.location_id,
        'contact_note', (
            select nullif(btrim(k.memo), '') from mirror.contacts k
            where k.tenant_id = tenant and k.owner_kind = shown.contact_kind and k.id = shown.contact_id),
        'merged_from', to_json(coalesce(shown.merged_from, '{}')),
        'tags', coalesce((
            select json_agg(t.name order by t.name) from mirror.tag_types t
            where t.tenant_id = tenant and t.id = any (shown.tag_type_ids)), '[]'),
        'locations', coalesce(site.list, '[]'), 'location_count', coalesce(site.total, 0),
        'open_jobs', coalesce((
            select json_agg(json_build_object(
                'id', j.id, 'number', j.job_number, 'status', j.job_status, 'location_id', j.location_id,
                'job_type', (select t.name from mirror.job_types t where t.tenant_id = tenant and t.id = j.job_type_id),
                'business_unit', (
                    select b.name from mirror.business_units b
                    where b.tenant_id = tenant and b.id = j.business_unit_id),
                'summary', j.summary))
            from (
                select o.* from mirror.jobs o
                where o.tenant_id = tenant and o.customer_id = any (shown.family) and o.is_open and o.active
                order by o.created_on desc nulls last, o.id desc
                limit 10
            ) j
        ), '[]'),
        'next_appointment', (
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
            from (
                select p.* from mirror.jobs j
                join mirror.appointments p on p.tenant_id = tenant and p.job_id = j.id
                where j.tenant_id = tenant and j.customer_id = any (shown.family) and j.is_open and j.active
                    and p.active and p.ends_at >= at and p.status in ('Scheduled', 'Dispatched', 'Working', 'Hold')
                order by p.starts_at, p.id
                limit 1
            ) a
        ),
        -- A visit under way or to come before one that is over; of several the nearest.
        'today_job_id', (
            select a.job_id
            from (
                select o.id from mirror.jobs o
                where o.tenant_id = tenant and o.customer_id = any (shown.family) and o.is_open and o.active
                union all
                select d.id from mirror.jobs d
                where d.tenant_id = tenant and d.customer_id = any (shown.family) and not d.is_open and d.active
                    and d.completed_on >= day_start and d.job_status not ilike 'cancel%'
            ) j
            join mirror.appointments a on a.tenant_id = tenant and a.job_id = j.id
            where a.active and a.starts_at >= day_start and a.starts_at < day_end and a.status not ilike 'cancel%'
            order by a.ends_at < at, abs(extract(epoch from a.starts_at - at)), a.id
            limit 1
        ),
        'last_visit_at', (
            select max(visit.completed_on) from unnest(shown.family) member (id)
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
            where j.tenant_id = tenant and j.customer_id = any (shown.family) and j.membership_id is not null
                and j.active)
    ) order by shown.place) as list
    from (
        -- Ten at most. Where there are more, those with an open job are likelier to call than the rest.
        select c.*, owner.certainty, owner.location_id, owner.merged_from, owner.contact_kind, owner.contact_id,
            count(*) over () as total,
            row_number() over (order by c.active desc, owner.busy desc, owner.certainty, c.id) as place,
            case when exists (
                select from mirror.customers m where m.tenant_id = tenant and m.merged_to_id = c.id
            ) then mirror.merged_family(tenant, c.id) else array[c.id] end as family
        from (
            -- Each customer once: owning the number directly, through a location, or through one merged into it.
            select hit.customer_id as id,
                min(hit.certainty) as certainty,        -- 'known' sorts before 'maybe'
                case when not bool_or(hit.owner_kind = 'customer') and min(hit.location_id) = max(hit.location_id)
                    then min(hit.location_id) end as location_id,
                array_agg(distinct hit.first_id) filter (where hit.first_id <> hit.customer_id) as merged_from,
                (array_agg(hit.owner_kind order by hit.certainty, hit.owner_kind, hit.source_id))[1] as contact_kind,
                (array_agg(hit.source_id order by hit.certainty, hit.owner_kind, hit.source_id))[1] as contact_id,
                case when count(*) over () > 10 then exists (
                    select from mirror.jobs j
                    where j.tenant_id = tenant and j.customer_id = hit.customer_id and j.is_open and j.active
                ) end as busy
            from (
                select own.owner_kind, own.source_id, own.certainty, place.id as location_id, holder.id as first_id,
                    case when holder.merged_to_id is null then holder.id
                        else mirror.surviving_customer(tenant, holder.id) end as customer_id
                from (
                    select i.owner_kind, i.owner_id, i.source_id, i.certainty from mirror.phone_index i
                    where i.tenant_id = tenant and i.number = wanted.number
                        and i.owner_kind in ('customer', 'location')
                    limit 1000
                ) own
                left join mirror.locations l
                    on own.owner_kind = 'location' and l.tenant_id = tenant and l.id = own.owner_id
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
    left join lateral (
        select max(l.total) as total,
            json_agg(json_build_object('id', l.id, 'name', l.name, 'address', l.address)) as list
        from (
            select s.id, s.name, s.address, count(*) over () as total
            from mirror.locations s
            where s.tenant_id = tenant and s.customer_id = any (shown.family) and s.active and s.merged_to_id is null
            order by s.id = shown.location_id desc nulls last, s.id
            limit 10
        ) l
    ) site on true
) found on true

-- Colleagues -----------------------------------------------------------------------------------------------------
left join lateral (
    select json_agg(json_build_object(
        'id', person.id, 'name', person.name, 'kind', own.owner_kind,
        'current_job', busy.job, 'current_customer', busy.customer) order by own.owner_kind, person.id) as list
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
                'job_type', (select t.name from mirror.job_types t where t.tenant_id = tenant and t.id = j.job_type_id),
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
    where own.tenant_id = tenant and own.number = wanted.number and own.owner_kind in ('employee', 'technician')
) staff on true

-- Earlier calls --------------------------------------------------------------------------------------------------
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
) past on true;
end
$$;

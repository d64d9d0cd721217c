-- A value that PostgreSQL cannot store stays out, and is told as a difference: it stops no feed any more.

alter table mirror.drift
    drop constraint drift_kind_check,
    add check (kind in ('field', 'missing', 'null', 'type', 'word', 'key', 'value'));

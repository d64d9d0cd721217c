-- Callers whom somebody named are booked under a booking provider tag of ServiceTitan's.

alter table ops.tenants add column booking_provider bigint;

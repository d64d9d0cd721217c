"""How fast this machine is just now. No bar: on a slower or busier machine, bars in milliseconds can fail."""

import time
from statistics import median

import psycopg

from bench.report import Figure, context
from bench.stand import fresh, say
from trunkline.store.embedded import EmbeddedPostgres

ROUNDS = 5
TURNS = 5_000_000
COMMITS = 1_000


def measure() -> list[Figure]:
    """Medians, so that a short disturbance does not count."""
    say("Measuring the machine itself")
    postgres = EmbeddedPostgres(fresh("machine") / "postgres")
    try:
        with psycopg.connect(postgres.start(), autocommit=True) as connection:
            connection.execute("create table commits (number int)")
            commits = median(_commits_per_s(connection) for _ in range(ROUNDS))
    finally:
        postgres.stop()
    turns = median(_turns_per_s() for _ in range(ROUNDS))
    return [
        context("this machine: turns of a bare Python loop", turns, "turns/s"),
        context("this machine: durable commits of one row", commits, "commits/s"),
    ]


def _turns_per_s() -> float:
    began = time.perf_counter()
    for _ in range(TURNS):
        pass
    return TURNS / (time.perf_counter() - began)


def _commits_per_s(connection: psycopg.Connection) -> float:
    began = time.perf_counter()
    for number in range(COMMITS):
        connection.execute("insert into commits values (%s)", (number,))
    return COMMITS / (time.perf_counter() - began)

"""Statements of sessions from before there was a store for all of them."""

import json
from uuid import UUID, uuid4

import psycopg

from server.domain.xapi.keys import facts_of
from server.storage.migrate import migrate
from tests.databases import Template
from tests.factories.statements import IRI_BASE, OURS
from tests.rows import NOW

NAME = 'ä"\\\u2028 '
TENANT = UUID("01890000-0000-7000-8000-000000000001")


def test_they_move_into_the_store_with_all_that_they_are_found_by(database_template: Template) -> None:
    told = {
        "id": str(uuid4()),
        "actor": {
            "objectType": "Agent",
            "account": {"homePage": f"{IRI_BASE}/tenants/{TENANT}", "name": 'ä"\\\u2028 '},
        },
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed", "display": {"en": "passed"}},
        "object": {"objectType": "Activity", "id": f"{IRI_BASE}/packages/1"},
        "context": {
            "registration": str(uuid4()),
            "contextActivities": {
                "category": [{"id": "https://w3id.org/xapi/scorm"}],
                "grouping": [{"id": f"{IRI_BASE}/packages/1/sessions/2"}],
            },
        },
        "timestamp": "2026-01-02T03:04:05.678Z",
        "result": {"score": {"scaled": 0.5}},
    }
    with database_template.copy() as dsns:
        with psycopg.connect(dsns.owner, autocommit=True) as connection:
            connection.execute("drop schema public cascade; drop schema jobs cascade; create schema public")
        migrate(dsns.owner, revision="0009")
        with psycopg.connect(dsns.owner, autocommit=True) as connection:
            connection.execute("set row_security = off")
            connection.execute("alter table tenants no force row level security")
            connection.execute("alter table session_statements no force row level security")
            connection.execute(
                "insert into tenants (tenant_id, name, plan, created_at, updated_at) values (%s, 'x', 'high', %s, %s)",
                (TENANT, NOW, NOW),
            )
            for number in range(2):
                told["id"] = str(UUID(int=number))
                connection.execute(
                    "insert into session_statements (tenant_id, statement_id, session_id, verb, stored_at, statement)"
                    " values (%s, %s, %s, 'x', %s, %s)",
                    (TENANT, told["id"], uuid4(), NOW, json.dumps(told, separators=(",", ":"))),
                )
        migrate(dsns.owner)
        with psycopg.connect(dsns.owner) as connection:
            connection.execute("set row_security = off")
            rows = connection.execute(
                "select statement, verb_key, activity_key, actor_key, authority_key, keys, scaled, occurred_at::text,"
                " position >> 11 from statements order by position"
            ).fetchall()
            keys = connection.execute("select distinct key from statement_keys where owner = position").fetchall()
    assert len(rows) == 2
    statement, verb, activity, actor, authority, found_by, scaled, occurred, microseconds = rows[1]
    kept = json.loads(statement)
    assert kept == {**told, "version": "1.0.0", "authority": OURS.agent}
    facts = facts_of(kept, OURS.agent)
    assert (verb, activity, actor, authority, scaled) == (facts.verb, facts.activity, facts.actor, OURS.key, 0.5)
    assert set(found_by) == set(facts.keys) == {one for (one,) in keys}
    assert occurred.startswith("2026-01-02 03:04:05.678")
    assert microseconds == int(NOW.timestamp() * 1_000_000)

"""Migrations, models, roles and policies agree."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from procrastinate.schema import SchemaManager
from psycopg.conninfo import make_conninfo
from sqlalchemy import CheckConstraint, create_engine, inspect, pool

from server.storage.migrate import MIGRATIONS, RolesNotAllowed, ensure_login_roles, migrate, migration_sql
from server.storage.tables import METADATA
from tests.databases import Dsns, Template

ROOT = Path(__file__).resolve().parents[2]
NEWEST = max(path.name[:4] for path in (Path(MIGRATIONS) / "versions").glob("0*.py"))
JOBS_STEPS = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def test_migrations_make_what_the_models_say(dsns: Dsns) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsns.owner), poolclass=pool.NullPool
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_object": lambda _object, name, kind, *_: not (kind == "table" and name == "alembic_version"),
            },
        )
        assert compare_metadata(context, METADATA) == []
        # Autogenerate does not look at checks, nor at the names and order of keys.
        found = inspect(connection)
        for table in METADATA.sorted_tables:
            checks = {constraint["name"] for constraint in found.get_check_constraints(table.name)}
            assert checks == {c.name for c in table.constraints if isinstance(c, CheckConstraint)}
            key = found.get_pk_constraint(table.name)
            assert (key["name"], key["constrained_columns"]) == (
                table.primary_key.name,
                [column.name for column in table.primary_key.columns],
            )


def test_every_table_with_a_tenant_forces_row_level_security_with_both_policies(dsns: Dsns) -> None:
    with psycopg.connect(dsns.owner) as connection:
        rows = connection.execute(
            """
            select relname, relrowsecurity, relforcerowsecurity,
                   (select array_agg(r.rolname || ' ' || p.polcmd::text order by r.rolname)
                    from pg_policy p join pg_roles r on r.oid = any (p.polroles) where p.polrelid = c.oid)
            from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
            where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
            """
        ).fetchall()
        policies = connection.execute(
            "select policyname, qual, with_check from pg_policies where schemaname = 'public'"
        ).fetchall()
    assert {row[0] for row in rows} == set(METADATA.tables)
    for name, enabled, forced, roles in rows:
        assert (enabled, forced, roles) == (True, True, ["scorm_operator *", "scorm_server *"]), name
    for name, using, check in policies:
        assert using == check, name


def test_the_login_roles_neither_own_nor_bypass(dsns: Dsns) -> None:
    with psycopg.connect(dsns.owner) as connection:
        for dsn in (dsns.server, dsns.operator):
            with psycopg.connect(dsn) as as_role:
                name = as_role.info.user
            rights = connection.execute(
                "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = %s", (name,)
            ).fetchone()
            assert rights == (False, False, False, False)
            owned = connection.execute("select relname from pg_class where pg_get_userbyid(relowner) = %s", (name,))
            assert owned.fetchall() == []


def test_migrating_again_and_at_once_is_harmless(database_template: Template) -> None:
    with database_template.copy() as dsns:
        with psycopg.connect(dsns.owner, autocommit=True) as connection:
            connection.execute("drop schema public cascade; drop schema jobs cascade; create schema public")
        program = "import sys; from server.storage.migrate import migrate; migrate(sys.argv[1])"
        migrators = [subprocess.Popen([sys.executable, "-c", program, dsns.owner], cwd=ROOT) for _ in range(3)]
        assert [migrator.wait(60) for migrator in migrators] == [0, 0, 0]
        with psycopg.connect(dsns.owner) as connection:
            assert connection.execute("select version_num from alembic_version").fetchall() == [(NEWEST,)]


def test_the_migrations_as_a_script_make_the_same(database_template: Template) -> None:
    with database_template.copy() as scripted, database_template.copy() as migrated:
        with psycopg.connect(scripted.owner, autocommit=True) as connection:
            connection.execute("drop schema public cascade; drop schema jobs cascade; create schema public")
            connection.execute(migration_sql().encode())
        assert shape(scripted) == shape(migrated)


def test_the_jobs_schema_is_what_procrastinates_steps_make_one_by_one(database_template: Template) -> None:
    with database_template.copy() as ours, database_template.copy() as theirs:
        with psycopg.connect(theirs.owner, autocommit=True) as connection:
            connection.execute("drop schema jobs cascade; create schema jobs; set search_path = jobs")
            for step in JOBS_STEPS:
                connection.execute(step.read_bytes())
        assert shape(ours)["jobs"] == shape(theirs)["jobs"]


def test_the_jobs_schema_says_up_to_which_step_it_is(dsns: Dsns) -> None:
    with psycopg.connect(dsns.owner) as connection:
        said = connection.execute("select obj_description('jobs'::regnamespace)").fetchone()
    assert said == (f"procrastinate up to {JOBS_STEPS[-1].name}",)
    assert JOBS_STEPS[-1].name == "03.04.00_50_post_add_retry_failed_job_procedure.sql", (
        "procrastinate has new steps: add a migration that applies those which the schema does not name yet"
    )


@contextmanager
def owned_by_an_ordinary_role(database_template: Template) -> Iterator[tuple[Dsns, str]]:
    """An empty database, and the DSN of its owner, whom policies bind as everybody else."""
    with database_template.copy() as dsns:
        with psycopg.connect(dsns.owner, autocommit=True) as connection:
            role = f"owner_{connection.info.dbname}"
            connection.execute("drop schema public cascade; drop schema jobs cascade")
            connection.execute(f"create role {role} login password 'p'".encode())
            connection.execute(f"alter database {connection.info.dbname} owner to {role}".encode())
            connection.execute(f"create schema public authorization {role}".encode())
        try:
            yield dsns, make_conninfo(dsns.owner, user=role, password="p")
        finally:
            with psycopg.connect(dsns.owner, autocommit=True) as connection:
                connection.execute(f"drop owned by {role} cascade".encode())
                connection.execute(f"alter database {connection.info.dbname} owner to current_user".encode())
                connection.execute(f"drop role {role}".encode())


def test_an_ordinary_role_that_owns_its_database_can_migrate(database_template: Template) -> None:
    with owned_by_an_ordinary_role(database_template) as (_, owner):
        migrate(owner)
        with pytest.raises(RolesNotAllowed, match="CREATEROLE"):
            ensure_login_roles(owner, server_password="s", operator_password="o")


def test_quotas_that_counted_uploaded_files_only_are_counted_anew(database_template: Template) -> None:
    some, none = uuid4(), uuid4()
    with owned_by_an_ordinary_role(database_template) as (dsns, owner):
        migrate(owner, revision="0001")
        with psycopg.connect(dsns.owner) as connection:
            for tenant, count, size in ((some, 2, 30), (none, 0, 0)):
                connection.execute("insert into tenants values (%s, 'Acme', 'standard', now(), now())", (tenant,))
                connection.execute(
                    "insert into tenant_quotas (tenant_id, package_count, stored_bytes) values (%s, %s, %s)",
                    (tenant, count, size),
                )
            for file_size, expanded in ((10, 100), (20, 2000)):
                connection.execute(
                    """
                    insert into packages (tenant_id, package_id, title, version, schema_version, launch_path,
                        manifest_path, file_size_bytes, expanded_bytes, file_count, metadata, manifest, revision,
                        created_at, updated_at)
                    values (%s, %s, 't', '1.2', '1.2', 'a', 'imsmanifest.xml', %s, %s, 1, '{}', '{}', 1, now(), now())
                    """,
                    (some, uuid4(), file_size, expanded),
                )
        migrate(owner)
        with psycopg.connect(dsns.owner) as connection:
            found = connection.execute("select tenant_id, package_count, stored_bytes from tenant_quotas").fetchall()
            forced = connection.execute("select bool_and(relforcerowsecurity) from pg_class where relrowsecurity")
            assert forced.fetchone() == (True,)
        assert set(found) == {(some, 2, 2130), (none, 0, 0)}


def test_each_migration_follows_the_one_before() -> None:
    numbers = sorted(path.name[:4] for path in (Path(MIGRATIONS) / "versions").glob("0*.py"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def shape(dsns: Dsns) -> dict[str, set[tuple[str, str, str]]]:
    """Everything in a schema, as text."""
    query = """
        select 'function', proname || pg_get_function_identity_arguments(oid), regexp_replace(prosrc, '\\s', '', 'g')
        from pg_proc where pronamespace = %(schema)s::text::regnamespace
        union all select 'column', table_name || '.' || column_name,
                  data_type || coalesce(column_default, '') || is_nullable || is_identity
        from information_schema.columns where table_schema = %(schema)s::text
        union all select 'constraint', conname, pg_get_constraintdef(oid)
        from pg_constraint where connamespace = %(schema)s::text::regnamespace
        union all select 'index', indexname, indexdef from pg_indexes where schemaname = %(schema)s::text
        union all select 'policy', policyname, coalesce(qual, '') from pg_policies where schemaname = %(schema)s::text
        union all select 'trigger', tgname, pg_get_triggerdef(t.oid)
        from pg_trigger t join pg_class c on c.oid = tgrelid
        where relnamespace = %(schema)s::text::regnamespace and not tgisinternal
        union all select 'enum', typname, array_agg(enumlabel order by enumsortorder)::text
        from pg_type t join pg_enum on enumtypid = t.oid where typnamespace = %(schema)s::text::regnamespace group by 2
    """
    with psycopg.connect(dsns.owner) as connection:
        connection.execute("set search_path = ''")
        return {schema: set(connection.execute(query, {"schema": schema})) for schema in ("public", "jobs")}

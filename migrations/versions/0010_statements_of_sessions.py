"""Statements of sessions move into the store of all statements."""

from alembic import op

revision = "0010"
down_revision = "0009"


def _key(kind: str, text: str) -> str:
    """As server.domain.xapi.keys makes them."""
    return f"encode(substring(sha256(convert_to('{kind}:' || {text}, 'UTF8')) FOR 16), 'hex')::uuid"


def _account(agent: str) -> str:
    page, name = (f"to_json({agent} -> 'account' ->> '{part}')::text" for part in ("homePage", "name"))
    return f"('account|[' || {page} || ',' || {name} || ']')"


def upgrade() -> None:
    # The installation vouches for them: the IRIs of all begin with its own.
    op.execute(
        f"""
        WITH told AS (
            SELECT tenant_id, statement_id, stored_at, statement,
                split_part(statement #>> '{{actor,account,homePage}}', '/tenants/', 1) AS base,
                row_number() OVER (PARTITION BY tenant_id, stored_at ORDER BY statement_id) AS tie
            FROM public.session_statements
        ), vouched AS (
            SELECT *, json_build_object('objectType', 'Agent', 'account',
                json_build_object('homePage', base, 'name', 'scorm-api')) AS authority
            FROM told
        ), keyed AS (
            SELECT *, {_key("verb", "(statement #>> '{verb,id}')")} AS verb_key,
                {_key("activity", "(statement #>> '{object,id}')")} AS activity_key,
                {_key("agent", _account("(statement -> 'actor')"))} AS actor_key,
                {_key("agent", _account("authority"))} AS authority_key,
                ARRAY[
                    {_key("registration", "(statement #>> '{context,registration}')")},
                    {_key("related_agent", _account("authority"))}
                ] || ARRAY(
                    SELECT {_key("related_activity", "(one ->> 'id')")}
                    FROM json_each(statement #> '{{context,contextActivities}}') AS kinds (kind, list),
                        json_array_elements(list) AS one
                ) AS others
            FROM vouched
        ), moved AS (
            INSERT INTO public.statements (tenant_id, statement_id, position, verb_key, activity_key, actor_key,
                authority_key, is_voiding, voids_any, voided, occurred_at, keys, scaled, statement)
            SELECT tenant_id, statement_id,
                ((extract(epoch FROM stored_at) / 0.000001)::bigint << 11) | (tie & 2047), verb_key, activity_key,
                actor_key, authority_key, false, true, false, (statement ->> 'timestamp')::timestamptz,
                ARRAY(SELECT DISTINCT one FROM unnest(ARRAY[verb_key, activity_key, actor_key] || others) AS one),
                (statement #>> '{{result,score,scaled}}')::double precision,
                left(statement::text, -1) || ',"version":"1.0.0","authority":' || authority::text || '}}'
            FROM keyed RETURNING tenant_id, keys, position
        )
        INSERT INTO public.statement_keys (tenant_id, key, position, owner)
        SELECT tenant_id, unnest(keys), position, position FROM moved
        """
    )
    op.drop_table("session_statements")

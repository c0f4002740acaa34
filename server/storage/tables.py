"""The schema, once: what Alembic compares the migrations with and what every statement is built from.

Every table has `tenant_id`, first in its primary key and in every unique, foreign key and index, so that the schema
can be distributed by tenant. Every constraint is named. Row-level security and grants stand in the migrations.
Times are `timestamptz`, sizes are bytes.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

SERVER_ROLE = "scorm_server"
OPERATOR_ROLE = "scorm_operator"
JOBS_SCHEMA = "jobs"

METADATA = MetaData()

# Types of parameters that are compared with columns: one place, so that casts and columns agree.
UUID = Uuid()
TIME = DateTime(timezone=True)
BYTES = BigInteger()
HASH = LargeBinary()
JSON = JSONB()
# Kept as it was written: what jsonb refuses too.
PLAIN_JSON = postgresql.JSON()
BOOLEAN = Boolean()
SCORE_PARTS = ("scaled", "raw", "min", "max")

tenants = Table(
    "tenants",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("name", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    PrimaryKeyConstraint("tenant_id", name="tenants_pkey"),
    CheckConstraint("plan IN ('standard', 'high', 'unlimited')", name="tenants_plan_check"),
)

tenant_quotas = Table(
    "tenant_quotas",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("package_limit", BigInteger),
    Column("package_count", BigInteger, nullable=False, server_default="0"),
    Column("stored_bytes_limit", BYTES),
    Column("stored_bytes", BYTES, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", name="tenant_quotas_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="tenant_quotas_tenant_fkey"),
    CheckConstraint("package_limit >= 0", name="tenant_quotas_package_limit_check"),
    CheckConstraint("package_count >= 0", name="tenant_quotas_package_count_check"),
    CheckConstraint("stored_bytes_limit >= 0", name="tenant_quotas_stored_bytes_limit_check"),
    CheckConstraint("stored_bytes >= 0", name="tenant_quotas_stored_bytes_check"),
)

api_keys = Table(
    "api_keys",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("api_key_id", UUID, nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("expires_at", TIME),
    Column("revoked_at", TIME),
    Column("last_used_at", TIME),
    PrimaryKeyConstraint("tenant_id", "api_key_id", name="api_keys_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="api_keys_tenant_fkey"),
)

packages = Table(
    "packages",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("package_id", UUID, nullable=False),
    Column("title", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("schema_version", Text, nullable=False),
    Column("launch_path", Text, nullable=False),
    Column("manifest_path", Text, nullable=False),
    Column("file_size_bytes", BYTES, nullable=False),
    Column("expanded_bytes", BYTES, nullable=False),
    Column("file_count", Integer, nullable=False),
    Column("uploaded_by", Text),
    Column("metadata", JSONB, nullable=False),
    Column("manifest", JSONB, nullable=False),
    Column("revision", BigInteger, nullable=False, server_default="1"),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    Column("failed_completes", Boolean, nullable=False, server_default="true"),
    Column("mastery_overrides_status", Boolean, nullable=False, server_default="true"),
    PrimaryKeyConstraint("tenant_id", "package_id", name="packages_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="packages_tenant_fkey"),
    CheckConstraint("version IN ('1.2', '2004')", name="packages_version_check"),
    CheckConstraint("file_size_bytes >= 0", name="packages_file_size_bytes_check"),
    CheckConstraint("expanded_bytes >= 0", name="packages_expanded_bytes_check"),
    CheckConstraint("file_count >= 0", name="packages_file_count_check"),
)
# Lists are read newest first, in the order of this index.
Index("packages_newest_idx", packages.c.tenant_id, packages.c.created_at.desc(), packages.c.package_id.desc())

uploads = Table(
    "uploads",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("package_id", UUID, nullable=False),
    Column("started_at", TIME, nullable=False),
    Column("beat_at", TIME, nullable=False),
    Column("claimed_at", TIME),
    PrimaryKeyConstraint("tenant_id", "package_id", name="uploads_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="uploads_tenant_fkey"),
)

idempotency_keys = Table(
    "idempotency_keys",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("key_hash", HASH, nullable=False),
    Column("fingerprint", HASH, nullable=False),
    Column("claim_id", UUID, nullable=False),
    Column("facts", JSON),
    Column("streamed_fingerprint", HASH),
    Column("expires_at", TIME, nullable=False),
    PrimaryKeyConstraint("tenant_id", "key_hash", name="idempotency_keys_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="idempotency_keys_tenant_fkey"),
)
# The worker forgets what expired, tenant by tenant.
Index("idempotency_keys_expires_idx", idempotency_keys.c.tenant_id, idempotency_keys.c.expires_at)

import_jobs = Table(
    "import_jobs",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("import_job_id", UUID, nullable=False),
    Column("url", Text, nullable=False),
    # The URL with its query, encrypted, as long as it is needed.
    Column("sealed_url", LargeBinary),
    Column("title", Text),
    Column("uploaded_by", Text),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("run_id", UUID),
    Column("bytes_received", BYTES, nullable=False),
    Column("bytes_total", BYTES),
    # No foreign key: the package may be deleted, and the job still says what became of it.
    Column("package_id", UUID),
    Column("failure", JSONB),
    Column("created_at", TIME, nullable=False),
    Column("started_at", TIME),
    Column("finished_at", TIME),
    Column("updated_at", TIME, nullable=False),
    PrimaryKeyConstraint("tenant_id", "import_job_id", name="import_jobs_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="import_jobs_tenant_fkey"),
    CheckConstraint(
        "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="import_jobs_status_check"
    ),
    CheckConstraint("(status = 'running') = (run_id IS NOT NULL)", name="import_jobs_run_check"),
    CheckConstraint(
        "(status IN ('queued', 'running')) = (sealed_url IS NOT NULL)", name="import_jobs_sealed_url_check"
    ),
)
Index(
    "import_jobs_newest_idx",
    import_jobs.c.tenant_id,
    import_jobs.c.created_at.desc(),
    import_jobs.c.import_job_id.desc(),
)
Index(
    "import_jobs_of_status_idx",
    import_jobs.c.tenant_id,
    import_jobs.c.status,
    import_jobs.c.created_at.desc(),
    import_jobs.c.import_job_id.desc(),
)

# How many imports of a tenant are in each status: the totals of lists.
import_job_counts = Table(
    "import_job_counts",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("queued", BigInteger, nullable=False, server_default="0"),
    Column("running", BigInteger, nullable=False, server_default="0"),
    Column("succeeded", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("cancelled", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", name="import_job_counts_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="import_job_counts_tenant_fkey"),
)

# One attempt of one learner on one package. `shared` are the stores of adl.data, by target. No foreign key to the
# package: its sessions go after it, in the background, and nothing shows them meanwhile.
sessions = Table(
    "sessions",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("session_id", UUID, nullable=False),
    Column("package_id", UUID, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("user_name", Text),
    Column("attempt", Integer, nullable=False),
    Column("completion_status", Text, nullable=False),
    Column("success_status", Text, nullable=False),
    *(Column(f"score_{part}", Double) for part in SCORE_PARTS),
    *(Column(f"explicit_{part}_at", TIME) for part in ("completion", "success", "score")),
    Column("time_ms", BigInteger, nullable=False),
    Column("session_time_ms", BigInteger),
    Column("launches", Integer, nullable=False),
    Column("holder", Integer, nullable=False),
    Column("told_launch", Integer, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("current_item", Text),
    Column("is_over", Boolean, nullable=False),
    Column("shared", PLAIN_JSON),
    Column("redirect_url", Text),
    Column("links_valid_from", TIME),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    PrimaryKeyConstraint("tenant_id", "session_id", name="sessions_pkey"),
    UniqueConstraint("tenant_id", "package_id", "user_id", "attempt", name="sessions_attempt_key"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="sessions_tenant_fkey"),
    CheckConstraint(
        "completion_status IN ('not_attempted', 'incomplete', 'completed')", name="sessions_completion_status_check"
    ),
    CheckConstraint("success_status IN ('unknown', 'passed', 'failed')", name="sessions_success_status_check"),
)
_NEWEST_SESSIONS = (sessions.c.created_at.desc(), sessions.c.session_id.desc())
# A page of all, and of one filter each, is read in the order of an index; so is the one of the documented example.
Index("sessions_newest_idx", sessions.c.tenant_id, *_NEWEST_SESSIONS)
Index("sessions_of_package_idx", sessions.c.tenant_id, sessions.c.package_id, *_NEWEST_SESSIONS)
Index("sessions_of_user_idx", sessions.c.tenant_id, sessions.c.user_id, *_NEWEST_SESSIONS)
Index("sessions_of_completion_idx", sessions.c.tenant_id, sessions.c.completion_status, *_NEWEST_SESSIONS)
Index("sessions_of_success_idx", sessions.c.tenant_id, sessions.c.success_status, *_NEWEST_SESSIONS)
Index(
    "sessions_of_package_success_idx",
    sessions.c.tenant_id,
    sessions.c.package_id,
    sessions.c.success_status,
    *_NEWEST_SESSIONS,
)
Index(
    "sessions_of_package_completion_idx",
    sessions.c.tenant_id,
    sessions.c.package_id,
    sessions.c.completion_status,
    *_NEWEST_SESSIONS,
)

# What a session knows of an item that was opened or written. `item_key` is a hash of `item_id`, which may be longer
# than an index takes. `cmi_data` is text of ours: what courses store is no Unicode at times.
session_items = Table(
    "session_items",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("session_id", UUID, nullable=False),
    Column("item_key", UUID, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("cmi_data", PLAIN_JSON, nullable=False),
    Column("completion_status", Text, nullable=False),
    Column("success_status", Text, nullable=False),
    *(Column(f"score_{part}", Double) for part in SCORE_PARTS),
    Column("time_ms", BigInteger, nullable=False),
    Column("run", Integer, nullable=False),
    Column("launch", Integer, nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),
    Column("is_initialized", Boolean, nullable=False),
    Column("is_terminated", Boolean, nullable=False),
    Column("is_review", Boolean, nullable=False),
    Column("overruled", PLAIN_JSON),
    Column("kept", PLAIN_JSON),
    Column("earlier_ms", BigInteger, nullable=False),
    Column("is_suspended", Boolean, nullable=False),
    PrimaryKeyConstraint("tenant_id", "session_id", "item_key", name="session_items_pkey"),
    ForeignKeyConstraint(
        ["tenant_id", "session_id"],
        ["sessions.tenant_id", "sessions.session_id"],
        name="session_items_session_fkey",
        ondelete="CASCADE",
    ),
)

# Launch 0 is that of a caller that never launches. `items` are the times that courses told, by item.
session_launches = Table(
    "session_launches",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("session_id", UUID, nullable=False),
    Column("number", Integer, nullable=False),
    Column("launch_id", UUID, nullable=False),
    Column("begun_at", TIME, nullable=False),
    Column("opened_at", TIME),
    Column("is_review", Boolean, nullable=False),
    Column("told_ms", BigInteger, nullable=False),
    Column("items", PLAIN_JSON, nullable=False),
    PrimaryKeyConstraint("tenant_id", "session_id", "number", name="session_launches_pkey"),
    ForeignKeyConstraint(
        ["tenant_id", "session_id"],
        ["sessions.tenant_id", "sessions.session_id"],
        name="session_launches_session_fkey",
        ondelete="CASCADE",
    ),
)

# xAPI statements. `position` is the time at which one was stored, in microseconds of the epoch, and, in its lowest
# POSITION_BITS bits, what tells apart those of one microsecond: the order of the store. `*_key` are hashes of what is
# too long for an index, `keys` all that the statement is found by. `statement` is the sender's JSON without `stored`.
# No foreign key: every statement would lock its tenant's row.
statements = Table(
    "statements",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("statement_id", UUID, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("verb_key", UUID, nullable=False),
    Column("activity_key", UUID),
    Column("actor_key", UUID, nullable=False),
    Column("authority_key", UUID, nullable=False),
    Column("refers_to", UUID),
    Column("is_voiding", Boolean, nullable=False),
    Column("voids_any", Boolean, nullable=False),
    Column("voided", Boolean, nullable=False),
    Column("occurred_at", TIME, nullable=False),
    Column("scaled", Double),
    Column("keys", ARRAY(UUID), nullable=False),
    Column("statement", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "statement_id", name="statements_pkey"),
)
Index("statements_position_idx", statements.c.tenant_id, statements.c.position, unique=True)
Index(
    "statements_refers_to_idx",
    statements.c.tenant_id,
    statements.c.refers_to,
    postgresql_where=text("refers_to IS NOT NULL"),
)

# What statements are found by. A statement that refers to another is found by what finds that one too: `owner` is the
# position of the statement that the key is of, so that several filters are met by one and the same.
statement_keys = Table(
    "statement_keys",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("key", UUID, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("owner", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "key", "position", "owner", name="statement_keys_pkey"),
)
# Those that are inherited: few, and counted apart.
Index(
    "statement_keys_inherited_idx",
    statement_keys.c.tenant_id,
    statement_keys.c.key,
    statement_keys.c.position,
    postgresql_where=text("owner <> position"),
)

# Attachments that are in the bucket, by their hash.
statement_attachments = Table(
    "statement_attachments",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("sha2", HASH, nullable=False),
    Column("size_bytes", BYTES, nullable=False),
    Column("created_at", TIME, nullable=False),
    PrimaryKeyConstraint("tenant_id", "sha2", name="statement_attachments_pkey"),
)

# Up to which position statements are counted in the tables below. One that is voided is counted no more from the
# position of the first statement that voids it.
statement_folds = Table(
    "statement_folds",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", name="statement_folds_pkey"),
)

# How many statements have a verb, or are about an activity; the nil UUID stands for all of them, and keys of their own
# for how many actors and activities there are.
statement_counts = Table(
    "statement_counts",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("key", UUID, nullable=False),
    Column("statement_count", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "key", name="statement_counts_pkey"),
)


def _sums() -> list[Column[Any]]:
    """What statements add up to. The sum of scores is exact, so that what was added can be taken away."""
    counts = ("total_statements", "completed_count", "passed_count", "failed_count", "score_count")
    return [
        *(Column(name, BigInteger, nullable=False) for name in counts),
        Column("score_sum", Numeric, nullable=False),
        Column("first_activity", TIME, nullable=False),
        Column("last_activity", TIME, nullable=False),
    ]


# The statements of an actor about an activity; about no activity under the nil UUID.
pair_rollups = Table(
    "pair_rollups",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("actor_key", UUID, nullable=False),
    Column("activity_key", UUID, nullable=False),
    *_sums(),
    PrimaryKeyConstraint("tenant_id", "actor_key", "activity_key", name="pair_rollups_pkey"),
)
Index(
    "pair_rollups_of_activity_idx",
    pair_rollups.c.tenant_id,
    pair_rollups.c.activity_key,
    pair_rollups.c.actor_key,
)
actor_rollups = Table(
    "actor_rollups",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("actor_key", UUID, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    *(Column(name, Text) for name in ("mbox", "mbox_sha1sum", "openid", "home_page", "account_name")),
    *_sums(),
    Column("unique_activities", BigInteger, nullable=False),
    Column("avg_score_scaled", Double),
    PrimaryKeyConstraint("tenant_id", "actor_key", name="actor_rollups_pkey"),
)
activity_rollups = Table(
    "activity_rollups",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("activity_key", UUID, nullable=False),
    Column("activity_id", Text, nullable=False, server_default=""),
    Column("activity_type", Text, nullable=False, server_default=""),
    Column("type_key", UUID),
    Column("package_id", UUID),
    *_sums(),
    Column("unique_learners", BigInteger, nullable=False),
    Column("avg_score_scaled", Double),
    PrimaryKeyConstraint("tenant_id", "activity_key", name="activity_rollups_pkey"),
)
Index("activity_rollups_of_package_idx", activity_rollups.c.tenant_id, activity_rollups.c.package_id)
Index(
    "activity_rollups_of_type_idx",
    activity_rollups.c.tenant_id,
    activity_rollups.c.type_key,
    activity_rollups.c.total_statements,
    activity_rollups.c.activity_key,
)
# A page of analytics is read in the order of an index, whatever it is sorted by.
SORTED = ("total_statements", "completed_count", "passed_count", "failed_count", "first_activity", "last_activity")
for _table, _key, _unique in (
    (actor_rollups, "actor_key", "unique_activities"),
    (activity_rollups, "activity_key", "unique_learners"),
):
    for _column in (*SORTED, _unique):
        Index(f"{_table.name}_by_{_column}_idx", _table.c.tenant_id, _table.c[_column], _table.c[_key])
    _score = _table.c.avg_score_scaled
    Index(
        f"{_table.name}_by_avg_score_desc_idx",
        _table.c.tenant_id,
        _score.desc().nulls_last(),
        _table.c[_key].desc(),
    )
    Index(
        f"{_table.name}_by_avg_score_asc_idx",
        _table.c.tenant_id,
        _score.asc().nulls_last(),
        _table.c[_key].asc(),
    )

# Documents of the Experience API. `owner_key` is a hash of what a document belongs to (resource, activity, agent),
# `document_key` of its id; the nil UUID is no registration.
lrs_documents = Table(
    "lrs_documents",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("owner_key", UUID, nullable=False),
    Column("registration", UUID, nullable=False),
    Column("document_key", UUID, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("etag", Text, nullable=False),
    Column("updated_at", TIME, nullable=False),
    PrimaryKeyConstraint("tenant_id", "owner_key", "registration", "document_key", name="lrs_documents_pkey"),
)

# How many sessions there are, by package and status; those of all packages together under the nil UUID. Exact with the
# changes that the worker has not counted yet: who changes a session adds a row there, and waits for nobody.
session_counts = Table(
    "session_counts",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("package_id", UUID, nullable=False),
    Column("completion_status", Text, nullable=False),
    Column("success_status", Text, nullable=False),
    Column("session_count", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "package_id", "completion_status", "success_status", name="session_counts_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="session_counts_tenant_fkey"),
)
session_count_changes = Table(
    "session_count_changes",
    METADATA,
    Column("tenant_id", UUID, nullable=False),
    Column("change_id", BigInteger, Identity(always=True), nullable=False),
    Column("package_id", UUID, nullable=False),
    Column("completion_status", Text, nullable=False),
    Column("success_status", Text, nullable=False),
    Column("difference", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "change_id", name="session_count_changes_pkey"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="session_count_changes_tenant_fkey"),
)

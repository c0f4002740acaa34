"""Makes tenants, keys and packages for tests of the database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from server.domain.api_keys import ApiKey, Plan, Tenant
from server.domain.ids import new_id
from server.domain.packages import Package, PackageItem, PackageMetadata, PackageOrganization
from server.services.lrs_document_ports import Document, Place
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.lrs_documents import PostgresLrsDocuments
from server.storage.packages import PostgresPackages
from server.storage.tenants import PostgresTenants

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def a_tenant(*, name: str = "Acme", plan: Plan = Plan.STANDARD, at: datetime = NOW) -> Tenant:
    return Tenant(id=new_id(at), name=name, plan=plan, created_at=at)


def a_key(tenant_id: UUID, *, at: datetime = NOW, expires_at: datetime | None = None) -> ApiKey:
    return ApiKey(
        id=new_id(at),
        tenant_id=tenant_id,
        name="for tests",
        scopes=frozenset({"read", "lrs:statements/read/mine"}),
        created_at=at,
        expires_at=expires_at,
    )


def some_metadata() -> PackageMetadata:
    return PackageMetadata(
        description='Über "uns" \\ 日本',
        sco_count=2,
        schema_version="2004 3rd Edition",
        organizations=(PackageOrganization(identifier="org", title="Org", default=True),),
        items=(
            PackageItem(
                identifier="group",
                title="Group",
                href=None,
                scorm_type=None,
                visible=True,
                children=(PackageItem(identifier="i", title="I", href="a.html?x=1", scorm_type="sco", visible=False),),
            ),
        ),
        mastery_score=0.8,
        language="en",
        warnings=("tolerated",),
    )


def a_package(tenant_id: UUID, *, at: datetime = NOW, size: int = 1000, title: str = "Course") -> Package:
    return Package(
        id=new_id(at),
        tenant_id=tenant_id,
        title=title,
        version="2004",
        launch_path="a.html?x=1",
        manifest_path="imsmanifest.xml",
        file_size_bytes=size,
        uploaded_by=None,
        created_at=at,
        updated_at=at,
        metadata=some_metadata(),
    )


async def store_tenant(operators: PostgresOperatorDatabase, tenant: Tenant | None = None) -> Tenant:
    tenant = tenant or a_tenant()
    async with operators.write() as transaction:
        await transaction.run(PostgresTenants().insert(tenant))
    return tenant


async def store_package(database: PostgresDatabase, package: Package) -> Package:
    async with database.write(package.tenant_id) as transaction:
        await transaction.run(
            PostgresPackages().insert(package, manifest_json='{"items": []}', expanded_bytes=5000, file_count=7)
        )
    return package


async def store_packages(database: PostgresDatabase, tenant_id: UUID, count: int) -> list[Package]:
    """Newest first, as lists answer them."""
    made = [
        a_package(tenant_id, at=NOW + timedelta(seconds=number), title=f"Course {number}") for number in range(count)
    ]
    for package in made:
        await store_package(database, package)
    return made[::-1]


async def queries_of_lrs_documents(database: PostgresDatabase, tenant_id: UUID) -> list[Any]:
    """One of each statement that finds a document of xAPI; makes what they find."""
    documents, place = PostgresLrsDocuments(), Place(tenant_id=tenant_id, owner=UUID(int=1))
    document = Document(id="d", content=b"x", content_type="text/plain", etag='"e"', updated_at=NOW)
    async with database.write(tenant_id) as transaction:
        await transaction.run(documents.insert(document, place=place))
    return [
        documents.get(document.id, place=place),
        documents.lock(document.id, place=place),
        *(documents.list(place=place, every_registration=every, since=None) for every in (False, True)),
    ]

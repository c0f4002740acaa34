"""Pages as messages tell them."""

from server.gen.scorm.v1 import pagination_pb2
from server.services.session_ports import Total


def pagination(*, page: int, limit: int, total: Total) -> pagination_pb2.Pagination:
    """The documented pagination. `total_is_estimate` is there only where it is true."""
    return pagination_pb2.Pagination(
        page=page,
        limit=limit,
        total=total.count,
        total_pages=-(-total.count // limit),
        total_is_estimate=True if total.is_estimate else None,
    )

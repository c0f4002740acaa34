"""Alembic's migrations of the schema in `server/storage/tables.py`."""

"""Postgres, Google Cloud Storage and jobs: the only place with SQL."""

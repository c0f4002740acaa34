"""What `make run`, `make generate` and the tests need around the service; nothing here runs in production."""

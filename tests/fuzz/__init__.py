"""Coverage-guided fuzzing of what reads untrusted bytes: `make fuzz`. Nothing here is part of `make test`."""

"""gRPC: servicers convert, call and convert; interceptors log, render errors, authenticate and validate."""

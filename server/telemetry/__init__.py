"""What operators see of a process: metrics for Prometheus and, where somebody takes them, traces."""

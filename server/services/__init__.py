"""Use cases. Each gets the time and everything that touches the world passed in through `ports`."""

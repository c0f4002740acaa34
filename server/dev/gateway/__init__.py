"""The gateway's side of a running copy: what is generated into its configuration, and how that is fitted to a place."""

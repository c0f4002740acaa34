"""What SCORM and this service are, as pure values and functions. Knows no I/O, no clock and no framework."""

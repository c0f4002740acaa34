"""xAPI 1.0.3 and 2.0 (IEEE 9274.1.1) as pure rules: what statements and documents are, and what they are found by."""

"""What is compared with: programs that a user would write or pick instead."""

"""A help desk that understands what a customer wants, and knows when it does not; see README.md."""

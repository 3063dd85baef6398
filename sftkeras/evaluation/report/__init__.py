"""The report of an evaluated model: its figures as JSON, its pages, and what the terminal says of it."""

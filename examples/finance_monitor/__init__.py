"""Watches a stream of texts for companies that are spoken ill of; see README.md."""

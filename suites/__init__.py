"""Clips with exact truth, drawn by the built-in generator, and what they measure."""

"""Scenes that move: drawn with exact truth, reconstructed, scored, and compared with other ways to move."""

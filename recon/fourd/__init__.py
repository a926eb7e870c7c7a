"""Scenes that move: what moves is followed, lifted into the world, and fitted as Gaussians on shared
motions."""

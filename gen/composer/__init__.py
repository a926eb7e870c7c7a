"""The scene composer: words it knows, a small ray tracer, exact cameras. No model, no weights."""

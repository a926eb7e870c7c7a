"""Sound: what is heard in it, films that follow it, and sound under a video."""

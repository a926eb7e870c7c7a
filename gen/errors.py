"""The error that `gen` raises for anything a user can put right."""


class GenerateError(Exception):
    """One sentence: what was found, what was expected, what to do next."""

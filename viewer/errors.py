"""The viewer's error class: each message says what was found, what was expected and what to do next."""


class ViewerError(Exception):
    """Something the user can mend; the command line prints it as one line."""

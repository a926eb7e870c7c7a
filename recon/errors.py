"""One error class per stage; each message says what was found, what was expected and what to do next."""


class ReconError(Exception):
    """Base of everything `recon` raises on purpose; the command line prints it as one line."""


class SceneFolderError(ReconError):
    """The scene folder cannot be used as asked (foreign content, another format version, no space)."""


class SplitError(ReconError):
    """The input is not a video or image folder that can be cut into frames."""


class CameraSolveError(ReconError):
    """No usable cameras for a shot."""


class FormatError(ReconError):
    """A file of a known format does not hold what the format promises."""


class TrainError(ReconError):
    """Training cannot start or go on."""

"""Stage 1 of splatreel: a prompt becomes a video, with the true cameras beside it.

The generator here is the scene composer: it draws from a list of words it knows (`known_words`),
with no model and no weights. Generators that run a video model take the same `GenerateRequest` and
return the same `Video`.
"""

from gen.composer.vocabulary import known_words
from gen.errors import GenerateError
from gen.events import (
    Event,
    FrameRendered,
    PromptRead,
    RendererReady,
    RendererStarting,
    VideoReused,
    VideoWritten,
)
from gen.generate import generate, generate_from_image
from gen.types import CAMERA_MOVES, GenerateRequest, Video

__all__ = [
    "CAMERA_MOVES",
    "Event",
    "FrameRendered",
    "GenerateError",
    "GenerateRequest",
    "PromptRead",
    "RendererReady",
    "RendererStarting",
    "Video",
    "VideoReused",
    "VideoWritten",
    "generate",
    "generate_from_image",
    "known_words",
]

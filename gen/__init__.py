"""Stage 1 of splatreel: words, pictures, poses or sound become a video, with a sidecar that says how.

`generate` takes a request of any workflow. The scene composer (`GenerateRequest`) draws from a list of words
it knows (`known_words`) without any weights and knows its true cameras; the others (`gen.requests`) run open
video models. All return the same `Video`.
"""

from gen.composer.vocabulary import known_words
from gen.errors import GenerateError
from gen.events import (
    Event,
    FrameRendered,
    ModelLoading,
    ModelReady,
    Notice,
    PromptRead,
    RendererReady,
    RendererStarting,
    StepDone,
    VideoReused,
    VideoWritten,
)
from gen.generate import generate
from gen.requests import (
    AnimateRequest,
    CameraRequest,
    ChainRequest,
    ConnectRequest,
    ExtendRequest,
    FirstLastRequest,
    ImageRequest,
    LoopRequest,
    PoseRequest,
    RestyleRequest,
    StructureRequest,
    TextRequest,
    TravelRequest,
)
from gen.types import CAMERA_MOVES, GenerateRequest, Video
from gen.video_request import Memory, Sampling

__all__ = [
    "CAMERA_MOVES",
    "AnimateRequest",
    "CameraRequest",
    "ChainRequest",
    "ConnectRequest",
    "Event",
    "ExtendRequest",
    "FirstLastRequest",
    "FrameRendered",
    "GenerateError",
    "GenerateRequest",
    "ImageRequest",
    "LoopRequest",
    "Memory",
    "ModelLoading",
    "ModelReady",
    "Notice",
    "PoseRequest",
    "PromptRead",
    "RendererReady",
    "RendererStarting",
    "RestyleRequest",
    "Sampling",
    "StepDone",
    "StructureRequest",
    "TextRequest",
    "TravelRequest",
    "Video",
    "VideoReused",
    "VideoWritten",
    "generate",
    "known_words",
]

"""What can be asked for: one request for each workflow that runs a video model.

The composer's is `GenerateRequest` in `types.py`; keyframes, audio and interpolation have theirs beside their
engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gen.errors import GenerateError
from gen.video_request import VideoRequest

if TYPE_CHECKING:
    from gen.models.spec import Task

KEEP = 9
"""Frames of a clip that guide its continuation: fewer do not say how things move, and 9 = 2*4+1 = 8+1 fill
the latent frames of every model."""


@dataclass(frozen=True, kw_only=True)
class TextRequest(VideoRequest):
    """Words to video.

    For example:

      splatreel generate text "a red house and two pines" --camera orbit-left
      splatreel generate text "a lighthouse in a storm" --model wan-2.1-1.3b --recaption rules
    """

    prompt: str
    """What is to be seen; the built-in composer knows a list of English and Chinese words."""
    model: str | None = "composer"
    """`composer` needs no weights and draws a static scene with exact cameras; others are video models."""
    camera: str | None = None
    """A camera move such as orbit-left, dolly-in or static."""
    arc_degrees: float | None = None
    """The composer's: how far the camera swings around the scene."""
    truth: bool = False
    """The composer's: also write true depth, ids, motion and 3D tracks to a folder beside the video."""
    recaption: str | None = None
    """Make a long caption of the prompt: `rules`, or a language model's folder or name."""
    for_reconstruction: bool = False
    """A static scene and a steady camera, which become a better splat."""

    @property
    def task(self) -> Task:
        return "text"


@dataclass(frozen=True, kw_only=True)
class ImageRequest(VideoRequest):
    """A picture to video, with or without a prompt.

    For example:

      splatreel generate image photo.jpg --prompt "a stone bridge" --for-reconstruction
      splatreel generate image photo.jpg --model svd-xt --motion 60
    """

    image: Path
    """The first frame."""
    prompt: str = ""
    """What happens; Stable Video Diffusion takes none."""
    camera: str | None = None
    """A camera move such as orbit-left, dolly-in or static."""
    motion: int | None = None
    """Stable Video Diffusion: how much moves, 1 to 255."""
    noise: float | None = None
    """Stable Video Diffusion: noise on the picture, 0 to 1; more noise, more motion."""
    recaption: str | None = None
    """Make a long caption of the prompt: `rules`, or a language model's folder or name."""
    for_reconstruction: bool = False
    """Pick model, camera, prompt and frames that become the best splat."""

    @property
    def task(self) -> Task:
        return "image"


@dataclass(frozen=True, kw_only=True)
class ChainRequest(VideoRequest):
    """Words to a picture, and that to a video.

    For example:

      splatreel generate chain "a lighthouse on a cliff" --image-model sdxl --model svd-xt
    """

    prompt: str
    model: str | None = "svd-xt"
    """The video model."""
    image_model: str = "sdxl"
    """What draws the picture."""
    motion: int | None = None
    """Stable Video Diffusion: how much moves, 1 to 255."""
    noise: float | None = None
    """Stable Video Diffusion: noise on the picture, 0 to 1; more noise, more motion."""

    @property
    def task(self) -> Task:
        return "image"


@dataclass(frozen=True, kw_only=True)
class FirstLastRequest(VideoRequest):
    """A first and a last picture, and everything between them.

    For example:

      splatreel generate first-last before.png after.png --prompt "the door opens"
    """

    first: Path
    last: Path
    prompt: str = ""

    @property
    def task(self) -> Task:
        return "first_last"


@dataclass(frozen=True, kw_only=True)
class RestyleRequest(VideoRequest):
    """A video in another style or place: noise is added and taken away again (SDEdit).

    For example:

      splatreel generate restyle clip.mp4 "a watercolour of a village in winter" --strength 0.6
    """

    video: Path
    """A video, a GIF or a folder of frames."""
    prompt: str
    strength: float = 0.7
    """0 changes nothing, 1 everything."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.strength <= 1:
            raise GenerateError(f"The strength is {self.strength}, but above 0 to 1 was expected: try 0.7.")

    @property
    def task(self) -> Task:
        return "restyle"


@dataclass(frozen=True, kw_only=True)
class StructureRequest(VideoRequest):
    """The depth or edges of a video, with other looks (Gen-1).

    For example:

      splatreel generate structure clip.mp4 --kind edges --prompt "a model made of clay"
    """

    video: Path
    """A video, a GIF or a folder of frames."""
    kind: Literal["depth", "edges"] = "depth"
    """What of the video stays."""
    prompt: str = ""
    style: Path | None = None
    """A picture that shows the looks."""
    ready: bool = False
    """The video is depth or edges already."""
    depth_model: str | None = None
    """A transformers depth model; Depth Anything V2 Small if left out."""
    scale: float | None = None
    """How strictly the structure is followed; 1 is usual."""

    @property
    def task(self) -> Task:
        return self.kind


@dataclass(frozen=True, kw_only=True)
class PoseRequest(VideoRequest):
    """Somebody who moves like a sequence of skeletons.

    For example:

      splatreel generate pose openpose_folder "an astronaut dances on the moon"
    """

    poses: Path
    """Skeleton frames (video or folder), or joints: a folder of OpenPose JSON, a COCO JSON, an npz."""
    prompt: str
    scale: float | None = None
    """How strictly the skeletons are followed; 1 is usual."""

    @property
    def task(self) -> Task:
        return "pose"


@dataclass(frozen=True, kw_only=True)
class AnimateRequest(VideoRequest):
    """The person of a photo moves like a driving sequence (Animate Anyone, MagicAnimate).

    For example:

      splatreel generate animate photo.jpg dance.mp4 --extract
      splatreel generate animate photo.jpg densepose.mp4 --kind segmentation
    """

    image: Path
    """The person."""
    driving: Path
    """Skeletons or body parts, as frames or joints; or, with `extract`, a video of somebody who moves."""
    kind: Literal["skeleton", "segmentation"] = "skeleton"
    """What the driving sequence shows."""
    extract: bool = False
    """Find skeletons or body parts in the driving video first."""
    face: Path | None = None
    """Wan-Animate: a video of the face; the photo's if left out."""
    prompt: str = ""
    scale: float | None = None
    """How strictly the sequence is followed; 1 is usual."""

    @property
    def task(self) -> Task:
        return "animate" if self.kind == "skeleton" else "segmentation"


@dataclass(frozen=True, kw_only=True)
class ExtendRequest(VideoRequest):
    """A longer video. `frames` counts the kept and the new ones that the model sees.

    For example:

      splatreel generate extend clip.mp4 --direction backward --prompt "a car arrives"
    """

    video: Path
    """A video, a GIF or a folder of frames."""
    prompt: str = ""
    direction: Literal["forward", "backward"] = "forward"
    keep: int = KEEP
    """Frames of the video that guide the new ones."""

    @property
    def task(self) -> Task:
        return "fill"


@dataclass(frozen=True, kw_only=True)
class LoopRequest(VideoRequest):
    """A video that can start again after its end: frames are made that lead back.

    For example:

      splatreel generate loop clip.mp4 --out loop.mp4
    """

    video: Path
    """A video, a GIF or a folder of frames."""
    prompt: str = ""
    keep: int = KEEP
    """Frames of either end that guide the new ones."""

    @property
    def task(self) -> Task:
        return "fill"


@dataclass(frozen=True, kw_only=True)
class ConnectRequest(VideoRequest):
    """Two videos with a transition between them.

    For example:

      splatreel generate connect first.mp4 second.mp4 --prompt "day turns to night"
    """

    before: Path
    after: Path
    prompt: str = ""
    keep: int = KEEP
    """Frames of either video that guide the new ones."""

    @property
    def task(self) -> Task:
        return "fill"


@dataclass(frozen=True, kw_only=True)
class CameraRequest(VideoRequest):
    """A picture, or words, seen by a camera on an exact path, which is in the sidecar.

    For example:

      splatreel generate camera "a stone bridge" --image photo.jpg --camera orbit-left --degrees 40
    """

    prompt: str
    image: Path | None = None
    """The first frame; drawn from the prompt if left out."""
    camera: str | None = None
    """A camera move; orbit-left if there are no `poses`."""
    degrees: float | None = None
    """Turn of the whole move; 45 for an orbit."""
    distance: float | None = None
    """Metres from the first camera to the subject; 3 if left out."""
    field_of_view: float | None = None
    """Degrees across the width; 60 if left out."""
    poses: Path | None = None
    """The .json beside a generated video, to follow its cameras instead of a move."""
    image_model: str = "sdxl"
    """What draws the first frame."""
    recaption: str | None = None
    """Make a long caption of the prompt: `rules`, or a language model's folder or name."""
    for_reconstruction: bool = False
    """Say that the scene is static, which becomes a better splat."""

    def __post_init__(self) -> None:
        super().__post_init__()
        moves = ("camera", "degrees", "distance", "field_of_view")
        given = [name.replace("_", " ") for name in moves if getattr(self, name) is not None]
        if self.poses is not None and given:
            raise GenerateError(
                f'The cameras of "{self.poses}" and a {given[0]} were asked for, but a clip has one path: '
                f"leave one of them out."
            )

    @property
    def task(self) -> Task:
        return "camera"


@dataclass(frozen=True, kw_only=True)
class TravelRequest(VideoRequest):
    """Prompts at frames that blend into each other (AnimateDiff's prompt travel), also over long clips.

    For example:

      splatreel generate travel 0 "a forest in spring" 16 "a forest in winter" --frames 32
    """

    prompts: Mapping[int, str]
    """By frame, from 0."""
    camera: str | None = None
    """A camera move such as orbit-left, dolly-in or static."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 not in self.prompts:
            raise GenerateError(
                f"There are prompts for the frames {', '.join(map(str, sorted(self.prompts))) or 'none'}, "
                f"but the first frame needs one: add one for frame 0."
            )

    @property
    def task(self) -> Task:
        return "travel"


Request = (
    TextRequest
    | ImageRequest
    | ChainRequest
    | FirstLastRequest
    | RestyleRequest
    | StructureRequest
    | PoseRequest
    | AnimateRequest
    | ExtendRequest
    | LoopRequest
    | ConnectRequest
    | CameraRequest
    | TravelRequest
)

"""Writes frames as H.264 in an mp4 file."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CRF = 12
"""x264 quality: visually lossless, so that compression is not what limits reconstruction."""

THREADS = 2
"""x264's output depends on the number of threads; a fixed number keeps files reproducible."""


def write_mp4(path: Path, frames: "Iterable[np.ndarray]", *, width: int, height: int, fps: float) -> int:
    """Encode frames [H, W, 3] uint8 sRGB at a constant rate; returns how many. Sizes must be even."""
    import av
    from av.video.reformatter import Colorspace

    rate = Fraction(fps).limit_denominator(1001)
    count = 0
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.metadata["comment"] = "made by splatreel; the .json beside it says how"
        # Macroblock-tree rate control made files differ from run to run; at this quality it saves little.
        options = {"crf": str(CRF), "preset": "medium", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = THREADS
        # BT.601 is what readers assume of untagged small video, so even a reader that ignores the
        # tags gets the colours right.
        stream.codec_context.colorspace = Colorspace.ITU601
        stream.codec_context.color_range = 1
        for rgb in frames:
            if rgb.shape != (height, width, 3):
                raise ValueError(f"frame {count} has shape {rgb.shape}, expected {(height, width, 3)}")
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601)
            picture.pts, picture.time_base = count, 1 / rate
            container.mux(stream.encode(picture))
            count += 1
        container.mux(stream.encode(None))
    return count

"""The split stage: what is decoded is what was encoded, and what cannot be used is said in a sentence."""

from __future__ import annotations

import os
import re
import shutil
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from recon.errors import ReconError, SplitError
from recon.events import Event, Notice, StageProgress, StageStarted
from recon.scene import SceneFolder
from recon.splitting import split
from tests.recon.clips import corner_of, number_of, picture, turned_clip, write_clip

FRAMES = [picture(i) for i in range(12)]


def decoded(scene: SceneFolder) -> list[np.ndarray]:
    frames = scene.frames()
    return [np.asarray(Image.open(frames.path(i))) for i in range(len(frames))]


def notices(source: Path, out: Path, **options) -> tuple[SceneFolder, str]:
    heard: list[Event] = []
    scene = split(source, out, on_event=heard.append, **options)
    return scene, " | ".join(e.text for e in heard if isinstance(e, Notice))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.mp4", {}),
        ("ten_bit.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p10le"}),
        ("odd.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
        ("vfr.mp4", {"ticks": [0, 40, 90, 100, 300, 350, 600, 610, 700, 1000, 1500, 1540]}),
        ("looped.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    ],
)
def test_every_frame_arrives(tmp_path: Path, name: str, options: dict) -> None:
    """In order, upright, at its time, whatever the container and pixel format."""
    images = [image[:63, :95] for image in FRAMES] if name == "odd.mkv" else FRAMES
    scene = split(write_clip(tmp_path / name, images, **options), tmp_path / "scene")
    images_back = decoded(scene)
    assert images_back[0].shape == images[0].shape
    tolerance = 45 if name == "looped.gif" else 8
    assert np.abs(np.stack(images_back).astype(int) - np.stack(images)).mean() < tolerance / 2
    assert {corner_of(image) for image in images_back} == {"top left"}
    if name != "looped.gif":
        assert [number_of(image) for image in images_back] == list(range(12))
    ticks = options.get("ticks", [100 * i for i in range(12)])
    assert np.allclose(scene.frames().seconds, np.array(ticks) / 1000, atol=2e-3)


@pytest.mark.parametrize(
    ("degrees", "corner"), [(90, "top right"), (180, "bottom right"), (270, "bottom left")]
)
def test_rotation_metadata(tmp_path: Path, degrees: int, corner: str) -> None:
    """A phone writes how far to turn the picture clockwise; the corner lands where a player shows it."""
    clip = turned_clip(write_clip(tmp_path / "clip.mp4", FRAMES), degrees)
    found = decoded(split(clip, tmp_path / "scene"))[0]
    assert found.shape[:2] == ((96, 64) if degrees % 180 else (64, 96))
    assert corner_of(found) == corner


def test_wide_pixels_and_shrinking(tmp_path: Path) -> None:
    """Non-square pixels become square; the long side is a limit, never a goal."""
    clip = write_clip(tmp_path / "wide.mp4", FRAMES, aspect=Fraction(4, 3))
    scene = split(clip, tmp_path / "a")
    assert (scene.frames().width, scene.frames().height) == (128, 64)
    scene = split(clip, tmp_path / "b", long_side=64)
    assert (scene.frames().width, scene.frames().height) == (64, 32)
    assert [number_of(image) for image in decoded(scene)] == list(range(12))


def test_fps_start_end(tmp_path: Path) -> None:
    """The nearest frames on a uniform clock, none twice, and only from the part asked for."""
    clip = write_clip(tmp_path / "clip.mp4", FRAMES, fps=10)
    scene = split(clip, tmp_path / "a", fps=5)
    assert [number_of(image) for image in decoded(scene)] == [0, 2, 4, 6, 8, 10]
    assert scene.frames().fps == pytest.approx(5)
    scene = split(clip, tmp_path / "b", fps=30, start=0.3, end=0.8)
    assert [number_of(image) for image in decoded(scene)] == [3, 4, 5, 6, 7, 8]


def test_long_clips_are_thinned(tmp_path: Path) -> None:
    """To 300 frames, said aloud, with chunks that follow the layout."""
    images = [np.roll(picture(5), 5 * i, axis=1) for i in range(340)]
    scene, text = notices(write_clip(tmp_path / "long.mp4", images), tmp_path / "scene")
    assert len(scene.frames()) == 300
    assert "340 frames thinned to 300" in text
    chunks = scene.chunks()
    assert len(chunks) == 13
    for chunk in chunks:
        names = sorted(p.name for p in (scene.chunk_folder(chunk) / "images").iterdir())
        assert names == [f"{n:05d}.png" for n in chunk.numbers]


def test_repeats_are_dropped(tmp_path: Path) -> None:
    """A frame stored twice is kept once, with the time of the first, also when it was encoded again."""
    images = [image for image in FRAMES for _ in range(2)]
    scene, text = notices(write_clip(tmp_path / "double.mp4", images), tmp_path / "scene")
    assert [number_of(image) for image in decoded(scene)] == list(range(12))
    assert "12 of 24 frames left out: repeats" in text


def test_folder_of_images(tmp_path: Path) -> None:
    """Natural order, transparency over white, EXIF orientation, other files ignored."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in (1, 2, 10):
        image = Image.fromarray(picture(i)).convert("RGBA")
        image.putalpha(0 if i == 2 else 255)
        image.save(folder / f"shot{i}.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.fromarray(np.rot90(picture(11))).save(folder / "shot11.jpg", exif=exif, quality=98)
    (folder / "notes.txt").write_text("hello")
    images = decoded(split(folder, tmp_path / "scene"))
    assert len(images) == 4
    assert [number_of(images[i]) for i in (0, 2, 3)] == [1, 10, 11]
    assert images[1].min() == 255
    assert corner_of(images[3]) == "top left"


def test_a_cut_makes_two_shots(tmp_path: Path) -> None:
    """With chunks of their own."""
    # Not a periodic pattern, which looks the same everywhere.
    noise = np.random.default_rng(0).integers(0, 255, (16, 24, 3), np.uint8)
    place = np.asarray(Image.fromarray(noise).resize((96, 64), Image.Resampling.BICUBIC))
    other = [np.roll(place, 4 * i, axis=0) for i in range(9)]
    scene, text = notices(write_clip(tmp_path / "cut.mp4", FRAMES + other), tmp_path / "scene")
    assert [(shot.first, shot.frames) for shot in scene.frames().shots] == [(0, 12), (12, 9)]
    assert [chunk.shot for chunk in scene.chunks()] == [0, 1]
    assert "1 hard cut at 1.20 s" in text


@pytest.mark.parametrize("event", ["flash", "exposure", "jump back"])
def test_the_same_place_is_one_shot(shared_clips: Path, tmp_path: Path, event: str) -> None:
    """A cut shows another place: a flash, a change of exposure or a jump within the scene do not."""
    with av.open(str(shared_clips / "camel.mp4")) as container:
        images = [f.to_ndarray(format="rgb24", width=480, height=270) for f in container.decode(video=0)][:40]
    if event == "flash":
        images[20] = np.clip(images[20].astype(int) + 140, 0, 255).astype(np.uint8)
    elif event == "exposure":
        images[12:28] = [(image * 0.35).astype(np.uint8) for image in images[12:28]]
    else:
        images = images[:20] + images[8:28]
    scene = split(write_clip(tmp_path / "clip.mp4", images, pix_fmt="yuv420p"), tmp_path / "scene")
    assert [shot.frames for shot in scene.frames().shots] == [40]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("fox", "camel"),
        ("fox", "rooms/2f25826f0d0ef09a"),
        ("rooms/2f25826f0d0ef09a", "rooms/0bf152ef84195293"),
    ],
)
def test_real_cuts(shared_clips: Path, tmp_path: Path, first: str, second: str) -> None:
    """Found at the right frame, also between jumpy shots and shots of like colours."""
    shots = []
    for name in (first, second):
        with av.open(str(shared_clips / f"{name}.mp4")) as container:
            frames = container.decode(video=0)
            shots.append([f.to_ndarray(format="rgb24", width=384, height=256) for f in frames][:40])
    clip = write_clip(tmp_path / "clip.mp4", [*shots[0], *shots[1]], pix_fmt="yuv420p")
    scene = split(clip, tmp_path / "scene")
    assert [shot.frames for shot in scene.frames().shots] == [len(shot) for shot in shots]


def test_deleted_frames_and_a_scene_as_its_own_source(tmp_path: Path) -> None:
    """Frames that someone deleted come back; a scene's own frames are not split over themselves."""
    clip = write_clip(tmp_path / "clip.mp4", FRAMES)
    scene = split(clip, tmp_path / "scene")
    scene.frames().path(3).unlink()
    assert len(decoded(split(clip, tmp_path / "scene"))) == 12
    with pytest.raises(SplitError, match=r"belongs to the scene .*; choose another --out"):
        split(tmp_path / "scene/frames", tmp_path / "scene", long_side=48)
    assert len(decoded(scene)) == 12


def test_done_before_and_other_settings(tmp_path: Path) -> None:
    """The same command does nothing; another setting decodes again."""
    clip = write_clip(tmp_path / "clip.mp4", FRAMES)
    split(clip, tmp_path / "scene")
    stamp = (tmp_path / "scene/frames/00003.png").stat().st_mtime_ns
    heard: list[Event] = []
    split(clip, tmp_path / "scene", on_event=heard.append)
    assert heard == [StageStarted("frames", done_before=True)]
    assert (tmp_path / "scene/frames/00003.png").stat().st_mtime_ns == stamp
    assert len(split(clip, tmp_path / "scene", fps=5).frames()) == 6
    assert len(list((tmp_path / "scene/chunks/000/images").iterdir())) == 6


@pytest.mark.parametrize("trouble", ["kill", "disk"])
def test_trouble_in_the_middle_leaves_the_old(tmp_path: Path, monkeypatch, trouble: str) -> None:
    """A kill or a full disk while decoding again leaves the earlier frames, and the next run completes."""
    clip = write_clip(tmp_path / "clip.mp4", FRAMES)
    scene = split(clip, tmp_path / "scene")
    before = decoded(scene)

    def kill(event: Event) -> None:
        if isinstance(event, StageProgress) and event.done == 3:
            raise KeyboardInterrupt if trouble == "kill" else OSError(28, os.strerror(28))

    with pytest.raises(KeyboardInterrupt if trouble == "kill" else ReconError, match=r"No space|^$"):
        split(clip, tmp_path / "scene", fps=5, on_event=kill)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(before, decoded(SceneFolder.open(tmp_path / "scene")), strict=True)
    )
    assert len(split(clip, tmp_path / "scene", fps=5).frames()) == 6


def test_truncated_video(tmp_path: Path) -> None:
    """What can be decoded is used, and what is missing is said."""
    clip = write_clip(
        tmp_path / "clip.mkv", [picture(i % 30, 320, 240) for i in range(60)], codec="ffv1", pix_fmt="bgr0"
    )
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    scene = split(clip, tmp_path / "scene")
    assert 10 < len(scene.frames()) < 60
    assert [number_of(image) for image in decoded(scene)][:10] == list(range(10))


@pytest.mark.parametrize(
    ("options", "share", "sentence"),
    [
        (
            {"movflags": "+faststart"},
            0.6,
            "the file is cut off: it holds [34]. of 60 frames; using what is there",
        ),
        (
            {"movflags": "+faststart"},
            0.12,
            "cut off: it holds . of 60 frames, .* expected at least 10; copy or download",
        ),
        ({}, 0.6, "cut off: its index, which a camera writes last, is missing; copy or download"),
    ],
)
def test_truncated_mp4(tmp_path: Path, options: dict[str, str], share: float, sentence: str) -> None:
    """Says how much is there, whether that is enough, and why nothing is when the index was lost."""
    clip, noise = tmp_path / "clip.mp4", np.random.default_rng(0)
    with av.open(str(clip), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=10, options={"bf": "0", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(60):
            pixels = noise.integers(0, 255, (64, 96, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
    data = clip.read_bytes()
    clip.write_bytes(data[: int(len(data) * share)])
    try:
        _, said = notices(clip, tmp_path / "scene")
    except SplitError as error:
        said = str(error)
    assert re.search(sentence, said), said


def test_mirrored_clip(tmp_path: Path) -> None:
    """A selfie's display matrix mirrors, which no angle can say."""
    clip = turned_clip(write_clip(tmp_path / "clip.mp4", FRAMES), 180)
    data = bytearray(clip.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at + 16 : at + 20] = struct.pack(">i", 1 << 16)
    clip.write_bytes(data)
    assert corner_of(decoded(split(clip, tmp_path / "scene"))[0]) == "top right"


def test_streams_without_a_clock(tmp_path: Path) -> None:
    """A bare H.264 stream has no times: its frames are counted."""
    write_clip(tmp_path / "clip.mp4", FRAMES)
    with av.open(str(tmp_path / "clip.mp4")) as clip, av.open(str(tmp_path / "raw.h264"), "w") as raw:
        stream = raw.add_stream_from_template(clip.streams.video[0])
        for packet in clip.demux(video=0):
            if packet.size:
                packet.stream = stream
                raw.mux(packet)
    scene = split(tmp_path / "raw.h264", tmp_path / "scene")
    assert [number_of(image) for image in decoded(scene)] == list(range(12))


def test_animated_webp(tmp_path: Path) -> None:
    """Which ffmpeg does not decode."""
    first, *rest = (Image.fromarray(image) for image in FRAMES)
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, duration=[50, 150] * 6, lossless=True)
    scene = split(tmp_path / "a.webp", tmp_path / "scene", start=0.2)
    assert [number_of(image) for image in decoded(scene)] == list(range(2, 12))
    assert np.allclose(scene.frames().seconds[:3], [0.2, 0.25, 0.4])


def test_warnings(tmp_path: Path) -> None:
    """Few frames and grey frames are accepted with a word of warning."""
    _, text = notices(write_clip(tmp_path / "five.mp4", FRAMES[:5]), tmp_path / "five")
    assert "only 5 frames" in text
    grey = [np.full((64, 96, 3), 100 + i, np.uint8) for i in range(12)]
    _, text = notices(write_clip(tmp_path / "grey.mp4", grey), tmp_path / "grey")
    assert "hardly show anything" in text


def test_eight_k(tmp_path: Path) -> None:
    """Huge frames are shrunk while they are decoded."""
    folder = tmp_path / "huge"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(picture(i)).resize((7680, 4320)).save(folder / f"{i}.jpg", quality=60)
    scene = split(folder, tmp_path / "scene")
    assert (scene.frames().width, scene.frames().height) == (960, 540)


def _make_bad(kind: str, folder: Path) -> Path:
    if kind == "missing":
        return folder / "nothing.mp4"
    if kind == "text":
        (folder / "text.mp4").write_text("this is no video")
        return folder / "text.mp4"
    if kind == "audio":
        with av.open(str(folder / "audio.wav"), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
        return folder / "audio.wav"
    if kind == "one":
        return write_clip(folder / "one.mp4", FRAMES[:1])
    if kind == "still":
        return write_clip(folder / "still.mp4", FRAMES[:1] * 12)
    images = folder / "images"
    images.mkdir()
    if kind in ("mixed", "broken"):
        for i in range(3):
            Image.fromarray(picture(i)).save(images / f"{i}.png")
    if kind == "mixed":
        Image.fromarray(picture(3, 48, 64)).save(images / "3.png")
    if kind == "broken":
        (images / "2.png").write_bytes((images / "2.png").read_bytes()[:200])
    return images


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("missing", "nothing.mp4 is not there; give the path"),
        ("text", "cannot be decoded .*; expected a video, a GIF or a folder"),
        ("audio", "has no video, only audio; give a video"),
        ("one", "gives 1 frame, expected at least 3"),
        ("empty", "has no images .*; give a video file or a folder"),
        ("mixed", r"3.png has 48x64 pixels but 0.png has 96x64; .*resize or remove"),
        ("broken", "2.png .*take it out of the folder"),
    ],
)
def test_bad_sources(tmp_path: Path, kind: str, sentence: str) -> None:
    """One line each, and no scene that looks usable is left behind."""
    source = _make_bad(kind, tmp_path)
    with pytest.raises(SplitError, match=sentence) as caught:
        split(source, tmp_path / "scene")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "scene/frames").exists()


def test_a_frozen_picture_keeps_its_frames(tmp_path: Path) -> None:
    """A tripod before a still life is a scene as well, if a flat one."""
    scene = split(_make_bad("still", tmp_path), tmp_path / "scene")
    frames = scene.frames()
    assert len(frames) >= 3
    assert len({frames.path(number).read_bytes() for number in range(len(frames))}) == 1
    assert len(frames.shots) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"fps": 0}, "--fps is 0, expected"),
        ({"fps": -3}, "--fps is -3, expected"),
        ({"start": 5.0}, "is 1.10 s long and --start 5 lies behind its end"),
        ({"start": 1.0, "end": 0.5}, "no part of a clip"),
        ({"long_side": 3}, "--long-side is 3, expected at least 32"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict, sentence: str) -> None:
    """Say what was given and what would do."""
    clip = write_clip(tmp_path / "clip.mp4", FRAMES)
    with pytest.raises(SplitError, match=sentence):
        split(clip, tmp_path / "scene", **options)


def test_too_little_space(tmp_path: Path, monkeypatch) -> None:
    """Found out before decoding."""
    clip = write_clip(tmp_path / "clip.mp4", FRAMES)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]
    with pytest.raises(SplitError, match=r"has 0.0 GB free, this clip needs about 0.1 GB; free some space"):
        split(clip, tmp_path / "scene")


def test_real_clips_are_single_shots(shared_clips: Path, tmp_path: Path) -> None:
    """Photographs a step apart, a following camera and generated video are not cut."""
    counts = {"fox": 29, "generated_ship": 49, "camel": 90, "generated_woman": 135}
    for name, frames in counts.items():
        scene = split(shared_clips / f"{name}.mp4", tmp_path / name, long_side=480)
        assert (len(scene.frames()), len(scene.frames().shots)) == (frames, 1), name

"""Films from keyframes: what the model is asked, how frames follow from each other, how a run goes on."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gen.errors import GenerateError
from gen.events import FrameRendered
from gen.keyframes.drawing import frames_folder, generate_keyframes
from gen.keyframes.pictures import add_noise, match_colours, scale_contrast
from gen.keyframes.plan import plan_keyframes
from gen.keyframes.request import KeyframesRequest
from gen.keyframes.warps import sheet_motions, warp_sheet, zoomed

WIDTH, HEIGHT = 96, 64


class Painter:
    """Stands in for an image model: mixes each frame with stripes that depend on all it is told."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, frame, prompt, negative, strength, steps, guidance, seed):
        names = ("frame", "prompt", "negative", "strength", "steps", "guidance", "seed")
        self.calls.append(
            dict(zip(names, (frame, prompt, negative, strength, steps, guidance, seed), strict=True))
        )
        key = [seed, steps, int(guidance * 100), *prompt.encode(), 0, *negative.encode()]
        stripes = np.random.default_rng(key).integers(0, 256, (1, frame.shape[1], 3))
        return np.rint((1 - strength) * frame + strength * stripes).astype(np.uint8)


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / 7 + y / 9), np.cos(y / 6), np.sin((x - y) / 11)]
    path = tmp_path_factory.mktemp("image") / "first.png"
    Image.fromarray(np.rint(127.5 + 110 * np.stack(waves, -1)).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def ask(tmp_path, image):
    """A small request; fields and settings can be changed."""

    def make(name: str = "film", settings: dict[str, Any] | None = None, **fields: Any) -> KeyframesRequest:
        fields = {"image": image, "frames": 8, "seed": 7, "model": "painter", "prompt": "a wave"} | fields
        return KeyframesRequest(out=tmp_path / f"{name}.mp4", overrides=settings or {}, **fields)

    return make


def film(request: KeyframesRequest, painter: Painter | None = None) -> np.ndarray:
    return np.stack(list(generate_keyframes(request, redraw=painter or Painter())))


def picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_without_a_model_the_picture_is_moved_and_resampled_once(ask, image):
    request = ask(
        model=None,
        settings={
            "zoom": "0:(1.03)",
            "angle": "0:(t)",
            "translation_x": "0:(3)",
            "contrast": "0:(1), 7:(0.5)",
            "pulse": "1.1",
        },
    )
    plan = plan_keyframes(request)
    motions = sheet_motions(dict(plan.values), WIDTH, HEIGHT)
    frames = film(request)
    assert frames.shape == (8, HEIGHT, WIDTH, 3)
    path = motions[3] @ motions[2] @ motions[1]
    expected = scale_contrast(warp_sheet(picture(image), path, "replicate"), plan.values["contrast"][3])
    assert np.array_equal(frames[3], zoomed(expected, 1.1, "replicate"))
    assert "nothing is redrawn" in " ".join(plan.notes)


def test_the_model_is_asked_what_the_schedules_say(ask):
    painter = Painter()
    request = ask(
        prompt='{"0": "a --neg b", "4": "c"}',
        settings={
            "strength": "0:(0.75), 7:(0.4)",
            "cfg": "0:(t)",
            "steps": "0:(10), 7:(17)",
            "seed_iter_N": 2,
        },
    )
    film(request, painter)
    calls = painter.calls
    assert [call["prompt"] for call in calls] == ["a"] * 3 + ["c"] * 4
    assert [call["negative"] for call in calls] == ["b"] * 3 + [""] * 4
    assert [call["strength"] for call in calls] == pytest.approx([0.25 + 0.05 * t for t in range(1, 8)])
    assert [call["guidance"] for call in calls] == list(range(1, 8))
    assert [call["steps"] for call in calls] == list(range(11, 18))
    assert [call["seed"] for call in calls] == [7, 8, 8, 9, 9, 10, 10]


def test_words_for_all_prompts_are_added_to_one_that_was_asked_for(ask):
    words = {"animation_prompts_positive": "oil paint", "animation_prompts_negative": "text"}
    plan = plan_keyframes(ask(prompt="a wave --neg a dog", settings=words))
    assert (plan.prompts[0], plan.negatives[0]) == ("a wave, oil paint", "a dog, text")


def test_a_frame_is_warped_matched_contrasted_and_made_noisy_in_this_order(ask, image):
    painter = Painter()
    settings = {"zoom": "0:(1.1)", "contrast": "0:(1.2)", "noise": "0:(0.1)", "color_coherence": "RGB"}
    request = ask(settings=settings)
    frames = film(request, painter)
    plan = plan_keyframes(request)
    moved = warp_sheet(frames[4], sheet_motions(dict(plan.values), WIDTH, HEIGHT)[5], "replicate")
    matched = scale_contrast(match_colours(moved, picture(image), "RGB"), 1.2)
    assert np.array_equal(painter.calls[4]["frame"], add_noise(matched, 0.1, "perlin", (7, 5)))


def test_without_a_picture_the_model_draws_the_first_frame_from_nothing(ask):
    painter = Painter()
    frames = film(ask(image=None, width=64, height=64), painter)
    assert painter.calls[0]["strength"] == 1
    assert np.all(painter.calls[0]["frame"] == 128)
    assert frames[0].std() > 20


def test_each_conditioning_matters(ask):
    variants = {
        "plain": {},
        "prompt": {"prompt": "a dog"},
        "negative": {"prompt": "a wave --neg a dog"},
        "seed": {"seed": 8},
        "zoom": {"settings": {"zoom": "0:(1.2)"}},
        "strength": {"settings": {"strength": "0:(0.2)"}},
        "noise": {"settings": {"noise": "0:(0.3)"}},
        "gaussian": {"settings": {"noise_type": "uniform"}},
        "coherence": {"settings": {"color_coherence": "None"}},
        "border": {"settings": {"border": "wrap", "zoom": "0:(0.9)"}},
        "cadence": {"settings": {"diffusion_cadence": 3}},
        "flip": {"settings": {"enable_perspective_flip": True, "perspective_flip_phi": "0:(3)"}},
        "3D": {"mode": "3D"},
        "pan": {"mode": "3D", "settings": {"rotation_3d_y": "0:(2)"}},
        "fov": {"mode": "3D", "settings": {"fov": "0:(30), 7:(60)"}},
    }
    films = {name: film(ask(name, **changes)) for name, changes in variants.items()}
    for one, other in itertools.combinations(films, 2):
        assert not np.array_equal(films[one], films[other]), (one, other)
    switched_off = ask("off", settings={"perspective_flip_phi": "0:(3)"})
    assert np.array_equal(film(switched_off), films["plain"])


def test_between_redrawn_frames_pictures_are_carried_and_faded(ask):
    painter = Painter()
    request = ask(
        settings={"diffusion_cadence": 3, "translation_x": "0:(4)", "zoom": "0:(1)", "border": "wrap"}
    )
    frames = film(request, painter).astype(float)
    assert len(painter.calls) == 2  # frames 3 and 6; the first is given
    # The picture of frame 3 fades in over frames 3, 4 and 5, over the first, moved by 4 pixels a frame.
    first = np.roll(frames[0], 20, 1)
    at_third = np.roll(frames[5], -8, 1)
    assert np.abs(frames[3] - (2 * np.roll(frames[0], 12, 1) + at_third) / 3).max() <= 0.51
    assert np.abs(frames[4] - (np.roll(frames[0], 16, 1) + 2 * np.roll(at_third, 4, 1)) / 3).max() <= 0.51
    assert np.abs(frames[5] - first).mean() > 5


def test_full_strength_leaves_a_frame_as_it_is(ask):
    painter = Painter()
    film(ask(settings={"strength": "0:(where(t%2 == 0, 1, 0.5))"}), painter)
    assert len(painter.calls) == 4
    film(ask("tiny", settings={"strength": "0:(0.999)", "steps": "10"}), painter)
    assert painter.calls[-1]["strength"] * 10 >= 1  # at least one step


@pytest.mark.parametrize("stop_at", range(1, 8))
@pytest.mark.parametrize(
    "settings",
    [
        {"diffusion_cadence": 3, "angle": "0:(2)", "pulse": "0:(1+t/50)"},
        {"animation_mode": "3D", "translation_z": "0:(9)"},
    ],
)
def test_a_run_that_was_cut_off_goes_on_to_the_same_film(ask, stop_at, settings):
    straight_painter, first, second = Painter(), Painter(), Painter()
    straight = film(ask("straight", settings=settings), straight_painter)
    cut = ask("cut", settings=settings)
    for _ in itertools.islice(generate_keyframes(cut, redraw=first), stop_at):
        pass
    assert np.array_equal(film(cut, second), straight)
    assert len(first.calls) + len(second.calls) == len(straight_painter.calls)
    kept = sorted(path.name for path in frames_folder(cut.out).glob("*.png"))
    assert kept == [f"{frame:05d}.png" for frame in range(8)]


def test_a_stop_inside_the_model_loses_one_frame(ask):
    class Stopping(Painter):
        def __call__(self, *arguments):
            if len(self.calls) == 3:
                raise KeyboardInterrupt
            return super().__call__(*arguments)

    request = ask()
    with pytest.raises(KeyboardInterrupt):
        film(request, Stopping())
    assert not list(frames_folder(request.out).rglob("*.part"))
    rest = Painter()
    assert np.array_equal(film(request, rest), film(ask("straight")))
    assert len(rest.calls) == 4


def test_a_changed_request_starts_anew_and_strangers_files_stay(ask):
    film(ask())
    painter = Painter()
    assert np.array_equal(film(ask(seed=9), painter), film(ask("other", seed=9)))
    assert len(painter.calls) == 7
    folder = frames_folder(ask("mine").out)
    folder.mkdir()
    (folder / "00000.png").write_text("mine")
    with pytest.raises(GenerateError, match="holds something else"):
        film(ask("mine"))
    assert (folder / "00000.png").read_text() == "mine"


def test_another_sound_makes_another_film(ask):
    request = ask(settings={"zoom": "0:(1+0.1*bass)"})
    plans = [plan_keyframes(request, {"bass": np.full(8, level)}) for level in (0.2, 0.2, 0.3)]
    assert plans[0].fingerprint() == plans[1].fingerprint() != plans[2].fingerprint()


def test_depth_makes_near_things_move_more(ask, monkeypatch):
    ramp = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    monkeypatch.setattr("gen.keyframes.drawing.closeness_from", lambda name: lambda picture: ramp)
    settings = {"translation_x": "0:(3)", "translation_z": "0:(0)"}
    flat = ask("flat", settings=settings, model=None, mode="3D")
    deep = ask("deep", settings=settings, model=None, mode="3D", depth_model="some")
    assert any("flat wall" in note for note in plan_keyframes(flat).notes)
    assert not any("flat wall" in note for note in plan_keyframes(deep).notes)
    still, moved_flat, moved_deep = film(flat)[0], film(flat)[-1], film(deep)[-1]

    def change(frame: np.ndarray, columns: slice) -> float:
        return float(np.abs(frame[:, columns].astype(float) - still[:, columns]).mean())

    far, near = slice(0, 10), slice(-36, -12)
    assert change(moved_deep, far) < 0.5 * change(moved_flat, far)
    assert change(moved_deep, near) > 0.7 * change(moved_flat, near)


def test_a_video_is_redrawn_frame_by_frame(ask, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(6):
        frame = np.full((64, 64, 3), 40 * number, np.uint8)
        Image.fromarray(frame).save(folder / f"{number:03d}.png")
    fields: dict[str, Any] = {"image": None, "video": folder, "frames": None, "mode": "Video Input"}
    painter = Painter()
    settings = {"noise": "0:(0)", "color_coherence": "None", "extract_nth_frame": 2}
    frames = film(ask(settings=settings, **fields), painter)
    assert len(frames) == 3
    assert [int(call["frame"].mean()) for call in painter.calls] == [0, 80, 160]
    moved = film(ask("moved", **{**fields, "mode": "2D", "model": None}, settings={"zoom": "0:(1.5)"}))
    assert [int(frame.mean()) for frame in moved] == [0, 40, 80, 120, 160, 200]


def test_a_video_is_moved_by_all_motions_so_far(ask, image, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(3):
        Image.open(image).save(folder / f"{number}.png")
    settings = {"zoom": "0:(1)", "translation_x": "0:(5)", "border": "wrap"}
    frames = film(ask(settings=settings, image=None, video=folder, frames=None, model=None))
    for number, frame in enumerate(frames):
        assert np.array_equal(frame, np.roll(picture(image), 5 * number, 1))


def test_a_film_longer_than_its_video_says_that_it_starts_again(ask, image, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(3):
        Image.open(image).save(folder / f"{number}.png")
    notes = [plan_keyframes(ask(image=None, video=folder, frames=count)).notes for count in (3, 4)]
    assert ["starts again" in " ".join(said) for said in notes] == [False, True]


def test_progress_is_reported(ask):
    events = []
    list(generate_keyframes(ask(), redraw=Painter(), on_event=events.append))
    assert [event.frame for event in events if isinstance(event, FrameRendered)] == list(range(8))


@pytest.mark.parametrize(
    ("behavior", "seeds"),
    [
        ("iter", [7, 8, 9, 10]),
        ("fixed", [7] * 4),
        ("alternate", [7, 8, 7, 8]),
        ("ladder", [7, 9, 8, 10]),
        ("schedule", [7, 4, 7, 4]),
    ],
)
def test_seeds(ask, behavior, seeds):
    settings = {"seed_behavior": behavior, "seed_schedule": "0:(where(t%2 == 0, s, 4))"}
    assert list(plan_keyframes(ask(settings=settings)).seeds[:4]) == seeds


@pytest.mark.parametrize(
    ("behavior", "seeds"), [("iter", [8, 9, 10]), ("alternate", [8, 7, 8]), ("ladder", [9, 8, 10])]
)
def test_seeds_count_the_pictures_that_are_drawn(ask, behavior, seeds):
    painter = Painter()
    film(ask(settings={"seed_behavior": behavior, "diffusion_cadence": 2}), painter)
    assert [call["seed"] for call in painter.calls] == seeds  # of frames 2, 4 and 6; the first is given


def test_random_seeds_can_be_had_again(ask):
    plans = [plan_keyframes(ask(settings={"seed_behavior": "random"}, seed=seed)).seeds for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]
    assert len(set(plans[0])) == 8


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image": None, "model": None}, "nothing to start from: give a picture or a video"),
        ({"image": Path("none.png")}, "none.png.*is not there"),
        ({"mode": "Video Input"}, "redraws a video, but none was given"),
        ({"width": 90}, "width is 90 px, but a multiple of 8.*try 88"),
        ({"frames": 1}, "1 frames at 24 per second"),
        ({"frames": 0}, "0 frames at 24 per second"),
        ({"frames": -3, "image": None, "video": Path(__file__).parent, "mode": "2D"}, "-3 frames"),
        ({"fps": 0}, "8 frames at 0 per second"),
        ({"width": 0}, "width is 0 px"),
        ({"depth_model": "some"}, "depth model was given, but the mode is 2D.*choose 3D"),
        ({"settings": {"zoom": ["0:(1)"]}}, r'setting "zoom" is \["0:\(1\)"\].*0:\(1.0\), 30:'),
        ({"prompt": ""}, "no prompts"),
        ({"settings": {"zoom": "0:(0)"}}, "zoom schedule gives 0 at frame 0"),
        ({"settings": {"zoom": "0:(beat)"}}, 'zoom schedule has "beat"'),
        ({"settings": {"color_coherence": "Video Input"}}, "colours are to follow a video"),
    ],
)
def test_wrong_requests_are_a_sentence(ask, fields, message):
    with pytest.raises(GenerateError, match=message):
        plan_keyframes(ask(**fields))


def test_names_are_checked_at_once(ask):
    with pytest.raises(GenerateError, match=r'"zooom" is not a setting.*zoom'):
        ask(settings={"zooom": "0:(1)"})
    with pytest.raises(GenerateError, match="a picture and a video to start from, but"):
        ask(video=Path("clip.mp4"))
    with pytest.raises(GenerateError, match=r"must end in \.mp4"):
        KeyframesRequest(out=Path("film.avi"))


def test_a_model_that_draws_another_size_is_a_sentence(ask):
    with pytest.raises(GenerateError, match="drew 32x32 pixels, but 96x64 were asked for"):
        list(generate_keyframes(ask(), redraw=lambda *arguments: np.zeros((32, 32, 3), np.uint8)))

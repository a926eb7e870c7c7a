"""Reading prompts: which words are used, which are ignored, and what they ask for."""

import subprocess
import sys

import pytest

from gen import GenerateError, known_words
from gen.composer.prompt import MAX_OBJECTS, read_prompt


@pytest.mark.parametrize(
    ("prompt", "objects", "ignored"),
    [
        (
            "A red brick house with three pine trees and a small blue car",
            [
                ("house", 1, "red", "brick", None),
                ("pine", 3, None, None, None),
                ("car", 1, "blue", None, "small"),
            ],
            (),
        ),
        (
            "two big wooden boxes, a yellow ball bouncing and an astronaut",
            [("box", 2, None, "wood", "big"), ("ball", 1, "yellow", None, None)],
            ("bouncing", "astronaut"),
        ),
        (
            "a stone tower and 4 stones",
            [("tower", 1, None, "stone", None), ("rock", 4, None, None, None)],
            (),
        ),
        (
            "three red dragons, a house and a white blue ball",
            [("house", 1, None, None, None), ("ball", 1, "blue", None, None)],
            ("red", "dragons", "white"),
        ),
        ("a chair made of jelly, purple", [("chair", 1, None, None, None)], ("made", "jelly", "purple")),
        (
            "一座红色的砖房子和三棵松树",
            [("house", 1, "red", "brick", None), ("pine", 3, None, None, None)],
            (),
        ),
        ("两个小蓝球和宇航员", [("ball", 2, "blue", None, "small")], ("宇航员",)),
    ],
)
def test_objects_and_ignored_words(prompt, objects, ignored):
    scene = read_prompt(prompt)
    assert [(o.kind, o.count, o.color, o.material, o.size) for o in scene.objects] == objects
    assert scene.ignored == ignored
    assert not set(scene.ignored) & set(scene.used)


@pytest.mark.parametrize(
    ("prompt", "ground", "light", "camera"),
    [
        ("a tent in the snow at night, zoom in", "snow", "night", "dolly_in"),
        ("日落时沙漠里的一座塔，环绕", "desert", "sunset", "orbit"),
        ("a lamp on a checkered floor, pan left", "floor", "day", "truck_left"),
        ("a lamp", "grass", "day", "arc"),
    ],
)
def test_ground_light_and_camera(prompt, ground, light, camera):
    scene = read_prompt(prompt)
    assert (scene.ground, scene.light, scene.camera) == (ground, light, camera)


@pytest.mark.parametrize("prompt", ["an astronaut riding a horse", "", "  ", "red", "宇航员骑马", "???"])
def test_nothing_known_is_an_error_that_names_known_words(prompt):
    with pytest.raises(GenerateError, match=r"expected an object .*house.*: put one of these") as caught:
        read_prompt(prompt)
    message = str(caught.value)
    assert "\n" not in message
    if "horse" in prompt:
        assert "astronaut, riding, horse" in message


def test_a_place_without_objects_is_furnished_and_says_so():
    scene = read_prompt("a desert at sunset")
    assert {o.kind for o in scene.objects} == {"rock", "cactus"}
    assert "names no object" in scene.notes[0]


def test_too_many_objects_are_capped_and_it_says_so():
    scene = read_prompt("500 trees, 500 rocks and 500 balls")
    assert sum(o.count for o in scene.objects) == MAX_OBJECTS
    assert any("500" in note for note in scene.notes)


def test_every_listed_word_is_understood():
    words = known_words()
    for category in ("object", "ground", "light", "camera"):
        for word in words[category]:
            assert read_prompt(word).ignored == (), word
    for category in ("color", "material", "size", "number"):
        for word in words[category]:
            separator = " " if word.isascii() else ""
            scene = read_prompt(f"{word}{separator}{'robot' if word.isascii() else '机器人'}")
            assert scene.used[0] == word
            assert scene.objects[0].kind == "robot"


def test_importing_gen_loads_nothing_heavy():
    code = "import sys, gen; print([m for m in ('numba', 'numpy', 'av', 'torch') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"

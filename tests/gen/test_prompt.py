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
            ("astronaut",),
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
        ("a tent in the snow at night, zoom in", "snow", "night", "zoom_in"),
        ("日落时沙漠里的一座塔，环绕", "desert", "sunset", "orbit"),
        ("a lamp on a checkered floor, pan left", "floor", "day", "pan_left"),
        ("a lamp", "grass", "day", "arc"),
        ("早晨的房间，左移", "room", "morning", "truck_left"),
    ],
)
def test_ground_light_and_camera(prompt, ground, light, camera):
    scene = read_prompt(prompt)
    assert (scene.ground, scene.light, scene.camera) == (ground, light, camera)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a lamp on a table", ["lamp on table", "table"]),
        (
            "a ball under the table and two chairs beside the table",
            ["ball under table", "table", "chair beside table"],
        ),
        ("a table with a lamp on it and a cat next to it", ["table", "lamp on table", "cat beside table"]),
        ("On the table there is a cup", ["table", "cup on table"]),
        (
            "two cups, a vase and a book on a table",
            ["cup on table", "vase on table", "book on table", "table"],
        ),
        ("a house, a ball and a lamp on a table", ["house", "ball", "lamp on table", "table"]),
        ("a crate. A lamp on a table", ["box", "lamp on table", "table"]),
        ("a table and a crate. On the crate there is a cat", ["table", "box", "cat on box"]),
        (
            "a bus to the left of a tree, a dog in front of the bus",
            ["bus left tree", "tree", "dog front bus"],
        ),
        ("a tent on grass by night", ["tent"]),
        ("桌子上有一盏灯，桌子下面有一只猫", ["table", "lamp on table", "cat under table"]),
        ("雪人在房子旁边，一辆车在树后面", ["snowman beside house", "house", "car behind tree", "tree"]),
        ("房子前面的汽车", ["house", "car front house"]),
        ("一座红色房子，旁边有两棵松树", ["house", "pine beside house"]),
    ],
)
def test_relations_place_one_object_by_another(prompt, expected):
    scene = read_prompt(prompt)
    found = [
        o.kind if o.anchor is None else f"{o.kind} {o.relation} {scene.objects[o.anchor].kind}"
        for o in scene.objects
    ]
    assert found == expected
    assert scene.ignored == ()


def test_a_relation_to_something_unknown_is_listed_with_it():
    assert read_prompt("a cat behind an astronaut").ignored == ("behind", "astronaut")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a bouncing ball and a spinning windmill", [("ball", "bounce"), ("windmill", "spin")]),
        ("a house, a person walking, a dog running", [("house", None), ("person", "walk"), ("dog", "run")]),
        ("a ball on a table bouncing", [("ball", "bounce"), ("table", None)]),
        ("a car is driving in front of a church", [("car", "drive"), ("church", None)]),
        ("房子前面有一辆红色的车在行驶", [("house", None), ("car", "drive")]),
        ("一个弹跳的球和旋转的风车", [("ball", "bounce"), ("windmill", "spin")]),
        ("红球在桌子上弹跳", [("ball", "bounce"), ("table", None)]),
    ],
)
def test_verbs_move_the_noun_they_belong_to(prompt, expected):
    scene = read_prompt(prompt)
    assert [(o.kind, o.motion) for o in scene.objects] == expected
    assert scene.ignored == ()


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
    for category in ("color", "material", "size", "number", "motion"):
        for word in words[category]:
            separator = " " if word.isascii() else ""
            scene = read_prompt(f"{word}{separator}{'robot' if word.isascii() else '机器人'}")
            assert scene.used[0] == word
            assert scene.objects[0].kind == "robot"


def test_importing_gen_loads_nothing_heavy():
    code = "import sys, gen; print([m for m in ('numba', 'numpy', 'av', 'torch') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"

"""Numbers of frames, sizes, and what fits into memory."""

from __future__ import annotations

from typing import Any

import pytest

from gen.errors import GenerateError
from gen.models.catalogue import CATALOGUE
from gen.models.memory import choose_offload, component_bytes, network_bytes
from gen.models.spec import FrameRule, fills_chunks
from gen.video_request import Memory

GIB = 2**30
RULES = (*{spec.rule for spec in CATALOGUE}, FrameRule(7, 3, 1, 50))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_nearest_number_of_frames(rule):
    possible = [n for n in range(rule.lo, rule.hi + 1) if rule.allows(n)]
    for wanted in range(1, 240):
        found = rule.fit(wanted)
        assert found in possible
        assert abs(found - wanted) == min(abs(n - wanted) for n in possible)
        filling = rule.fit_chunks(wanted)
        assert filling in possible
        assert filling == found or (fills_chunks(filling) and abs(filling - wanted) <= 4)


@pytest.mark.parametrize("spec", CATALOGUE, ids=lambda spec: spec.name)
def test_the_nearest_size(spec):
    for side in range(1, 300, 7):
        width, height = spec.size(side, 2 * side)
        assert width % spec.multiple == height % spec.multiple == 0
        assert width > 0
        assert abs(width - side) <= spec.multiple / 2 or width == spec.multiple


def offload(sizes: dict[str, int], free: float, host: float = 1000 * GIB, **memory: Any) -> str:
    device = memory.pop("device", "cuda")
    return choose_offload(sizes, Memory(**memory), device=device, free=free, host_free=host, name="a model")


def test_offloading_begins_where_the_weights_end():
    sizes = {"transformer": 8 * GIB, "text_encoder": 4 * GIB, "vae": GIB // 2}
    chosen = [offload(sizes, free * GIB) for free in (1, 4, 9, 11, 15, 16, 80)]
    assert chosen == ["group", "group", "group", "model", "model", "none", "none"]
    assert offload(sizes, 1 * GIB, offload="model") == "model"
    assert offload(sizes, 80 * GIB, offload="group") == "group"
    with pytest.raises(GenerateError, match=r"needs about 16.8 GB of GPU memory, but 8.6 GB are free"):
        offload(sizes, 8 * GIB, offload="none")
    with pytest.raises(GenerateError, match="of memory"):
        offload(sizes, 1 * GIB, host=6 * GIB)
    with pytest.raises(GenerateError, match="of memory"):
        offload(sizes, 80 * GIB, host=6 * GIB, device="cpu")


def test_quantising_shrinks_the_networks_and_not_the_text_encoder():
    sizes = {"transformer": 20 * GIB, "text_encoder": 10 * GIB}
    assert offload(sizes, 13 * GIB) == "group"
    assert offload(sizes, 13 * GIB, quantise="nf4") == "model"
    assert offload(sizes, 12 * GIB, quantise="nf4") == "group"  # for the text encoder's sake
    assert offload(sizes, 21 * GIB, quantise="nf4") == "none"
    experts = {"transformer": 20 * GIB, "transformer_2": 20 * GIB}
    assert offload(experts, 16 * GIB, quantise="nf4") == "none"


@pytest.mark.parametrize("name", ["wan-2.2-a14b", "ltx-0.9.5", "sd-1.5"])
def test_bytes_of_components_are_those_of_their_weights(tiny, name):
    from diffusers import DiffusionPipeline

    folder = tiny.folder(tiny.spec(name).repo)
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    counted = {
        part: sum({value.data_ptr(): value.numel() for value in network.state_dict().values()}.values())
        for part, network in pipeline.components.items()
        if hasattr(network, "state_dict") and hasattr(network, "parameters")
    }
    assert component_bytes(folder, "float32") == {part: 4 * count for part, count in counted.items()}
    mixed = component_bytes(folder, "bfloat16", ("vae",))
    assert mixed == {part: count * (4 if part == "vae" else 2) for part, count in counted.items()}


def test_bytes_of_a_part_are_those_of_its_weights(tiny):
    from diffusers import MotionAdapter

    folder = tiny.folder("guoyww/animatediff-motion-adapter-v1-5-2")
    weights = MotionAdapter.from_pretrained(folder).state_dict()
    assert network_bytes(folder, "float16") == 2 * sum(value.numel() for value in weights.values())

"""Fixtures for tests that run models: tiny ones, where the packages for them are installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gen.models import find

if TYPE_CHECKING:
    from tiny_models import TinyModels

PACKAGES = ("diffusers", "transformers", "accelerate", "peft", "ftfy")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    for package in PACKAGES:
        pytest.importorskip(package)
    from tiny_models import TinyModels

    return TinyModels(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def tiny(tiny_folder: TinyModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyModels]:
    """Tiny models under the names of the catalogue, and no others."""
    import torch

    threads = torch.get_num_threads()
    # Networks this small spend their time on handing work from thread to thread.
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPLATREEL_MODELS", str(tiny_folder.root))
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.delenv("HF_HUB_CACHE", raising=False)
        # Models for pictures draw in their own size, which takes minutes here.
        small = {"width": 64, "height": 64, "steps": 2}
        known = [replace(spec, **small) if "picture" in spec.tasks else spec for spec in find.CATALOGUE]
        patch.setattr(find, "CATALOGUE", tuple(known))
        yield tiny_folder
    torch.set_num_threads(threads)

"""Video models through diffusers: what there is, finding the weights, loading, running."""

from gen.models.find import ModelRow, find_model, models
from gen.models.spec import FrameRule, Lora, ModelSpec, Part, Task

__all__ = ["FrameRule", "Lora", "ModelRow", "ModelSpec", "Part", "Task", "find_model", "models"]

"""A short prompt becomes the long, concrete caption that video models were trained on.

Recaptioning with a language model follows Betker et al., "Improving image generation with better captions",
2023 (DALL-E 3), as Sora does; without a model, rules add what is always worth saying. What helps a
reconstruction is a frozen scene and a camera that moves slowly and steadily around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gen.errors import GenerateError

Language = Literal["en", "zh"]

MAX_PROMPT = 2000
"""Characters; text encoders of video models read a quarter of it."""
NEW_TOKENS = 220
TEMPERATURE = 0.7

INSTRUCTIONS: dict[Language, str] = {
    "en": "Rewrite the user's prompt as one detailed caption of a short video, in English, 60 to 100 words. "
    "Keep every object, number, colour and action. Say what it looks like: shapes, materials, surroundings, "
    "light, and how the camera moves. Answer with the caption only.",
    "zh": "把用户的提示词改写成一段短视频的详细描述，用中文，80到120字。保留所有物体、数量、颜色和动作，"
    "写清形状、材质、环境、光线和镜头运动。只回答描述本身。",
}
STILLNESS: dict[Language, str] = {
    "en": " Nothing moves: no people, animals, water, smoke or fire that are not in the prompt.",
    "zh": "画面中没有任何运动；不要加入提示词以外的人、动物、水、烟或火。",
}
CAMERA: dict[Language, str] = {
    "en": "one continuous shot, the camera moves slowly and steadily",
    "zh": "一镜到底，镜头缓慢平稳地移动",
}
ORBIT: dict[Language, str] = {
    "en": "one continuous shot, the camera orbits slowly around the subject at constant speed",
    "zh": "一镜到底，镜头匀速缓慢地环绕主体",
}
LOOKS: dict[Language, str] = {
    "en": "natural light, rich texture, sharp detail",
    "zh": "自然光线，丰富的纹理，清晰的细节",
}
CONSISTENCY: dict[Language, str] = {
    "en": "static scene, a frozen moment, nothing moves, fixed focal length, deep focus, even soft light, "
    "no motion blur, no film grain, rich texture, the same shapes from every side",
    "zh": "静态场景，时间静止，没有任何物体运动，固定焦距，大景深，均匀柔和的光线，无运动模糊，无胶片颗粒，"
    "丰富的纹理，从各个角度看形状一致",
}
NEGATIVE: dict[Language, str] = {
    "en": "low quality, blurry, distorted, text, watermark",
    "zh": "低质量，模糊，变形，文字，水印",
}
NEGATIVE_FOR_RECONSTRUCTION: dict[Language, str] = {
    "en": "moving objects, morphing, cuts, zoom, handheld shake, flicker, text, watermark, bokeh, lens "
    "flare, fog, reflections",
    "zh": "移动的物体，变形，切镜，变焦，手持抖动，闪烁，文字，水印，虚化，镜头光晕，雾，反光",
}
_CAMERA_WORDS = re.compile(
    r"\b(camera|orbit(s|ing)?|dolly|zoom\w*|(tracking|drone|aerial|continuous) shot|fly.?through"
    r"|(pan|tilt|crane|truck)(s|ning|ing)? (left|right|up|down|across|over|around))\b"
    r"|镜头|环绕|推近|拉远|推进|航拍|运镜",
    re.IGNORECASE,
)
_THOUGHTS = re.compile(r"<think>.*?(</think>|$)", re.DOTALL)


@dataclass(frozen=True)
class Recaption:
    """A prompt for a video model, and where it comes from."""

    prompt: str
    """As the user wrote it."""
    text: str
    """What the video model gets."""
    negative: str
    """What it is to avoid."""
    by: str
    """The language model's name, or "rules"."""
    note: str
    """How it was made, in a sentence, for the user."""
    licence: str | None = None
    """Of the language model, if its folder says."""


def recaption(
    prompt: str, model: str | None = None, *, for_reconstruction: bool = False, seed: int = 0
) -> Recaption:
    """A detailed caption of a prompt in its own language, English or Chinese.

    `model` is a chat model of transformers on this machine, by folder or name; with "rules" or None the
    wording comes from rules, and `note` says so. The same seed gives the same caption. Raises `GenerateError`
    for an empty or endless prompt and for a model that cannot be loaded.
    """
    prompt = " ".join(prompt.split())
    if not 0 < len(prompt) <= MAX_PROMPT:
        raise GenerateError(
            f"The prompt has {len(prompt)} characters, but 1 to {MAX_PROMPT} were expected: say in a "
            f"sentence what is to be seen."
        )
    language: Language = "zh" if re.search(r"[\u4e00-\u9fff]", prompt) else "en"
    negative = (NEGATIVE_FOR_RECONSTRUCTION if for_reconstruction else NEGATIVE)[language]
    if model in (None, "rules"):
        text = _by_rules(prompt, language, for_reconstruction)
        note = "The caption comes from rules, not from a language model: camera and consistency were added."
        return Recaption(prompt, text, negative, "rules", note)
    instruction = INSTRUCTIONS[language] + (STILLNESS[language] if for_reconstruction else "")
    answer, licence = _ask(model, instruction, prompt, seed)
    if not answer:
        text = _by_rules(prompt, language, for_reconstruction)
        note = f'The language model "{model}" gave no answer, so the caption comes from rules.'
        return Recaption(prompt, text, negative, "rules", note, licence)
    # A language model may forget what a reconstruction cannot do without.
    text = _joined([answer, CONSISTENCY[language]], language) if for_reconstruction else answer
    note = f'The caption comes from the language model "{model}" ({licence or "its licence is not stated"}).'
    return Recaption(prompt, text, negative, model, note, licence)


def _by_rules(prompt: str, language: Language, for_reconstruction: bool) -> str:
    parts = [prompt]
    if not _CAMERA_WORDS.search(prompt):
        parts.append((ORBIT if for_reconstruction else CAMERA)[language])
    parts.append((CONSISTENCY if for_reconstruction else LOOKS)[language])
    return _joined(parts, language)


def _joined(parts: list[str], language: Language) -> str:
    comma, stop = ("，", "。") if language == "zh" else (", ", ".")
    return comma.join(part.rstrip(" .。,，") for part in parts) + stop


def _ask(name: str, instruction: str, prompt: str, seed: int) -> tuple[str, str | None]:
    """A language model's answer, and the licence in its folder."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise GenerateError(
            "A language model needs transformers, which is not installed: run pip install '.[gen]' in "
            "a checkout."
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            name, local_files_only=True, use_safetensors=True, dtype="auto"
        )
    except (OSError, ValueError, KeyError) as error:
        raise GenerateError(
            f'The language model "{name}" could not be loaded ({str(error).splitlines()[0]}): give the '
            f'folder with its files, or fetch them first, as in "hf download {name}".'
        ) from error
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    inputs = tokenizer(_conversation(tokenizer, instruction, prompt), return_tensors="pt").to(model.device)
    ends = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        tokens = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=NEW_TOKENS,
            do_sample=True,
            temperature=TEMPERATURE,
            pad_token_id=ends,
        )
    answer = tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return _tidied(answer), _licence(name)


def _conversation(tokenizer: Any, instruction: str, prompt: str) -> str:
    if not tokenizer.chat_template:
        return f"{instruction}\n\nPrompt: {prompt}\nCaption:"
    messages = [{"role": "system", "content": instruction}, {"role": "user", "content": prompt}]
    # Thinking models would spend all their tokens before the caption.
    return tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )


def _tidied(answer: str) -> str:
    """One line without thoughts, quotes and characters that are none."""
    text = _THOUGHTS.sub("", answer).replace("\ufffd", "")
    text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split()).strip("\"'“”")[:MAX_PROMPT].strip()


def _licence(name: str) -> str | None:
    """The licence in the header of a model card, if the model is a folder that has one."""
    try:
        card = (Path(name) / "README.md").read_text(encoding="utf-8")
    except OSError:
        return None
    header = re.match(r"---\n(.*?)\n---", card, re.DOTALL)
    found = re.search(r"^license(?:_name)?:\s*(\S+)\s*$", header[1], re.MULTILINE) if header else None
    return found[1] if found else None

"""Recaptioning: the words of the prompt stay, camera and stillness are added, a model may write it."""

from pathlib import Path

import pytest

from gen.errors import GenerateError
from gen.recaption import CONSISTENCY, recaption

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


@pytest.fixture(scope="session")
def tiny_language_model(tmp_path_factory) -> Path:
    """A random chat model over bytes, built without a network."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate([*letters, "<end>"])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    fast.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(letters) + 1,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        eos_token_id=len(letters),
        bos_token_id=None,
        max_position_embeddings=2048,
        initializer_range=0.5,  # Strong enough for a word to change what follows.
    )
    folder = tmp_path_factory.mktemp("language_model")
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# Tiny\n")
    return folder


@pytest.mark.parametrize(
    ("prompt", "orbit", "still"),
    [("a red chair", "orbits slowly", "nothing moves"), ("一把红色的椅子", "环绕主体", "没有任何物体运动")],
)
def test_rules_keep_the_prompt_and_add_camera_and_stillness_in_its_language(prompt, orbit, still):
    made = recaption(prompt, for_reconstruction=True)
    assert made.text.startswith(prompt)
    assert orbit in made.text
    assert still in made.text
    assert made.negative.isascii() == prompt.isascii()
    assert made.by == "rules"
    assert "not from a language model" in made.note


def test_without_reconstruction_things_may_move():
    made = recaption("a dog runs on a beach.")
    assert made.text.startswith("a dog runs on a beach, ")
    assert "nothing moves" not in made.text
    assert made.negative != recaption("a dog", for_reconstruction=True).negative


@pytest.mark.parametrize("prompt", ["a house, the camera pans left", "dolly in on a house", "航拍一座房子"])
def test_a_camera_in_the_prompt_is_left_alone(prompt):
    text = recaption(prompt, for_reconstruction=True).text
    assert "orbit" not in text
    assert "环绕" not in text


@pytest.mark.parametrize("prompt", ["a frying pan", "a crane on a lake", "a shot glass"])
def test_words_with_another_meaning_are_no_camera(prompt):
    assert "camera" in recaption(prompt).text


@pytest.fixture(autouse=True)
def _short_answers(monkeypatch):
    monkeypatch.setattr("gen.recaption.NEW_TOKENS", 24)


def test_a_language_model_writes_it_the_same_for_the_same_seed(tiny_language_model):
    first = recaption("a red chair", str(tiny_language_model), seed=3)
    assert first.text
    assert first == recaption("a red chair", str(tiny_language_model), seed=3)
    assert first.text != recaption("a red chair", str(tiny_language_model), seed=4).text
    assert first.text != recaption("a blue chair", str(tiny_language_model), seed=3).text
    assert first.by == str(tiny_language_model)
    assert first.licence == "apache-2.0"
    assert "apache-2.0" in first.note


def test_what_a_reconstruction_needs_is_said_whatever_the_model_writes(tiny_language_model):
    made = recaption("椅子", str(tiny_language_model), for_reconstruction=True)
    assert CONSISTENCY["zh"] in made.text


def test_the_callers_random_numbers_are_left_alone(tiny_language_model):
    import torch

    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    recaption("a chair", str(tiny_language_model))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("prompt", "model", "message"),
    [
        ("  ", None, "prompt has 0 characters.*say in a sentence"),
        ("a" * 3000, None, "prompt has 3000 characters"),
        ("a chair", "/nowhere/model", 'language model "/nowhere/model" could not be loaded.*hf download'),
    ],
)
def test_bad_input_is_a_sentence(prompt, model, message):
    with pytest.raises(GenerateError, match=message) as error:
        recaption(prompt, model)
    assert "\n" not in str(error.value)

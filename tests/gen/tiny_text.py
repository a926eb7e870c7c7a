"""Encoders of words and pictures with random weights, and tokenizers without a vocabulary to fetch."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)


def liven(network: torch.nn.Module, seed: int = 0, gain: float | None = None) -> Any:
    """Draw all weights so that what goes in comes out at about its size; `gain` is for layers that divide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if value.ndim >= 2:
                spread = gain or value[0].numel() ** -0.5
                value.copy_(torch.randn(value.shape, generator=generator) * spread)
            elif not name.endswith("weight"):  # Those of one dimension are norms, which stay at 1.
                value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
    return network.eval()


def clip_tokenizer() -> CLIPTokenizer:
    """One token for each byte: any text in any script."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])
    tokenizer.model_max_length = 77
    return tokenizer


def t5_tokenizer(longest: int = 64) -> T5TokenizerFast:
    """One token for each printable ASCII character."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocabulary += [(chr(code), -3.0) for code in range(33, 127)]
    vocabulary += [(f"<extra_id_{n}>", 0.0) for n in range(99, -1, -1)]
    tokenizer = T5TokenizerFast(vocab=vocabulary)
    tokenizer.model_max_length = longest
    return tokenizer


def gemma_tokenizer() -> GemmaTokenizer:
    """Printable ASCII, and bytes for the rest."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    tokens += [chr(code) for code in range(33, 127)]
    return GemmaTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])


def clip_text(projected: bool = False, seed: int = 0) -> dict[str, Any]:
    """A text encoder and its tokenizer."""
    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
        projection_dim=8,
    )
    network = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    return {"text_encoder": liven(network, seed), "tokenizer": tokenizer}


def t5_text(longest: int = 64, multilingual: bool = False) -> dict[str, Any]:
    tokenizer = t5_tokenizer(longest)
    settings = dict(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=37,
        num_layers=1,
        num_heads=4,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        feed_forward_proj="gated-gelu",
    )
    network = (
        UMT5EncoderModel(UMT5Config(**settings)) if multilingual else T5EncoderModel(T5Config(**settings))
    )
    return {"text_encoder": liven(network), "tokenizer": tokenizer}


def clip_vision(
    width: int, size: int, patch: int, heads: int = 2, projected: bool = False
) -> tuple[Any, CLIPImageProcessor]:
    config = CLIPVisionConfig(
        hidden_size=width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=heads,
        image_size=size,
        intermediate_size=16,
        patch_size=patch,
    )
    network = (CLIPVisionModelWithProjection if projected else CLIPVisionModel)(config)
    processor = CLIPImageProcessor(crop_size={"height": size, "width": size}, size={"shortest_edge": size})
    return liven(network), processor

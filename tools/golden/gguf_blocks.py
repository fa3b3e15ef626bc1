"""Random blocks of every GGUF type and what the gguf package makes of them: gguf-blocks/blocks.json and values.safetensors.

blocks.json gives a type's number in GGUF files, its block size in elements, its block's bytes and NUM_BLOCKS blocks in hexadecimal;
values.safetensors has the same blocks as fp32, [NUM_BLOCKS, block size]. Types without blocks are shown in rows of ROW elements.
Bytes are uniformly random, so every bit of a format counts; only what would give an infinity or a NaN is drawn again.
"""
import os
from importlib.metadata import version

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from safetensors.torch import save_file

from weights import write_json

TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K")
HALF_OFFSETS = {"Q8_0": (0,), "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Where in a block its fp16 scale, and minimum if there is one, lie: the bytes that must stay finite."""

NUM_BLOCKS = 8
ROW = 32
SEED = 5


def type_of(name: str) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType[name]


def set_halves(blocks: np.ndarray, name: str, halves: list[np.ndarray]) -> None:
    """Overwrites the scales (and minima) of blocks [count, bytes] with fp16 values, one array [count] for each."""
    for offset, values in zip(HALF_OFFSETS[name], halves, strict=True):
        blocks[:, offset : offset + 2] = values.astype(np.float16).view(np.uint8).reshape(-1, 2)


def finite_halves(random: np.random.Generator, count: int) -> np.ndarray:
    """Any finite fp16 values, subnormal and negative ones among them."""
    bits = random.integers(0, 1 << 16, count, dtype=np.uint16)
    return np.where(bits & 0x7C00 == 0x7C00, bits ^ 0x4000, bits).astype(np.uint16).view(np.float16)


def plain_values(random: np.random.Generator, name: str, count: int) -> np.ndarray:
    """Random bit patterns of a type without blocks, exponents of all ones left out, as bytes: [count / ROW, bytes]."""
    width, exponent = {"F32": (32, 0x7F800000), "F16": (16, 0x7C00), "BF16": (16, 0x7F80)}[name]
    bits = random.integers(0, 1 << width, count, dtype=np.uint64)
    bits = np.where(bits & exponent == exponent, bits ^ (exponent & -exponent), bits)
    return bits.astype(np.uint32 if width == 32 else np.uint16).view(np.uint8).reshape(count // ROW, -1)


def random_blocks(random: np.random.Generator, name: str) -> np.ndarray:
    if name not in HALF_OFFSETS:
        return plain_values(random, name, NUM_BLOCKS * ROW)
    blocks = random.integers(0, 256, (NUM_BLOCKS, gguf.GGML_QUANT_SIZES[type_of(name)][1]), dtype=np.uint8)
    set_halves(blocks, name, [finite_halves(random, NUM_BLOCKS) for _ in HALF_OFFSETS[name]])
    return blocks


def make_gguf_blocks(directory: str) -> str:
    random = np.random.default_rng(SEED)
    described, values = {}, {}
    for name in TYPES:
        blocks = random_blocks(random, name)
        block_size, block_bytes = gguf.GGML_QUANT_SIZES[type_of(name)]
        described[name] = {
            "type": int(type_of(name)),
            "block_size": block_size,
            "block_bytes": block_bytes,
            "blocks": [block.tobytes().hex() for block in blocks],
        }
        typed = {"F32": np.float32, "F16": np.float16}.get(name, np.uint8)
        floats = dequantize(blocks.view(typed), type_of(name)).astype(np.float32)
        if not np.isfinite(floats).all():
            raise ValueError(f"{name}: not finite")
        values[name] = torch.from_numpy(floats)
    os.makedirs(directory, exist_ok=True)
    about = {"format": "switchyard-gguf-blocks", "version": 1, "generator": "tools/golden/make.py", "made_by": f"gguf {version('gguf')}"}
    write_json(f"{directory}/blocks.json", {**about, "types": described})
    save_file(values, f"{directory}/values.safetensors", {"format": "pt"})
    return f"{len(TYPES)} types, {NUM_BLOCKS} blocks each"

"""Writes small .gguf files with mixed quantisation, in llama.cpp's names and layout, and goldens by transformers on the same weights.

The golden's weights are what the gguf package dequantises the file's bytes to, brought back to Hugging Face's names and order.
"""
import itertools
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import gguf
import numpy as np
import torch
from gguf.quants import dequantize, quantize

from gguf_blocks import HALF_OFFSETS, set_halves, type_of
from gguf_kinds import KINDS, GgufKind
from gguf_tokenizer import add_tokenizer
from golden import GoldenMaker
from quantise import SCHEMES
from variant import Variant
from weights import make_weights, write_checkpoint

Arrays = dict[str, np.ndarray]
WIDE_TYPES = ("Q4_K", "Q6_K", "Q5_K")
"""In turn, for rows of whole blocks of 256; the package cannot quantise to them, so their bytes are random and their scales fitted."""

NARROW_TYPES = ("Q8_0", "Q5_0", "Q4_1", "F16", "Q5_1", "Q4_0", "BF16")
"""In turn, for rows of whole blocks of 32."""

PLAIN_TYPES = ("F16", "F32", "BF16")
"""In turn, for other rows."""


@dataclass(frozen=True)
class Packed:
    """A tensor of the file and the checkpoint's tensors it holds; `unpack` brings its values back to them."""

    name: str
    values: np.ndarray
    unpack: Callable[[np.ndarray], Arrays]


def interleave(rows: np.ndarray, num_heads: int) -> np.ndarray:
    """llama.cpp's order of q and k: the two halves of a head's rows take turns."""
    return rows.reshape(num_heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def deinterleave(rows: np.ndarray, num_heads: int) -> np.ndarray:
    return rows.reshape(num_heads, -1, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def pack_experts(weights: Arrays, prefix: str, part: str, name: str) -> Packed:
    """All experts' matrices of one kind as [experts, out, in]."""
    names = [n for n in weights if n.startswith(f"{prefix}experts.") and n.endswith(f".{part}.weight")]
    return Packed(name, np.stack([weights[n] for n in names]), lambda values: dict(zip(names, values, strict=True)))


def pack_layer_experts(kind: GgufKind, weights: Arrays, prefix: str, part: str, name: str) -> Iterator[Packed]:
    """blk.N.ffn_gate_exps.weight, or cut into blk.N.ffn_gate.E.weight."""
    merged = pack_experts(weights, prefix, part, name)
    if not kind.split_experts:
        yield merged
        return
    for expert, (stored, value) in enumerate(merged.unpack(merged.values).items()):
        yield Packed(name.replace("_exps", f".{expert}"), value, lambda v, n=stored: {n: v})


def pack_kv_b(name: str, value: np.ndarray, config: dict, block: str) -> Iterator[Packed]:
    """kv_b_proj as attn_k_b [heads, latent, nope] and attn_v_b [heads, value, latent]; each unpacks its own half, joined by the caller."""
    heads, nope = config["num_attention_heads"], config["qk_nope_head_dim"]
    per_head = value.reshape(heads, -1, value.shape[1])
    yield Packed(f"{block}.attn_k_b.weight", per_head[:, :nope].swapaxes(1, 2), lambda k: {f"{name}:k": k.swapaxes(1, 2)})
    yield Packed(f"{block}.attn_v_b.weight", per_head[:, nope:], lambda v: {f"{name}:v": v})


def join_kv_b(weights: Arrays) -> Arrays:
    joined = {n: v for n, v in weights.items() if not n.endswith((":k", ":v"))}
    for name in (n.removesuffix(":k") for n in weights if n.endswith(":k")):
        halves = np.concatenate((weights[f"{name}:k"], weights[f"{name}:v"]), 1)
        joined[name] = halves.reshape(-1, halves.shape[-1])
    return joined


def num_blocks(config: dict) -> int:
    return config["num_hidden_layers"] + config.get("num_nextn_predict_layers", 0)


def main_copies(config: dict) -> dict[str, str]:
    """Tensors of MTP layers that are copies, and what they are copies of."""
    layers = range(config["num_hidden_layers"], num_blocks(config))
    embeddings = {f"model.layers.{layer}.embed_tokens.weight": "model.embed_tokens.weight" for layer in layers}
    return embeddings | {f"model.layers.{layer}.shared_head.head.weight": "lm_head.weight" for layer in layers}


def pack(kind: GgufKind, weights: Arrays) -> Iterator[Packed]:
    """The tensors of a .gguf file in the checkpoint's order."""
    names = gguf.get_tensor_name_map(kind.arch, num_blocks(kind.config))
    for name, value in weights.items():
        stem, _, ending = name.rpartition(".")
        if not kind.copies and name in main_copies(kind.config):
            continue
        if ".experts." in name:
            prefix, _, rest = name.partition("experts.")
            expert, part, _ = rest.split(".")
            if expert == "0":
                yield from pack_layer_experts(kind, weights, prefix, part, f"{names.get_name(f'{prefix}experts.{part}')}.weight")
        elif ending == "e_score_correction_bias":
            yield Packed(f"{names.get_name(f'{stem}.e_score_correction')}.bias", value, lambda v, n=name: {n: v})
        elif kind.split_kv_b and stem.endswith("kv_b_proj"):
            yield from pack_kv_b(name, value, kind.config, names.get_name(stem).removesuffix(".attn_kv_b"))
        elif kind.interleave and stem.endswith(("q_proj", "k_proj")):
            heads = kind.config["num_attention_heads" if stem.endswith("q_proj") else "num_key_value_heads"]
            yield Packed(f"{names.get_name(stem)}.{ending}", interleave(value, heads), lambda v, n=name, h=heads: {n: deinterleave(v, h)})
        else:
            yield Packed(f"{names.get_name(stem)}.{ending}", value, lambda v, n=name: {n: v})


class TypeChooser:
    """F32 for vectors and routers, as llama.cpp keeps them; else the types in turn that the rows' length allows."""

    def __init__(self) -> None:
        self.turns = {types: itertools.cycle(types) for types in (WIDE_TYPES, NARROW_TYPES, PLAIN_TYPES)}

    def choose(self, tensor: Packed) -> str:
        if tensor.values.ndim == 1 or "ffn_gate_inp" in tensor.name:
            return "F32"
        row = tensor.values.shape[-1]
        return next(self.turns[WIDE_TYPES if row % 256 == 0 else NARROW_TYPES if row % 32 == 0 else PLAIN_TYPES])


def random_wide_blocks(values: np.ndarray, name: str, random: np.random.Generator) -> np.ndarray:
    """Blocks of 256 with random bytes whose values have mean 0 and the standard deviation of `values`: [..., bytes of a row]."""
    block_bytes = gguf.GGML_QUANT_SIZES[type_of(name)][1]
    blocks = random.integers(0, 256, (values.size // 256, block_bytes), dtype=np.uint8)
    parts = np.array([1.0] if name == "Q6_K" else [1.0, 7.5 if name == "Q4_K" else 15.5])
    scale = 1.0
    for _ in range(2):  # the first round measures with a scale of one, the second one has it right
        halves = [np.full(len(blocks), scale * part) for part in parts[: len(HALF_OFFSETS[name])]]
        set_halves(blocks, name, halves)
        scale *= values.std() / dequantize(blocks, type_of(name)).std()
    return blocks.reshape(*values.shape[:-1], -1)


def encode(values: np.ndarray, name: str, random: np.random.Generator) -> np.ndarray:
    if name in WIDE_TYPES:
        return random_wide_blocks(values, name, random)
    return quantize(np.ascontiguousarray(values), type_of(name))


def llama3_factors(config: dict) -> np.ndarray:
    """By what each frequency of llama3 RoPE is divided, as llama.cpp's converter writes it to rope_freqs.weight: [head_dim / 2]."""
    scaling, dim = config["rope_scaling"], config["head_dim"]
    low, high, factor = (scaling[k] for k in ("low_freq_factor", "high_freq_factor", "factor"))
    factors = []
    for i in range(0, dim, 2):
        turns = scaling["original_max_position_embeddings"] / (2 * math.pi * config["rope_theta"] ** (i / dim))
        smooth = (turns - low) / (high - low)
        factors.append(1 if turns > high else factor if turns < low else 1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, np.float32)


def add_metadata(writer: gguf.GGUFWriter, kind: GgufKind, directory_name: str) -> None:
    c, arch = kind.config, gguf.MODEL_ARCH_NAMES[kind.arch]
    writer.add_name(f"golden {directory_name}")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(c["vocab_size"])
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_block_count(num_blocks(c))
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(1 if kind.split_kv_b else c["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_rope_freq_base(float(c["rope_theta"]))
    adders = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string, list: writer.add_array}
    for key, value in kind.metadata.items():
        adders[type(value)](f"{arch}.{key}", value)


def write_gguf(path: str, name: str, kind: GgufKind, weights: Arrays, tokenizer_directory: str, seed: int) -> Arrays:
    """Writes the file; returns the checkpoint's tensors as a reader that dequantises to fp32 gets them."""
    random = np.random.default_rng(seed)
    tensors = list(pack(kind, weights))
    per_file = 0 if kind.parts == 1 else math.ceil(len(tensors) / kind.parts)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[kind.arch], split_max_tensors=per_file)
    add_metadata(writer, kind, name)
    add_tokenizer(writer, tokenizer_directory, kind)
    if (kind.config.get("rope_scaling") or {}).get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(kind.config))
    read = {}
    types = TypeChooser()
    for tensor in tensors:
        type_name = types.choose(tensor)
        data = encode(tensor.values, type_name, random)
        writer.add_tensor(tensor.name, data, raw_dtype=type_of(type_name))
        read |= tensor.unpack(dequantize(data, type_of(type_name)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    left_out = {} if kind.copies else main_copies(kind.config)
    return join_kv_b(read | {copy: read[main].copy() for copy, main in left_out.items()})


def make_gguf(name: str, directory: str, tokenizers_directory: str) -> str:
    kind = KINDS[name]
    os.makedirs(directory, exist_ok=True)
    notes = [
        "weights dequantised to fp32 by the gguf package",
        f"the tokenizer is that of tokenizers/{kind.tokenizer}, whose golden.json holds for it too",
        *kind.notes,
    ]
    variant = Variant(f"gguf/{name}", kind.config, kind.tensors, dtype="float32", prompt_tokens=(1, 37), notes=notes)
    made = {n: t.numpy() for n, t in make_weights(variant).items()}
    tokenizer_directory = f"{tokenizers_directory}/{kind.tokenizer}"
    read = write_gguf(f"{directory}/model.gguf", name, kind, made, tokenizer_directory, variant.seed)
    weights = {n: torch.from_numpy(np.ascontiguousarray(v)) for n, v in read.items()}
    with tempfile.TemporaryDirectory() as plain_directory:
        write_checkpoint(plain_directory, kind.config, weights)
        return GoldenMaker(variant, SCHEMES[""], plain_directory, kind.config, weights).write(directory)

"""Random weights of a tiny checkpoint and the files that hold them, the same bytes on every run.

Scales are chosen so that logits are far from degenerate: every block of layers adds about as much as it finds, routers have clear
favourites, norms and biases are far from one and zero, so that leaving one out shows.
"""
import json
import os
import zlib

import numpy as np
import torch
from safetensors.torch import save_file

from variant import Shape, Variant

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
GAINS = {"gate": 2.5, "shared_expert_gate": 2.0, "lm_head": 2.0, "head": 2.0, "q_proj": 1.5, "q_b_proj": 1.5}
"""Of a matrix, by the last part of its name; DEFAULT_GAIN for others. Values have this times the square root of 1 / inputs."""

DEFAULT_GAIN = 1.3
EMBEDDING_STD = 0.3


def random_weight(name: str, shape: Shape, seed: int) -> torch.Tensor:
    """fp32 values that depend on name, shape and seed alone."""
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    values = torch.from_numpy(random.standard_normal(shape, dtype=np.float32))
    if name.endswith("e_score_correction_bias"):
        return 0.15 * values
    if name.endswith("bias"):
        return 0.3 * values
    if len(shape) == 1:
        return 1 + 0.2 * values
    kind = name.split(".")[-2]
    if kind == "embed_tokens":
        return EMBEDDING_STD * values
    return GAINS.get(kind, DEFAULT_GAIN) * shape[-1] ** -0.5 * values


def make_weights(variant: Variant) -> dict[str, torch.Tensor]:
    """The checkpoint's tensors in the type of its files; correction biases stay fp32, an MTP layer's copies equal what they copy."""
    weights = {}
    for name, shape in variant.tensors(variant.config):
        dtype = torch.float32 if name.endswith("e_score_correction_bias") else DTYPES[variant.dtype]
        weights[name] = random_weight(name, shape, variant.seed).to(dtype)
    for name in weights:
        if name.startswith("model.layers.") and name.endswith(".embed_tokens.weight"):
            weights[name] = weights["model.embed_tokens.weight"].clone()
        if name.endswith(".shared_head.head.weight"):
            weights[name] = weights.get("lm_head.weight", weights["model.embed_tokens.weight"]).clone()
    return weights


def format_json(value: object, indent: str = "") -> str:
    """JSON with every list of numbers or texts on one line."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{json.dumps(k)}: {format_json(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        return "[\n" + ",\n".join(inner + format_json(v, inner) for v in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


def write_json(path: str, value: object) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(format_json(value) + "\n")


def write_checkpoint(directory: str, config: dict, weights: dict[str, torch.Tensor], num_shards: int = 1) -> None:
    """Writes config.json and the weights; several shards are dealt in order of size and get model.safetensors.index.json."""
    os.makedirs(directory, exist_ok=True)
    write_json(f"{directory}/config.json", config)
    if num_shards == 1:
        save_file(weights, f"{directory}/model.safetensors", {"format": "pt"})
        return
    places = {}
    shards = [{} for _ in range(num_shards)]
    for name in sorted(weights, key=lambda n: (-weights[n].nbytes, n)):
        idx = min(range(num_shards), key=lambda i: sum(t.nbytes for t in shards[i].values()))
        shards[idx][name] = weights[name]
        places[name] = f"model-{idx + 1:05}-of-{num_shards:05}.safetensors"
    for idx, shard in enumerate(shards):
        save_file(shard, f"{directory}/model-{idx + 1:05}-of-{num_shards:05}.safetensors", {"format": "pt"})
    total = sum(t.nbytes for t in weights.values())
    write_json(f"{directory}/model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))})

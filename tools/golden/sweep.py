"""Makes checkpoints of random configurations and their logits by transformers, for tools/golden/sweep.mjs to compare.

    python tools/golden/sweep.py --seed N --count M --out DIRECTORY [FAMILY...]

Makes M checkpoints of every family (sweep_configs.py), each as transformers saves it: config.json, in its form or in that of the draw,
safetensors in one file or in shards, in fp32, fp16, bf16 or blocks of fp8. Beside them stand

    case.json           what was drawn, and the tokens
    golden.safetensors  logits [tokens, vocabulary] in fp32 by these very weights: of the whole prompt, or with a KV cache, token by token,
                        where RoPE is dynamic (docs/decisions/0013); `steps`, the same of the last NUM_STEPS tokens with a KV cache;
                        `logits_bf16`, computed in bfloat16 from first to last

A case depends on seed, family and its number alone. Weights near a tie of a router, where fp32 differs from fp64 or bfloat16
makes another clear choice, are drawn again.
"""
import argparse
import copy
import glob
import json
import os
import shutil
import tempfile
import zlib

import torch
import transformers
from safetensors.torch import load_file, save_file

import reference
from quantise import SCHEMES
from sweep_configs import FAMILIES, Config, Draw, draw_config
from weights import DTYPES, random_weight, write_checkpoint, write_json

NUM_TOKENS = 40
NUM_TOKENS_LONG = 520
NUM_STEPS = 4
NUM_SEEDS = 8
ERROR_MAX = 1e-5
"""Of the range of the logits, between fp32 and fp64: weights that give more are drawn again."""

MARGIN_BYTES = 4096
FP8_CONFIG = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.families if name not in FAMILIES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(FAMILIES)}")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for family in arguments.families or FAMILIES:
        for number in range(arguments.first, arguments.first + arguments.count):
            make_case(arguments.seed, family, number, f"{arguments.out}/{family}/{number}")


def make_case(seed: int, family: str, number: int, directory: str) -> None:
    draw = Draw([seed, zlib.crc32(family.encode()), number])
    config = draw_config(draw, family)
    dtype = draw.one_of("float32", "float16", "bfloat16", "fp8")
    is_as_saved = draw.chance() and config["model_type"] not in reference.KNOWN_AS
    num_shards = draw.one_of(1, 1, 3)
    num_tokens = NUM_TOKENS_LONG if config["max_position_embeddings"] >= NUM_TOKENS_LONG and draw.chance(0.15) else NUM_TOKENS
    ids = [draw.integer(0, config["vocab_size"] - 1) for _ in range(num_tokens)]
    case = {"family": family, "seed": seed, "number": number, "dtype": dtype, "is_as_saved": is_as_saved}
    for weights_seed in range(NUM_SEEDS):
        shutil.rmtree(directory, ignore_errors=True)
        model = write_model(directory, config, dtype, weights_seed, num_shards)
        rows = golden_rows(model, ids)
        if rows is None:
            continue
        if dtype == "bfloat16" and len(ids) == NUM_TOKENS:
            rows["logits_bf16"] = reference.rows(reference.load(directory, config, torch.bfloat16), ids)
            if reference.makes_other_choices(rows["logits"], rows["logits_bf16"]):
                continue
        if not is_as_saved:
            fp8 = {"quantization_config": FP8_CONFIG} if dtype == "fp8" else {"torch_dtype": dtype}
            write_json(f"{directory}/config.json", config | fp8)
        save_file(rows, f"{directory}/golden.safetensors", {"format": "pt"})
        write_json(f"{directory}/case.json", case | {"ids": ids, "config": config})
        return
    shutil.rmtree(directory)
    print(f"{family} {number}: left out, no weights of {NUM_SEEDS} are far from ties", flush=True)


def write_model(
    directory: str, config: Config, dtype: str, seed: int, num_shards: int
) -> transformers.PreTrainedModel:
    """Writes a checkpoint as transformers saves it, with random weights; returns the model, of these very weights in fp32."""
    model_config = reference.model_config(config)
    model = reference.model_class(config)(model_config)
    file_dtype = DTYPES["bfloat16" if dtype == "fp8" else dtype]
    state = {n: t for n, t in model.state_dict().items() if not (n == "lm_head.weight" and config.get("tie_word_embeddings"))}
    for name, tensor in state.items():
        tensor.copy_(random_weight(name, tuple(tensor.shape), seed).to(file_dtype))
    shard_bytes = sum(t.numel() for t in state.values()) * file_dtype.itemsize // num_shards + MARGIN_BYTES
    copy.deepcopy(model).to(file_dtype).save_pretrained(directory, max_shard_size=shard_bytes)
    return quantise_files(directory, config, num_shards) if dtype == "fp8" else model.eval()


def quantise_files(directory: str, config: Config, num_shards: int) -> transformers.PreTrainedModel:
    """Turns the weights of a checkpoint into fp8; returns the model of the dequantised ones."""
    files = glob.glob(f"{directory}/*.safetensors")
    stored = SCHEMES["fp8"].quantise({name: tensor for file in files for name, tensor in load_file(file).items()})
    with open(f"{directory}/config.json", encoding="utf-8") as file:
        saved = json.load(file)
    for file in glob.glob(f"{directory}/*.safetensors*"):
        os.remove(file)
    write_checkpoint(directory, saved | {"quantization_config": FP8_CONFIG}, stored, num_shards)
    with tempfile.TemporaryDirectory() as plain:
        write_checkpoint(plain, config, SCHEMES["fp8"].dequantise(stored))
        return reference.load(plain, config, torch.float32)


def golden_rows(model: transformers.PreTrainedModel, ids: list[int]) -> dict[str, torch.Tensor] | None:
    """The rows of golden.safetensors in fp32, or nothing if they are off from fp64 by more than ERROR_MAX."""
    logits = reference.rows(model, ids)
    exact = reference.rows(copy.deepcopy(model).double(), ids)
    if not (logits - exact).abs().max() <= ERROR_MAX * (exact.max() - exact.min()):
        return None
    return {"logits": logits} if reference.is_dynamic(model) else {"logits": logits, "steps": reference.steps(model, ids, len(ids) - NUM_STEPS)}


if __name__ == "__main__":
    main()

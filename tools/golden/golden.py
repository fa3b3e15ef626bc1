"""Makes one checkpoint directory with its golden: golden.json (prompts, choices, origins) and golden.safetensors (rows of logits).

golden.safetensors holds for prompt P of golden.json, in fp32 unless the name says bf16:
    prompts.P.logits        [positions, vocabulary]  of the positions that golden.json lists for P
    prompts.P.logits_bf16   the same, computed in bfloat16 from first to last, if the variant asks for it; golden.json then has the top
                            choices and their leads of that too
    prompts.P.mtp_logits    [mtp_positions, vocabulary]  of the MTP layer, if there is one
    prompts.P.step_logits   [steps, vocabulary]  after each of the step tokens, fed one at a time with a KV cache
"""
import os
import tempfile
from collections.abc import Sequence

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

import reference
from mtp import MtpLayer
from quantise import SCHEMES, Scheme
from variant import Variant
from weights import make_weights, write_checkpoint, write_json

NUM_ROWS = 4
"""Rows of logits kept of a prompt; of all other positions golden.json keeps the top choice."""

NUM_STEPS = 3

def make_golden(variant: Variant, directory: str) -> str:
    """Writes the checkpoint and its golden; returns a line for the person who waits. Raises ValueError if the golden would be brittle."""
    scheme = SCHEMES[variant.quantisation]
    stored = scheme.quantise(make_weights(variant))
    config = variant.config | {"torch_dtype": variant.dtype}
    write_checkpoint(directory, config, stored, variant.num_shards)
    with tempfile.TemporaryDirectory() as plain_directory:
        plain = {k: v for k, v in config.items() if k != "quantization_config"}
        weights = scheme.dequantise(stored)
        write_checkpoint(plain_directory, plain, weights)
        with scheme.activations(weights):
            return GoldenMaker(variant, scheme, plain_directory, plain, weights).write(directory)


class GoldenMaker:
    """Computes what a golden holds by the models of one checkpoint."""

    def __init__(
        self, variant: Variant, scheme: Scheme, directory: str, config: dict, weights: dict[str, torch.Tensor]
    ) -> None:
        self.variant, self.scheme = variant, scheme
        self.model = reference.load(directory, config, torch.float32)
        self.exact = reference.load(directory, config, torch.float64)
        self.bf16 = reference.load(directory, config, torch.bfloat16) if variant.bf16_golden else None
        for model in filter(None, (self.model, self.exact, self.bf16)):
            scheme.prepare(model)
        has_mtp = config.get("num_nextn_predict_layers", 0) > 0
        self.mtp = MtpLayer(directory, config, weights, torch.float32) if has_mtp else None
        self.rows: dict[str, torch.Tensor] = {}

    def write(self, directory: str) -> str:
        random = np.random.default_rng([self.variant.seed, 77])
        vocabulary = self.variant.config["vocab_size"]
        prompts = [random.integers(0, vocabulary, n).tolist() for n in self.variant.prompt_tokens]
        entries = [self.prompt_entry(f"prompts.{idx}", ids, idx == len(prompts) - 1) for idx, ids in enumerate(prompts)]
        about = {
            "format": "switchyard-model-golden",
            "version": 1,
            "generator": "tools/golden/make.py",
            "made_by": f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, eager",
            "seed": self.variant.seed,
            "notes": [*self.scheme.notes, *self.variant.notes],
            "prompts": entries,
        }
        write_json(f"{directory}/golden.json", about)
        save_file(self.rows, f"{directory}/golden.safetensors", {"format": "pt"})
        size = sum(entry.stat().st_size for entry in os.scandir(directory) if entry.is_file())
        gap = min(min(entry["gaps"]) for entry in entries)
        return f"{size / 1000:.0f} KB, smallest gap of a top choice {gap:.3f}"

    def prompt_entry(self, key: str, ids: list[int], with_steps: bool) -> dict:
        """Computes a prompt's rows into self.rows and returns its part of golden.json."""
        logits = reference.rows(self.model, ids)
        self.check_stable(key, logits, reference.rows(self.exact, ids))
        positions = spread(len(ids))
        entry = {"ids": ids, "positions": positions, **choices(logits)}
        self.rows[f"{key}.logits"] = logits[positions].contiguous()
        if self.bf16:
            low = reference.rows(self.bf16, ids)
            if reference.makes_other_choices(logits, low):
                raise ValueError(f"{self.variant.name} {key}: bfloat16 makes other clear choices; take another seed")
            entry |= {f"{name}_bf16": values for name, values in choices(low).items()}
            self.rows[f"{key}.logits_bf16"] = low[positions].contiguous()
        if self.mtp and len(ids) > 1:
            drafts = self.mtp.logits(self.model, ids)
            entry["mtp_positions"] = spread(len(ids) - 1)
            self.rows[f"{key}.mtp_logits"] = drafts[entry["mtp_positions"]].contiguous()
        if with_steps:
            entry["step_ids"] = reference.greedy(self.model, ids, NUM_STEPS)
            steps = reference.steps(self.model, ids + entry["step_ids"], len(ids))
            self.check_steps(ids + entry["step_ids"], steps)
            self.rows[f"{key}.step_logits"] = steps.contiguous()
        return entry

    def check_stable(self, key: str, logits: torch.Tensor, exact: torch.Tensor) -> None:
        """A router near a tie, or values that cancel, would show as a large difference between fp32 and fp64."""
        error = float((logits - exact).abs().max() / (exact.max() - exact.min()))
        if not error < self.scheme.error:
            raise ValueError(f"{self.variant.name} {key}: fp32 is off by {error:.1e} of the range; take another seed")

    def check_steps(self, ids: list[int], steps: torch.Tensor) -> None:
        """Steps with a KV cache and the whole sequence at once are the same."""
        whole = reference.rows(self.model, ids)[-len(steps) :]
        if (whole - steps).abs().max() > 1e-4:
            raise ValueError(f"{self.variant.name}: steps differ from the full prompt")


def spread(length: int) -> list[int]:
    """Up to NUM_ROWS positions from the first to the last."""
    return sorted({round(x) for x in np.linspace(0, length - 1, min(length, NUM_ROWS))})


def choices(logits: torch.Tensor) -> dict[str, Sequence]:
    """Of every position: the top choice, and by how much its logit leads."""
    values, ids = logits.topk(2)
    return {"top": ids[:, 0].tolist(), "gaps": [round(float(g), 4) for g in (values[:, 0] - values[:, 1]).float()]}

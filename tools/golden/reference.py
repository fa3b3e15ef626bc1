"""Logits of a checkpoint by Hugging Face transformers on PyTorch: eager attention and experts, one thread, one sequence at a time."""
import copy
from collections.abc import Sequence

import torch
import transformers

KNOWN_AS = {"kimi_k2": "deepseek_v3"}
"""Published model types that transformers knows under another name."""

TIE = 1e-2
"""Of the range of the logits: choices that lead by less are ties to bfloat16."""


def model_config(config: dict) -> transformers.PretrainedConfig:
    settings = copy.deepcopy(config) | {"model_type": KNOWN_AS.get(config["model_type"], config["model_type"])}
    settings |= {"attn_implementation": "eager", "experts_implementation": "eager"}
    return transformers.AutoConfig.for_model(**settings)


def model_class(config: dict) -> type[transformers.PreTrainedModel]:
    return getattr(transformers, config["architectures"][0])


def load(directory: str, config: dict, dtype: torch.dtype, **overrides) -> transformers.PreTrainedModel:
    """The model of a checkpoint directory.

    overrides: config fields to change, such as num_hidden_layers to take in an MTP layer.
    Raises ValueError if a tensor is missing, of another shape, or unknown and not of an MTP layer.
    """
    model, info = model_class(config).from_pretrained(
        directory, config=model_config(config | overrides), dtype=dtype, output_loading_info=True
    )
    further = f"model.layers.{config['num_hidden_layers']}."
    wrong = {kind: [k for k in keys if not str(k).startswith(further)] for kind, keys in info.items()}
    if any(wrong.values()):
        raise ValueError(f"{directory}: {wrong}")
    return model.eval()


def is_dynamic(model: transformers.PreTrainedModel) -> bool:
    """Whether RoPE depends on the length of what is fed at once."""
    return model.config.rope_parameters["rope_type"] == "dynamic"


def rows(model: transformers.PreTrainedModel, ids: Sequence[int]) -> torch.Tensor:
    """Logits of every position: [tokens, vocabulary] in the model's type.

    A prompt is fed at once, or token by token where RoPE is dynamic, so that each is turned by its own position (docs/decisions/0013).
    """
    if is_dynamic(model):
        return steps(model, ids, 0)
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


@torch.no_grad()
def steps(model: transformers.PreTrainedModel, ids: Sequence[int], num_prompt: int) -> torch.Tensor:
    """Logits after each of the ids behind the first `num_prompt`, fed one at a time with a KV cache: [tokens - num_prompt, vocabulary]."""
    num_at_once = 0 if is_dynamic(model) else num_prompt
    cache = model(input_ids=torch.tensor([ids[:num_at_once]]), use_cache=True).past_key_values if num_at_once else None
    answers = []
    for token in ids[num_at_once:]:
        answer = model(input_ids=torch.tensor([[token]]), past_key_values=cache, use_cache=True)
        cache = answer.past_key_values
        answers.append(answer.logits[0, -1])
    return torch.stack(answers[num_prompt - num_at_once :])


def greedy(model: transformers.PreTrainedModel, ids: Sequence[int], count: int) -> list[int]:
    """What the model continues a prompt with."""
    continued = list(ids)
    for _ in range(count):
        continued.append(int(rows(model, continued)[-1].argmax()))
    return continued[len(ids) :]


def makes_other_choices(logits: torch.Tensor, low: torch.Tensor) -> bool:
    """Whether another precision changes a clear choice: a rounding that changes the choice of an expert may.

    logits, low: [positions, vocabulary].
    """
    two = logits.topk(2).values
    is_clear = two[:, 0] - two[:, 1] > TIE * (logits.max() - logits.min())
    return bool((logits.argmax(-1) != low.argmax(-1))[is_clear].any())

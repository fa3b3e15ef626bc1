"""Logits of a checkpoint by Hugging Face transformers on PyTorch: eager attention and experts, one thread, one sequence at a time."""
from collections.abc import Sequence

import torch
import transformers

KNOWN_AS = {"kimi_k2": "deepseek_v3"}
"""Published model types that transformers knows under another name."""


def load(directory: str, config: dict, dtype: torch.dtype, **overrides) -> transformers.PreTrainedModel:
    """The model of a checkpoint directory.

    overrides: config fields to change, such as num_hidden_layers to take in an MTP layer.
    Raises ValueError if a tensor is missing, of another shape, or unknown and not of an MTP layer.
    """
    settings = config | overrides
    settings["model_type"] = KNOWN_AS.get(settings["model_type"], settings["model_type"])
    model_config = transformers.AutoConfig.for_model(**settings)
    model_class = getattr(transformers, config["architectures"][0])
    model, info = model_class.from_pretrained(
        directory, config=model_config, dtype=dtype, attn_implementation="eager", experts_implementation="eager", output_loading_info=True
    )
    further = f"model.layers.{config['num_hidden_layers']}."
    wrong = {kind: [k for k in keys if not str(k).startswith(further)] for kind, keys in info.items()}
    if any(wrong.values()):
        raise ValueError(f"{directory}: {wrong}")
    return model.eval()


@torch.no_grad()
def full(model: transformers.PreTrainedModel, ids: Sequence[int]) -> torch.Tensor:
    """Logits of every position of a prompt: [tokens, vocabulary] in the model's type."""
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


@torch.no_grad()
def greedy_steps(model: transformers.PreTrainedModel, ids: Sequence[int], count: int) -> tuple[list[int], torch.Tensor]:
    """Feeds the prompt, then `count` greedy tokens one at a time with a KV cache.

    Returns their ids and the logits after each: [count, vocabulary].
    """
    answer = model(input_ids=torch.tensor([ids]), use_cache=True)
    fed, rows = [], []
    for _ in range(count):
        fed.append(int(answer.logits[0, -1].argmax()))
        answer = model(input_ids=torch.tensor([[fed[-1]]]), past_key_values=answer.past_key_values, use_cache=True)
        rows.append(answer.logits[0, -1])
    return fed, torch.stack(rows)

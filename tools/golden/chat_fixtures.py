"""Makes test/fixtures/models/chats: conversations by the templates of chat_families.py, as transformers renders them.

golden.json holds
    conversations   [{messages, tools, variables: what the template is given beside them}]
    families        {a name: {template, chats: [{conversation: index, add_generation_prompt, text, if the template takes the messages}]}}
"""
import os

import jinja2
import transformers
from tokenizers import Tokenizer, models

from chat_families import FAMILIES, FAMILY_CONVERSATIONS
from weights import write_json

BOS, EOS = "<s>", "</s>"
KNOW_PARTS = {"kimi-k2", "glm4-moe", "qwen3"}
"""Templates that know a content in parts; what others make of it is an accident."""


def has_parts(conversation: dict) -> bool:
    return any(isinstance(message["content"], list) for message in conversation["messages"])


def chat_entry(wrapper: transformers.PreTrainedTokenizerFast, template: str, index: int, prompted: bool) -> dict:
    conversation = FAMILY_CONVERSATIONS[index]
    entry = {"conversation": index, "add_generation_prompt": prompted}
    try:
        entry["text"] = wrapper.apply_chat_template(
            conversation["messages"],
            chat_template=template,
            tools=conversation.get("tools"),
            add_generation_prompt=prompted,
            tokenize=False,
            **conversation.get("variables", {}),
        )
    except jinja2.TemplateError:
        pass
    return entry


def make_chats(directory: str) -> str:
    os.makedirs(directory, exist_ok=True)
    wrapper = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token=BOS, eos_token=EOS)
    indices = range(len(FAMILY_CONVERSATIONS))
    families = {}
    for name, template in FAMILIES.items():
        taken = [index for index in indices if name in KNOW_PARTS or not has_parts(FAMILY_CONVERSATIONS[index])]
        chats = [chat_entry(wrapper, template, index, prompted) for index in taken for prompted in (False, True)]
        families[name] = {"template": template, "chats": chats}
    golden = {
        "format": "switchyard-chats-golden",
        "version": 1,
        "generator": "tools/golden/make.py",
        "made_by": f"transformers {transformers.__version__}",
        "bos_token": BOS,
        "eos_token": EOS,
        "conversations": FAMILY_CONVERSATIONS,
        "families": families,
    }
    write_json(f"{directory}/golden.json", golden)
    return f"{len(families)} templates, {len(FAMILY_CONVERSATIONS)} conversations"

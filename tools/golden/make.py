"""Makes the fixtures below test/fixtures/models: tiny random checkpoints of every family and their logits by independent software.

    python tools/golden/make.py [NAME...] [--out DIRECTORY]

NAME is a fixture, such as deepseek-v3, llama/rope-yarn or gguf-blocks, or all below a folder, such as llama/ or tokenizers/; without a
NAME everything is made. A second run on the same kind of machine writes the same bytes.
"""
import argparse
import importlib
import os
import pkgutil
from collections.abc import Callable
from functools import partial

import torch
import transformers

import families
from chat_fixtures import make_chats
from gguf_blocks import make_gguf_blocks
from gguf_kinds import KINDS as GGUF_FILES
from gguf_models import make_gguf
from gguf_splits import make_gguf_splits
from golden import make_golden
from tokenizer_fixtures import make_tokenizer
from tokenizer_kinds import KINDS as TOKENIZERS
from variant import Variant

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def all_variants() -> list[Variant]:
    modules = sorted(info.name for info in pkgutil.iter_modules(families.__path__))
    return [v for name in modules for v in importlib.import_module(f"families.{name}").VARIANTS]


def all_jobs(out: str) -> dict[str, Callable[[], str]]:
    """What can be made: a fixture's folder below `out` -> the function that makes it and says in a line what it made."""
    jobs = {v.name: partial(make_golden, v, f"{out}/{v.name}") for v in all_variants()}
    jobs |= {f"tokenizers/{name}": partial(make_tokenizer, name, f"{out}/tokenizers/{name}") for name in TOKENIZERS}
    jobs |= {f"gguf/{name}": partial(make_gguf, name, f"{out}/gguf/{name}", f"{out}/tokenizers") for name in GGUF_FILES}
    jobs["chats"] = partial(make_chats, f"{out}/chats")
    jobs["gguf-tokenizers"] = partial(make_gguf_splits, f"{out}/gguf-tokenizers")
    jobs["gguf-blocks"] = partial(make_gguf_blocks, f"{out}/gguf-blocks")
    return jobs


def is_chosen(job: str, name: str) -> bool:
    return job == name or name.endswith("/") and f"{job}/".startswith(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", default=f"{REPOSITORY}/test/fixtures/models")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    jobs = all_jobs(arguments.out)
    unknown = [name for name in arguments.names if not any(is_chosen(job, name) for job in jobs)]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(jobs)}")
    for job, make in jobs.items():
        if not arguments.names or any(is_chosen(job, name) for name in arguments.names):
            print(f"{job}: {make()}", flush=True)


if __name__ == "__main__":
    main()

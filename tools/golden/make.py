"""Makes the fixtures below test/fixtures/models: tiny random checkpoints of every family and their logits by independent software.

    python tools/golden/make.py [NAME...] [--out DIRECTORY]

NAME is a variant, such as deepseek-v3 or llama/rope-yarn, a family with all its variants, as 'llama/', or gguf, gguf-blocks,
tokenizers; without a NAME everything is made. A second run on the same kind of machine writes the same bytes.
"""
import argparse
import importlib
import os
import pkgutil

import torch
import transformers

import families
from golden import make_golden
from variant import Variant

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def all_variants() -> list[Variant]:
    modules = sorted(info.name for info in pkgutil.iter_modules(families.__path__))
    return [v for name in modules for v in importlib.import_module(f"families.{name}").VARIANTS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", default=f"{REPOSITORY}/test/fixtures/models")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    jobs = {v.name: lambda v=v: make_golden(v, f"{arguments.out}/{v.name}") for v in all_variants()}
    unknown = [n for n in arguments.names if not any(j == n or n.endswith("/") and f"{j}/".startswith(n) for j in jobs)]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(jobs)}")
    for name, job in jobs.items():
        if not arguments.names or any(name == n or n.endswith("/") and f"{name}/".startswith(n) for n in arguments.names):
            print(f"{name}: {job()}", flush=True)


if __name__ == "__main__":
    main()

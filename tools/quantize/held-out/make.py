"""Makes conversations.txt beside this file: `python3 make.py`. README.md says what it is and why it is held out."""
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tiny-model"))
import corpus  # noqa: E402

# train.py draws from seeds 999 (validation) and 1000 upwards in steps of 17 (training); evaluate.py from 424242.
SEED = 20_230_023
NUM_DOCUMENTS = 32
# Documents with so many independent choices that none occurs twice: others of the corpus do (sums, questions, tool calls, short lists).
NUM_WORDS_MIN = 6


def long_repetition(rng: random.Random) -> list[dict]:
    while True:
        chat = corpus.repetition(rng)
        if len(chat[-1]["content"].split()) >= NUM_WORDS_MIN:
            return chat


def main() -> None:
    rng = random.Random(SEED)
    kinds = rng.choices([corpus.story_chat, long_repetition], [2, 1], k=NUM_DOCUMENTS)
    text = "".join(corpus.render(kind(rng)) for kind in kinds)
    (HERE / "conversations.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

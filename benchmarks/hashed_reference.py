"""Whether weighting words by how rare they are in the documents helps hashed vectors to tell rewordings apart.

    python benchmarks/hashed_reference.py [--corpus ../shared/corpus] [--tasks 400]

The offline model asks questions of the corpus (`grounded-qa`). Each text, a question or a sentence of the documents, is
reworded by rules: `near` changes two words, `reworded` puts synonyms in the place of most words that have one here,
turns clauses round and gives a question another frame. Beside each rewording stands the nearest other text, by the
mean of all three embedders' cosines: what a gate must not take for it. The figure is the area under the ROC curve of
the cosine between the two; 1.0 parts them wholly. Embedders: `plain` (all words weigh the same, as in campaigns),
`documents` (inverse document frequency of the corpus' paragraphs) and `items` (of the texts themselves, which no run
has before it began). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from gristmill import Campaign, ModelSpec
from gristmill.evals.vectors.hashed import HashedEmbedder
from gristmill.storage.records import Status
from gristmill.storage.store import RunStore

EXAMPLES = Path(__file__).parent.parent / "examples" / "corpus"
PAIRS = """
show:demonstrate shows:demonstrates use:employ uses:employs used:employed using:employing large:big small:little
model:system models:systems method:approach methods:approaches propose:introduce proposes:introduces improve:raise
improves:raises improved:raised result:outcome results:outcomes many:numerous several:various first:initial new:novel
data:examples high:great higher:greater low:modest task:problem tasks:problems training:fitting performance:quality
different:distinct important:crucial build:construct built:constructed begin:start began:started water:flow river:stream
sea:ocean tide:current power:energy station:plant near:by because:since but:yet also:too often:frequently about:around
people:persons country:nation found:discovered what:which why:how does:did main:chief reason:cause called:named
part:portion make:produce makes:produces paper:article work:study existing:present recent:late across:over
while:whereas given:provided
"""
SYNONYMS = dict(pair.split(":") for pair in PAIRS.split())
FRAMES = ("According to the text, {}", "{} Explain briefly.", "Can you say {}", "In the passage, {}", "Please tell: {}")


def changed(text: str, rng: random.Random) -> str:
    """Two words become others."""
    found = text.split()
    for place in rng.sample(range(len(found)), min(2, len(found))):
        found[place] = SYNONYMS.get(found[place].lower(), rng.choice(("indeed", "this", "some", "then", "one")))
    return " ".join(found)


def reworded(text: str, rng: random.Random) -> str:
    """Other words where there are any, clauses turned round, and another frame."""
    found = [SYNONYMS.get(word.lower(), word) if rng.random() < 0.7 else word for word in text.split()]
    clauses = re.split(r"(?<=,) ", " ".join(found))
    rng.shuffle(clauses)
    said = " ".join(clauses)
    return rng.choice(FRAMES).format(said[:1].lower() + said[1:]) if text.endswith("?") else said


def questions(corpus: Path, tasks: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="gristmill-reference-") as folder:
        campaign = Campaign("reference", [corpus], recipe="grounded-qa", models={"default": ModelSpec(model="offline")},
                            max_tasks=tasks, runs=folder, stop={"saturation_ratio": 1.0})  # fmt: skip
        store = RunStore.read(campaign.run().folder)
        found = [str(item.fields["question"]) for item in store.items(Status.ACCEPTED)]
        store.close_reading()
    return found


def paragraphs(corpus: Path) -> list[str]:
    texts = (re.sub(r"<[^>]+>", " ", path.read_text()) for path in sorted(corpus.iterdir()) if path.is_file())
    return [part for text in texts for part in re.split(r"\n\s*\n", text) if len(part.split()) > 8]


def sentences(parts: Sequence[str], count: int, rng: random.Random) -> list[str]:
    found = [one.strip() for part in parts for one in re.split(r"(?<=[.]) ", part) if 8 <= len(one.split()) <= 40]
    return rng.sample(found, min(count, len(found)))


def areas(texts: Sequence[str], parts: Sequence[str], rng: random.Random) -> dict[str, float]:
    embedders = {
        "plain": HashedEmbedder(),
        "documents": HashedEmbedder(parts),
        "items": HashedEmbedder(texts),
    }
    texts = list(dict.fromkeys(texts))
    rows = {name: embedder.rows(texts) for name, embedder in embedders.items()}
    whole = np.mean([one @ one.T for one in rows.values()], axis=0)
    np.fill_diagonal(whole, -1.0)
    other = whole.argmax(axis=1)
    found = {}
    for how, edit in (("near", changed), ("reworded", reworded)):
        edited = [edit(text, rng) for text in texts]
        for name, embedder in embedders.items():
            mine = asyncio.run(embedder.embed(edited))
            same, apart = (np.einsum("nd,nd->n", mine, rows[name][at]) for at in (slice(None), other))
            found[f"{how}_{name}"] = float(roc_auc_score([1] * len(same) + [0] * len(same), [*same, *apart]))
    return found


def main(corpus: Path, tasks: int) -> dict[str, float]:
    parts, rng = paragraphs(corpus), random.Random(0)
    found: dict[str, float] = {}
    for kind, texts in (("questions", questions(corpus, tasks)), ("sentences", sentences(parts, tasks, rng))):
        print(f"{kind}: {len(texts)} texts, such as {texts[0]!r}; {reworded(texts[0], rng)!r}")
        found |= {f"{kind}_{name}": value for name, value in areas(texts, parts, rng).items()}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--tasks", type=int, default=400)
    given = parser.parse_args()
    measured = main(given.corpus if given.corpus.exists() else EXAMPLES, given.tasks)
    for name, value in measured.items():
        print(f"{name:<32} {value:.4f}")
    print(json.dumps({name: round(value, 4) for name, value in measured.items()}))

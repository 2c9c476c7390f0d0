"""What stands at the foot of a report: what each figure means, and when not to trust it."""

from __future__ import annotations

from collections.abc import Iterable

SAYS = {
    "accepted_share": "Accepted items over all that ended, as people's decisions stand. It is a yield, not a quality: "
    "a lenient critic has a high one.",
    "first_draft_share": "Accepted items whose first draft was accepted. Items without drafts are left out.",
    "tokens_per_accepted": "Tokens of all items, rejected ones too, over accepted items. What was paid for no item is "
    "in run tokens per accepted alone: the graph, attributes, pending tasks, and a dry run, whose replies cost an item "
    "nothing.",
    "calls_per_accepted": "Model calls of all items over accepted items, those that the cache answered too.",
    "usd_per_accepted": "Money of all items over accepted items, by the prices in the campaign file; see tokens.",
    "run_tokens_per_accepted": "All tokens that the run has paid for over its accepted items: a total, so without an "
    "interval. What comes before the first item weighs less the longer a run goes on.",
    "run_usd_per_accepted": "All money that the run has spent over its accepted items.",
    "words": "Length is no quality: judges like long answers, so look at it beside every score.",
    "steps": "Marked steps, else sentences, of the answer: an upper bound of inferences, not a measure of depth.",
    "drafts": "Drafts until an item was accepted: how hard the critic made it, not how hard the item is.",
    "score_": "What the run's own critics said. It is worth what they are worth: see agreement with people.",
    "grounding_rate": "Whether critics found items in their sources; items that nobody judged are left out.",
    "novelty": "1 less the likeness to the nearest text of the pool when the item was made, as the novelty gate "
    "measured it. It falls as the pool grows, and sees what its gate sees.",
    "coverage": "Touched is not taught: one item on a passage covers it. Compare runs over the same documents only.",
    "effective": "How many, all equally common, would be as diverse (exp of the entropy).",
    "distinct_": "Falls with every text that is added: compare sets of one size and of texts of one length.",
    "mtld": "Not of fewer than 100 words, nor of languages written without spaces.",
    "compression_ratio": "Higher is more repetitive; gzip looks back 32 kB. Not between languages.",
    "self_bleu": "Higher is more repetitive. Wording only: paraphrases count as different. Not of short texts.",
    "rouge_l": "Wording only. Where all items share a frame, the frame alone is alike.",
    "vendi": "Counts what the embedder tells apart: never between embedders, nor between sets of different size.",
    "pairwise_distance": "Two far groups of twins have a high mean: look at the nearest distance too.",
    "nearest_distance": "Falls as a set grows: compare sets of one size.",
    "cluster_": "The number of clusters is a rule of thumb: evenness of clusters, not a count of topics.",
    "contaminated": "Sees wording, no paraphrase or translation, and nothing of what a model was trained on before.",
    "leaked_rows": "Rows of the set that some item repeats.",
    "map": "Near in the picture says alike; distances between groups, their sizes and the axes mean nothing.",
    "selection": "A strategy is worth what it has over as many items drawn by chance, in figures it did not optimise; "
    "within 95% of the draws chance may have given it too.",
    "difference": "Each side is cut into groups of one size, and the interval is Welch's over the groups; shares have "
    "Newcombe's, ratios the delta method's. Of twenty differences one leaves 0 by chance.",
}


def footnotes(names: Iterable[str]) -> dict[str, str]:
    """Returns for each of `names` what stands at its foot; names that nothing is known of are left out."""
    return {name: said for name in names if (said := _of(name))}


def _of(name: str) -> str:
    if name in SAYS:
        return SAYS[name]
    for key, said in SAYS.items():
        if name.startswith(key) or (key in ("coverage", "effective") and name.endswith(f"_{key}")):
            return said
    return ""

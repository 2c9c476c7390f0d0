"""Make a tiny language model with random weights, for tests of a real vLLM server on any machine.

A Llama of about 3 million parameters and a byte-level BPE tokenizer trained on the text files that are named (or on
this file), with a chat template. Made in seconds, from nothing but a seed: no download, no hub. What it writes is
noise; the protocol around it (chat, completions, JSON schema, logprobs, prefix cache) is the real one.

    python benchmarks/tiny_model.py .cache/tiny-model docs/*.md

Needs torch, transformers and tokenizers, which vLLM's environment has.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<|end|>", "<|start|>", "<|pad|>")
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def tokenizer(texts: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE: every string can be encoded, and decodes to itself."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=SPECIAL[0], bos_token=SPECIAL[1], pad_token=SPECIAL[2]
    )
    fast.chat_template = TEMPLATE
    return fast


def make(folder: Path, texts: list[str], *, vocabulary: int = 4096, context: int = 4096, seed: int = 0) -> int:
    """Write the model into `folder` and return its number of parameters."""
    torch.manual_seed(seed)
    words = tokenizer(texts, vocabulary)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.1,  # the usual 0.02 gives nearly flat odds: each prompt would get the same answer
        dtype="bfloat16",
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return sum(p.numel() for p in model.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a tiny language model with random weights.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("text", type=Path, nargs="*", help="UTF-8 files to train the tokenizer on")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    texts = [path.read_text(encoding="utf-8") for path in args.text or [Path(__file__)]]
    print(f"{args.folder}: {make(args.folder, texts, seed=args.seed):,} parameters")


if __name__ == "__main__":
    main()

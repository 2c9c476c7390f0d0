"""How good and how hard single items are: lengths, steps, confidence, judgements, comparisons of pairs."""

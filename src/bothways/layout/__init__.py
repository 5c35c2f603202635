"""Sample -> Sequence -> Batch: what sits where, who predicts what, who may read whom. Only `batch.py` needs torch.

Reading order: `sequence` (the noun), `wording` and `chat` (text to ids), `runs` and `build` (sample to
sequence), `order`, `rule`, `xray` (a sequence in a terminal), `batch` (tensors), `bpe` (trains the house's text tokenizer).
"""

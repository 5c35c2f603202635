"""Backbones: causal language models behind one interface. Masks, positions and embeddings come from outside."""

from bothways.core.catalogue import Catalogue

BACKBONES = Catalogue("backbone", {"transformers": "bothways.backbones.configs:CausalLMConfig"})

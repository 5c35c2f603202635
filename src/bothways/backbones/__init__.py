"""Room: backbones."""

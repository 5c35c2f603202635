"""Noise on tokens and off again: forms of diffusion, the network that denoises one token, samplers. No head and no order here:
the diffusion head draws with it inside a unified model, a masked painter outside."""

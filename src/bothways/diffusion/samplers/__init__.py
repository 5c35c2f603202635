"""Samplers: from noise to a token. Pure functions of a prediction and of noise; they hold nothing and know no model.

A catalogue for each form of diffusion; its first sampler is the one that is meant where none is named.
"""

from bothways.core.catalogue import Catalogue

SAMPLERS = {
    "ddpm": Catalogue(
        "ddpm sampler",
        {
            "ancestral": "bothways.diffusion.samplers.ancestral:ancestral",
            "ddim": "bothways.diffusion.samplers.ddim:ddim",
            "dpmpp_2m": "bothways.diffusion.samplers.dpmpp_2m:dpmpp_2m",
        },
    ),
    "flow": Catalogue(
        "flow sampler",
        {
            "euler": "bothways.diffusion.samplers.euler:euler",
            "heun": "bothways.diffusion.samplers.heun:heun",
        },
    ),
}

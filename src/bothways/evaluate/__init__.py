"""What a model's answers are worth: an exam is answered into files, files are marked into scores."""

from bothways.core.catalogue import Catalogue

MEASURES = Catalogue(
    "measure",
    {
        "reading": "bothways.evaluate.reading:measure",
        "captions": "bothways.evaluate.captions:measure",
        "strings": "bothways.evaluate.strings:measure",
        "drawing": "bothways.evaluate.drawing:measure",
        "follows": "bothways.evaluate.follows:measure",
        "editing": "bothways.evaluate.editing:measure",
        "likelihood": "bothways.evaluate.likelihood:measure",
        "agreement": "bothways.evaluate.agreement:measure",
        "tokens": "bothways.evaluate.tokens:measure",
    },
)

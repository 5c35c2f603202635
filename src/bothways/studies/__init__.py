"""Studies: one file a scientific question."""

from bothways.core.catalogue import Catalogue

STUDIES = Catalogue(
    "study",
    {
        "quickstart": "bothways.studies.quickstart:STUDY",
        "alignment": "bothways.studies.alignment:SHARED",
        "alignment-frozen": "bothways.studies.alignment:FROZEN",
        "alignment-natural": "bothways.studies.alignment:NATURAL",
        "alignment-p1": "bothways.studies.alignment:P1_MAP",
        "alignment-absorbed": "bothways.studies.alignment:ABSORBED",
        "transfer-to-reading": "bothways.studies.transfer:TO_READING",
        "transfer-to-drawing": "bothways.studies.transfer:TO_DRAWING",
        "transfer-where": "bothways.studies.transfer:WHERE",
        "ladder": "bothways.studies.ladder:FULL",
        "ladder-short": "bothways.studies.ladder:SHORT",
        "labels-saved": "bothways.studies.labels_saved:STUDY",
    },
)

# Those whose arms follow from the base recipe, and so are made anew over another one: base -> study.
MADE = Catalogue(
    "study that is made for its base",
    {
        "ladder": "bothways.studies.ladder:ladder",
        "ladder-short": "bothways.studies.ladder:short",
    },
)

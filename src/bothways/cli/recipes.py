"""`bothways recipes`: what ships, each as a corner of the space of models."""

from __future__ import annotations

from bothways.cli.terminal import page, table


def recipes() -> None:
    """List the recipes: complete configs, one per system."""
    from rich.text import Text

    from bothways.recipes.read import names
    from bothways.recipes.recipe import load_recipe

    listed = table("recipe", "makes", "parts")
    for name in names():
        recipe = load_recipe(name)
        parts = Text(_PARTS[recipe.kind](recipe)) + Text(f"\n{recipe.about}", style="dim")
        listed.add_row(name, _MAKES[recipe.kind], parts)
    page().print(listed)


_MAKES = {"model": "model", "tokenizer": "visual tokenizer", "text": "text tokenizer"}


def _model_parts(recipe) -> str:
    model = recipe.model
    shared = " shared" if model.projector.shared else ""
    order = "in place" if model.drawing.in_place else model.order
    return f"{model.given.kind} -> {model.learned.kind}{shared}, {model.head.kind}, {order}"


def _tokenizer_parts(recipe) -> str:
    spec = recipe.tokenizer.spec
    return f"{spec.kind}, {spec.size_px} px, {' x '.join(map(str, spec.grid))} tokens"


_PARTS = {
    "model": _model_parts,
    "tokenizer": _tokenizer_parts,
    "text": lambda recipe: f"BPE, {recipe.num_entries} entries",
}

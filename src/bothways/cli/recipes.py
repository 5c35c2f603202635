"""`bothways recipes`: what ships, each model as a corner of the space of models."""

from __future__ import annotations

from bothways.cli.terminal import page, table


def recipes() -> None:
    """List the recipes: complete configs, one per system."""
    from rich.text import Text

    from bothways.recipes.read import names
    from bothways.recipes.recipe import load_recipe

    found = {name: load_recipe(name) for name in names()}
    corners = table("model", "reads", "draws", "proj.", "target", "head", "order")
    corners.columns[0].no_wrap = True
    for name, recipe in found.items():
        if recipe.kind == "model":
            corners.add_row(name, *_corner(recipe.model))
    others = table("tokenizer or reader", "makes")
    for name, recipe in found.items():
        if recipe.kind != "model":
            others.add_row(name, _makes(recipe))
    about = table("recipe", "about")
    for name, recipe in found.items():
        about.add_row(name, Text(recipe.about, style="dim"))
    console = page()
    for number, listed in enumerate((corners, others, about)):
        if number:
            console.print()
        console.print(listed)


def _corner(model) -> tuple[str, ...]:
    """Given and learned tokens, number of projectors, what is predicted in which space, head and order."""
    return (
        model.given.kind,
        model.learned.kind,
        "one" if model.projector.shared else "two",
        f"emb., {model.target.side}" if model.target else "tokens",
        getattr(model.head, "objective", None) or model.head.kind,
        "in place" if model.drawing.in_place else model.order,
    )


def _makes(recipe) -> str:
    if recipe.kind == "text":
        return f"BPE, {recipe.num_entries} entries"
    if recipe.kind == "reader":
        sizes = " and ".join(map(str, recipe.reader.sizes_px))
        return f"a second reader of {recipe.reader.kind}, {sizes} px"
    spec = recipe.tokenizer.spec
    return f"{spec.kind}, {spec.size_px} px, {' x '.join(map(str, spec.grid))} tokens"

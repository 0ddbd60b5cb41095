"""`heatlens recipes`: what ships under a name, what it is made of and what it costs."""

from typing import TYPE_CHECKING

import click

from .methods import described

if TYPE_CHECKING:
    from ...recipes.recipe import Recipe


@click.command(short_help="List the recipes that ship: what they are made of, what they cost.")
@click.argument("names", nargs=-1)
def recipes(names: tuple[str, ...]) -> None:
    """Describe the recipes of these NAMES, or all."""
    from ...recipes.shipped import RECIPES, find_recipe

    click.echo("\n\n".join(_described(find_recipe(name)) for name in names or RECIPES))


def _described(recipe: "Recipe") -> str:
    from ...recipes.naming import recipe_in_full

    parts = {f"part {i}": recipe_in_full(part) for i, part in enumerate(recipe.parts, 1)}
    return described(recipe.entry.name, {"fusion": str(recipe.fuse), **parts, "cost": recipe.cost})

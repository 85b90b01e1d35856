"""How an arm's classifier was trained, in a few words of its card."""

from collections.abc import Mapping

from orchestrator.report.documents import Recipe

BASES = {"none": "pretrained layers frozen", "top": "upper pretrained layers trained", "all": "all layers trained"}


def in_words(recipe: Recipe) -> str:
    """E.g. "best, 224 px, pretrained layers frozen, 60 epochs"; what is unusual is said as well."""
    parts = [recipe.recipe, f"{recipe.input_px} px", BASES.get(recipe.trainable_base, recipe.trainable_base)]
    parts.append(f"{recipe.epochs} epoch{'s' if recipe.epochs != 1 else ''}")
    if recipe.width_multiplier != 1:
        parts.append(f"width {recipe.width_multiplier:g}")
    if recipe.augment:
        parts.append(f"augmentation {recipe.augment:g}")
    if recipe.real_share is not None:
        parts.append(f"at least {recipe.real_share:.0%} photographs among a label's draws")
    if recipe.synthetic_cap:
        parts.append(f"at most {recipe.synthetic_cap} synthetic images a label")
    return ", ".join(parts)


def sentence(recipes: Mapping[str, str]) -> str:
    """The recipes of all arms, once where they are the same.

    Args:
        recipes: arm's title -> its recipe in words.
    """
    different = set(recipes.values())
    if len(different) == 1:
        return f"Recipe of {'both' if len(recipes) == 2 else f'all {len(recipes)}'} arms: {different.pop()}."
    return f"Recipes: {'; '.join(f'{title}: {recipe}' for title, recipe in recipes.items())}."

"""How many edited pictures a line has, by which recipe and from where."""

from pydantic import Field

from orchestrator.edits.recipe import EditRecipe


class EditSettings(EditRecipe):
    """Edited pictures, by recipe and by hand: docs/edits.md."""

    count: int = Field(0, ge=0, le=1_000_000, description="pictures made by the recipe; 0: none")
    datasets: tuple[str, ...] = Field(
        (), description="datasets of edits that are there already, by hand or by recipe, of this run's photographs"
    )
    for_generators: bool = Field(False, description="train the generators on edited pictures, too")

    @property
    def wanted(self) -> bool:
        """Whether the line has edited pictures."""
        return self.count > 0 or bool(self.datasets)

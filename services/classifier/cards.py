"""Cards of classifiers in the store, `model.json`: read only when every field is what it should be."""

from pydantic import ValidationError

from defectory.errors import Corrupted
from defectory.models import read_model_card, resolve
from defectory.storage.references import unrooted
from defectory.storage.store import ObjectStore
from defectory.wording import why_of
from services.classifier.card import FORMAT, KIND, ClassifierCard

MAX_SAID = 5  # faults of a card that are told


def write_card(store: ObjectStore, card: ClassifierCard) -> None:
    """Write the card: with it the version is complete, so all its files must be there."""
    store.put(card.prefix + "model.json", unrooted(card.model_dump_json(indent=1).encode(), store))


def read_card(store: ObjectStore, model: str) -> ClassifierCard:
    """The card of "name" (the version labelled stable, else the newest), "name/version" or "name/label".

    Raises:
        NotFound: no such classifier, version or label. Corrupted: not a card of this format; names the field.
    """
    name, version = resolve(store, KIND, model)
    content = read_model_card(store, KIND, name, version)
    if content.get("format") != FORMAT:
        raise Corrupted(
            f"the card of classifier {name}/{version} is not of format {FORMAT}: it was written by an earlier version "
            "of this software, or by something else; train the classifier again"
        )
    try:
        card = ClassifierCard.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False)[:MAX_SAID]
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {why_of(e)}" for e in first)
        raise Corrupted(f"the card of classifier {name}/{version} is not valid: {wrong}") from error
    if (card.name, card.version) != (name, version):
        raise Corrupted(f"the card of classifier {name}/{version} says that it is {card.full_name}")
    return card

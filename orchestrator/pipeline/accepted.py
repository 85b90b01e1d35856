"""What has to be said of a label's accepted synthetic images: too few of them, or a generator that is to blame."""

from orchestrator.pipeline.outputs import FilteredLabel

OUTLIER_ALARM = 0.5  # share of outliers from which the generator is to blame, not the single image


def is_short(filtered: FilteredLabel) -> bool:
    """Whether fewer were accepted than wanted."""
    return filtered.accepted < filtered.quota


def warnings_of(label: str, filtered: FilteredLabel) -> list[str]:
    """What a person should know of a label's synthetic images, and do about it; nothing where all is well."""
    warnings = []
    total = sum(count for judged in filtered.rounds for count in judged.verdicts.values())
    strange = sum(judged.reasons.get("outlier", 0) for judged in filtered.rounds)
    blamed = strange > OUTLIER_ALARM * total
    if is_short(filtered):
        advice = "" if blamed else ". Train its generator longer (generator.kimg), or accept more (filter.threshold)"
        warnings.append(
            f"{label}: only {filtered.accepted} of the {filtered.quota} synthetic images wanted were accepted, "
            f"of {total} that were made{advice}"
        )
    if blamed:
        warnings.append(
            f"{label}: {strange} of {total} synthetic images are farther from every real one than real ones are "
            "from each other: the generator has not learned enough. Look at its sample sheet; train it longer "
            "(generator.kimg), or from another start"
        )
    return warnings

"""What must be known before a probability is believed that was fitted on few images."""

# Of so many answers, all right, the 95% interval still leaves one in nine wrong: of fewer, more.
FEWEST_TO_FIT_ON = 30


def caution_of(images: int) -> str:
    """Why probabilities that were fitted on so many validation images, at least 1, are worth little; empty: enough."""
    if images >= FEWEST_TO_FIT_ON:
        return ""
    wrong = 1 - 0.025 ** (1 / images)  # upper end of Clopper and Pearson's 95% interval of none wrong
    return (
        f"probabilities are fitted on {images} validation image{'s' * (images != 1)}, fewer than {FEWEST_TO_FIT_ON}: "
        f"even if all of them were right, of 100 answers that it calls 99% sure, up to {100 * wrong:.0f} may be wrong"
    )

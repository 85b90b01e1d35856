"""docs/ingest.md: the layouts as their modules describe them, and the rules that hold for all."""

from collections.abc import Iterable

from defectory.datasets.layouts import LAYOUTS
from defectory.datasets.layouts.names import CONTAINERS, GOOD, MASKS, NOTHING, SPLITS

INTRO = """# From a folder to a dataset

```sh
defectory ingest photos/ --dry-run        # says what is recognised, and makes nothing
defectory ingest photos/ --name screws    # says the same first, then does it
```

It says the layout and by what it was recognised, the labels with their counts and which of them is good, splits, masks,
groups, and of everything that is left out how many files and why. With `--json` the dry run gives the same as one
object. `defectory run` takes the same options (of which `--seed` is its `--split-seed`), a pipeline file has them under
`data:`, and what was recognised is kept in the dataset's card (`source`).

A folder that can be read in several ways is refused: the readings are listed, each with the option that chooses it.

| option | what it chooses |
|---|---|
| `--layout NAME` | how the folder is laid out, by the first column below |
| `--good LABEL` | which label means a part without defect |
| `--masks auto\\|all\\|none` | whether files that can be masks are: where it is plain (else it stops), all, none |
| `--keep-splits` | the folder's own splits stay; else all photographs are one pool, split anew by group |

What a file's pixels mean is on [another page](pictures.md): cameras of 10 to 14 bits (`--bits`), strips and large
pictures (`--tile`), which pixels of a mask are the defect.
"""
RULES = """## What holds for every layout

**Labels.** A label is never the name of a split ({splits}, also `train_images`, `val2017`, …), of a container
({containers}), of masks ({masks}), a date (`2026-11-29`, `20261129`) or a word for nothing ({nothing}). Photographs
whose label is one of the last are counted and left out. Capitals, spaces, `-` and `_` make no difference. Names of a
split and a class in one (`train_ok`, `test_ok`) are refused.

**Good.** {good} are taken for the label of good parts, and `0` where the only other label is `1`. Two of them side by
side are refused until `--good` chooses. Where no label is good, `--labels binary` turns into kinds, and it is said.

**Kinds.** A photograph for which several kinds are named has the first as its label; all are kept in the manifest
(`kinds`), and how many such photographs there are is said.

**Masks.** A file is another's mask by its name (`x_mask`, `x_label`, `x_GT`, `mask_x`, … beside `x`; another ending
beside it), by its folder (`masks/`, `ground_truth/`, …), or by what it holds: two values, a palette or a few class
numbers, where a photograph of the same name and size lies in another folder. Some files of each folder are opened for
that. A file that is called like a mask and looks like a photograph, or looks like a mask and has no photograph, or a
folder of nothing but black files stops the ingest until `--masks` says what it is. Several masks of one photograph are
united.

**Splits.** They are made anew by group, because published and exported splits often part photographs of one part.
`--keep-splits` keeps the folder's; a column `split` of a table always stays. A label that the kept splits do not train
is an error. Parts that lie in several of the kept splits are counted aloud.

**Groups.** Where a layout does not say which photographs show one part, it is looked for; `--groups CSV` says it.
`defectory dataset groups NAME --out groups.png` shows every part with several photographs as a row, those first that
are likeliest to be wrong; a run's report holds the same sheet. A part with good and defective photographs is
named: it is right where the part was photographed from several sides, and wrong where different parts only look alike.

**One label** is enough: a generator needs no other. What needs two says so: training a classifier, and `defectory run`.
Every label needs three parts, one for each split.

**Links** to files and folders are followed and counted. Every folder is read once, by its real path where it has one
here. Links that lead nowhere, into a folder above or into one that is read already are left out, with the reason.
Hidden files and the litter of operating systems are passed over.

**Bad files** never stop the rest: what cannot be read is listed and skipped. A file whose name is not UTF-8, and a
picture in a format that is not read (WebP, GIF, …), are listed, too.
"""


def ingest_page() -> str:
    """Layouts, rules and options."""
    head = ["layout", "on disk", "recognised by", "label", "split", "mask", "group", "described in"]
    rows = [head, ["---"] * len(head)]
    rows += [
        [f"`{x.name}`", x.on_disk, x.recognised_by, x.label, x.split, x.mask, x.group, x.described_in] for x in LAYOUTS
    ]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    rules = RULES.format(
        splits=_words(SPLITS), containers=_words(CONTAINERS), masks=_words(MASKS), good=_words(GOOD),
        nothing=_words(filter(None, NOTHING)),
    )  # fmt: skip
    return "\n\n".join([INTRO.strip(), "## Layouts", table, rules.strip()]) + "\n"


def _words(words: Iterable[str]) -> str:
    ordered = words if isinstance(words, dict | tuple) else sorted(words)
    return ", ".join(f"`{word}`" for word in ordered)

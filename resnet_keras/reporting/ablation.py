"""What the parts of a recipe are worth: held-out error of runs that differ in one part from
`recipes.ONE_CYCLE`."""

from collections.abc import Sequence

from resnet_keras import recipes
from resnet_keras.errors import UsageError
from resnet_keras.reporting.groups import Group, mean_and_std
from resnet_keras.reporting.tables import signed

# What all runs of the ablation have in common, or what does not change what is learnt.
_ASIDE = (
    "arch", "option", "steps", "eval_every", "validation_size", "seed", "precision", "devices",
    "flip", "deterministic", "augmentation",
)  # fmt: skip


def ablation_table(groups: Sequence[Group]):
    """Returns the numbers as a pandas `DataFrame`: of runs of equal length and as many images held
    out the unchanged one first, then the best first.

    Columns: `change` (in words; empty for none), `epochs`, `held_out` (images),
    `validation_error` and `std_error` (percent; mean and sample standard deviation over seeds),
    `n` (complete runs), `difference` (points of percent against the unchanged one of its kind).
    """
    import pandas

    rows = []
    for group in groups:
        mean, std = mean_and_std(group.last_errors("validation"))
        recipe = group.recipe
        rows.append(
            {
                "change": _change(recipe),
                "epochs": group.epochs,
                "held_out": recipe.validation_size,
                "validation_error": round(mean, 4),
                "std_error": round(std, 4),
                "n": len(group.last_errors("validation")),
            }
        )
    table = pandas.DataFrame(rows)
    kind = ["epochs", "held_out"]
    base = table[table.change == ""].drop_duplicates(kind).set_index(kind).validation_error
    of_its_kind = base.reindex(pandas.MultiIndex.from_frame(table[kind])).to_numpy()
    table["difference"] = table.validation_error - of_its_kind
    table["changed"] = table.change != ""
    table = table.sort_values([*kind, "changed", "validation_error"])
    return table.drop(columns="changed").reset_index(drop=True)


def notes(groups: Sequence[Group]) -> list[str]:
    """Returns the sentences that belong below the table."""
    sizes = sorted({group.recipe.validation_size for group in groups})
    precisions = sorted({group.recipe.precision for group in groups})
    return [
        f"Mean ± standard deviation over seeds (their number) of the last iterate's error on "
        f"{' or '.join(f'{size:,}' for size in sizes)} training images held out; the test "
        "images have no part in it. Differences: against the unchanged recipe in as many epochs. "
        f"Arithmetic: {' and '.join(precisions)}."
    ]


def readable(table):
    """Returns the table as text, for people: a `DataFrame` of strings under headings."""
    import pandas

    errors = [
        "unfinished" if not n else f"{mean:.2f}" + (f" ± {std:.2f}" if n > 1 else "") + f" ({n})"
        for mean, std, n in zip(table.validation_error, table.std_error, table.n, strict=True)
    ]
    return pandas.DataFrame(
        {
            "change to one cycle": [change or "none" for change in table.change],
            "epochs": [f"{epochs:g}" for epochs in table.epochs],
            "held-out error (%)": errors,
            "difference": [signed(value) for value in table.difference],
        }
    )


def _change(recipe):
    """What differs from the recipe, in words; empty for the recipe itself."""
    try:
        base = recipes.make("paper", recipe.arch, option=recipe.option, **recipes.ONE_CYCLE)
    except UsageError:
        return str(recipe)
    mine, theirs = recipe.to_json(), base.to_json()
    return ", ".join(
        f"{name.replace('_', ' ')} {_spelled(mine[name])} for {_spelled(theirs[name])}"
        for name in mine
        if name not in _ASIDE and mine[name] != theirs[name]
    )


def _spelled(value):
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else value

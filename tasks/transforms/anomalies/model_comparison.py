"""How far the model of one batch lies from that of an earlier one.

Promise: everything is said in spreads, so that it tells no value of a sensitive column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.transforms.anomalies.anomaly_model import AnomalyModel, FeatureScale

__all__ = ["ModelChange", "compare_models"]

_VISIBLE = 0.005
"""What is printed as 0.00 is called unchanged."""


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A comparison of two models.

    Attributes:
        distance: By how many of its earlier spreads the median of the feature that moved most has
            moved; None: no feature could be compared.
        feature: Which feature that is; empty without one.
        centres: How far the centres lie from the nearest earlier ones, in coordinates, on average
            over the rows of the new sample; None: the models have different coordinates.
        lines: A sentence for each feature of either model, then one about the centres.
    """

    distance: float | None
    feature: str
    centres: float | None
    lines: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One sentence for a report."""
        if self.distance is None:
            return "The model of this batch can't be compared with the last one."
        return (
            f"The model of this batch lies {self.distance:.2f} spreads from the last one"
            f" (most in {self.feature})."
        )


def compare_models(new: AnomalyModel, old: AnomalyModel) -> ModelChange:
    """How the medians, spreads and centres of a new model differ from those of an old one.

    Either may be a public one; features whose medians were left out are compared by their centres
    only.
    """
    if new.version != old.version:
        return ModelChange(None, "", None, ("The two models were made by different methods.",))
    before = {(each.name, each.columns): each for each in old.features}
    lines, shifts = [], {}
    for feature in new.features:
        earlier = before.pop((feature.name, feature.columns), None)
        shift = None if earlier is None else _shift(feature, earlier)
        if shift is not None:
            shifts[feature.name] = abs(shift)
        lines.append(_line(feature, earlier, shift))
    lines += [f"{each.name}: is no feature any more" for each in before.values()]
    centres = _centres_apart(new, old)
    if centres is not None:
        lines.append(f"centres: {centres:.2f} from the nearest ones of the last model")
    most = max(shifts, key=lambda name: shifts[name], default="")
    return ModelChange(shifts.get(most), most, centres, tuple(lines))


def _shift(new: FeatureScale, old: FeatureScale) -> float | None:
    """How far the median has moved, in old spreads; None where it was left out."""
    if new.median is None or old.median is None or old.spread is None:
        return None
    return (new.median - old.median) / old.spread


def _line(new: FeatureScale, old: FeatureScale | None, shift: float | None) -> str:
    if old is None:
        return f"{new.name}: was no feature before"
    if shift is None or new.spread is None or old.spread is None:
        return f"{new.name}: its median is not kept, only its centres are compared"
    direction = "higher" if shift > 0 else "lower"
    moved = "unchanged" if abs(shift) < _VISIBLE else f"{abs(shift):.2f} spreads {direction}"
    return f"{new.name}: median {moved}, spread {new.spread / old.spread:.2f} times the last one"


def _centres_apart(new: AnomalyModel, old: AnomalyModel) -> float | None:
    if new.names != old.names:
        return None
    ours, theirs = (np.array([c.centre for c in model.clusters]) for model in (new, old))
    apart = np.sqrt(((ours[:, np.newaxis] - theirs[np.newaxis]) ** 2).sum(axis=2)).min(axis=1)
    return float(np.average(apart, weights=[cluster.rows for cluster in new.clusters]))

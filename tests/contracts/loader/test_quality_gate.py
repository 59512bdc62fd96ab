"""The gate and the anomalies of a contract: read with defaults, or refused with their place."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml

from contracts.errors import ContractError
from contracts.loader import TABLES, load_contract
from contracts.model import Feature, QualityGate, Severity

PLACE = "customProperties.strandline.quality"


def contract_with(folder, quality):
    document = yaml.safe_load((TABLES / "aircraft.yaml").read_text(encoding="utf-8"))
    extension = document["customProperties"][0]["value"]
    extension.pop("quality")
    if quality is not None:
        extension["quality"] = quality
    path = folder / "aircraft.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_contract(path)


def test_a_contract_without_a_gate_has_the_usual_one(tmp_path):
    assert contract_with(tmp_path, None).quality == QualityGate()
    assert contract_with(tmp_path, {"threshold": 0.5}).quality == QualityGate(threshold=0.5)


def test_every_setting_of_a_gate_is_read(tmp_path):
    gate = contract_with(
        tmp_path,
        {
            "threshold": 0.9,
            "refused_percent": 1,
            "critical_null_percent": 2.5,
            "held_for": "2 days",
            "anomalies": {
                "features": [
                    {"column": "distance_miles"},
                    {"name": "delay", "from": "scheduled_departure", "to": "departed_at"},
                ],
                "severity": "error",
                "weight": 0.3,
                "minimum_rows": 2_000,
                "sample_rows": 5_000,
            },
        },
    ).quality

    assert (gate.threshold, gate.refused_percent, gate.critical_null_percent) == (0.9, 1, 2.5)
    assert gate.held_for == timedelta(days=2)
    assert gate.anomalies is not None
    assert gate.anomalies.features == (
        Feature("distance_miles", ("distance_miles",)),
        Feature("delay", ("scheduled_departure", "departed_at")),
    )
    assert (gate.anomalies.severity, gate.anomalies.weight) == (Severity.REFUSE, 0.3)
    assert (gate.anomalies.minimum_rows, gate.anomalies.sample_rows) == (2_000, 5_000)


@pytest.mark.parametrize(
    ("quality", "place", "told"),
    [
        ({"treshold": 1}, "treshold", "did you mean threshold?"),
        ({"refused_percent": 101}, "refused_percent", "between 0 and 100"),
        ({"held_for": "soon"}, "held_for", "such as 30 days"),
        ({"anomalies": {"minimum_rows": 10}}, "anomalies.minimum_rows", "at least 1000"),
        ({"anomalies": {"severity": "eror"}}, "anomalies.severity", "did you mean error?"),
        (
            {"anomalies": {"exclude": ["distance_mile"]}},
            "anomalies.exclude[0]",
            "did you mean distance_miles?",
        ),
        (
            {"anomalies": {"features": [{"column": "carrier"}]}},
            "anomalies.features[0]",
            "compares numbers; the column is string",
        ),
        (
            {"anomalies": {"features": [{"column": "departed_at"}]}},
            "anomalies.features[0]",
            "name two columns of time, from and to",
        ),
        (
            {"anomalies": {"features": [{"from": "departed_at", "to": "seats"}]}},
            "anomalies.features[0]",
            "is a span of time; the columns are timestamp and int",
        ),
        (
            {"anomalies": {"features": [{"column": "seats"}, {"column": "seats"}]}},
            "anomalies.features",
            "seats occurs twice",
        ),
        (
            {"anomalies": {"features": [{"column": "seats"}], "exclude": ["engines"]}},
            "anomalies.exclude",
            "no effect beside features",
        ),
        (
            {"anomalies": {"features": [{"column": "seats", "to": "engines"}]}},
            "anomalies.features[0].to",
            "a column or a time span",
        ),
    ],
)
def test_what_a_gate_may_not_say_is_refused_with_its_place(tmp_path, quality, place, told):
    with pytest.raises(ContractError) as refused:
        contract_with(tmp_path, quality)

    (line,) = [each for each in refused.value.found.splitlines() if f"{PLACE}.{place}:" in each]
    assert told in line

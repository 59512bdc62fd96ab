"""What Spark raises is told without its text, with what it means for the table."""

from __future__ import annotations

import pytest
from pyspark.errors import AnalysisException, PySparkException

from contracts.errors import (
    EnvironmentUnfitError,
    LakehouseUnavailableError,
    SchemaDriftError,
    SourceAccessError,
    SourceUnavailableError,
    StepFailedError,
)
from tasks.faults import translated

CELL = "Zephyrine"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("java.io.IOException: No space left on device", EnvironmentUnfitError),
        ("org.apache.iceberg.jdbc.UncheckedSQLException: gone", LakehouseUnavailableError),
        ("org.postgresql.util.PSQLException: SQL state [08006]", SourceUnavailableError),
        ("org.postgresql.util.PSQLException: SQLSTATE 28P01", SourceAccessError),
        ("org.apache.spark.SparkRuntimeException: what", StepFailedError),
    ],
)
def test_each_fault_is_an_error_of_its_kind_without_the_cell(said, kind):
    with pytest.raises(kind) as caught, translated("readings", "merge"):
        raise PySparkException(f"{said} {CELL}")

    assert "readings, step merge" in str(caught.value)
    assert CELL not in str(caught.value)
    assert caught.value.__cause__ is None


class UnresolvedColumnError(AnalysisException):
    """As Spark raises it: the condition comes from the JVM."""

    def getCondition(self):  # noqa: N802 - PySpark's name
        return "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION"


def test_columns_that_do_not_fit_are_drift():
    fault = UnresolvedColumnError(f"no column {CELL}")

    with pytest.raises(SchemaDriftError) as caught, translated("readings", "merge"):
        raise fault

    assert CELL not in str(caught.value)


@pytest.mark.parametrize(
    ("publishes", "told"), [(False, "Nothing was published."), (True, "What was published stands")]
)
def test_it_says_whether_something_may_be_published(publishes, told):
    with (
        pytest.raises(StepFailedError, match=told),
        translated("readings", "record", publishes=publishes),
    ):
        raise PySparkException("org.apache.spark.SparkRuntimeException: what")

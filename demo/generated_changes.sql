-- What happens to one row in fifty of new_source_table between `since` and `until`: a pending one
-- becomes active, an eighth of the active ones inactive, the other active ones get another amount. A
-- quarter of the blank names is corrected. A row that has changed since then stays as it is.
WITH changes AS (
    SELECT
        id,
        created_date,
        CASE
            WHEN btrim(column1) = '' THEN 'corrected-' || lpad(id :: TEXT, 7, '0')
            ELSE column1
        END AS column1,
        CASE
            WHEN status = 'PENDING' THEN 'ACTIVE'
            WHEN status = 'ACTIVE' AND mod(id, 400) = 17 THEN 'INACTIVE'
            ELSE status
        END AS status,
        CASE
            WHEN status = 'ACTIVE' AND mod(id, 400) <> 17 THEN round(column3 * 1.05, 2)
            ELSE column3
        END AS column3
    FROM source_schema.new_source_table
    WHERE
        (mod(id, 50) = 17 OR mod(id, 1000) = 11)
        AND coalesce(updated_date, created_date) < %(since)s :: TIMESTAMP
)

UPDATE source_schema.new_source_table AS t
SET
    column1 = changes.column1,
    column3 = changes.column3,
    status = changes.status,
    updated_date = date_trunc(
        'second',
        %(since)s :: TIMESTAMP
        + (mod(t.id * 2654435761, 4294967296) / 4294967296.0 :: DOUBLE PRECISION)
        * (%(until)s :: TIMESTAMP - %(since)s :: TIMESTAMP)
    ),
    updated_by = 'back-office',
    version_number = t.version_number + 1,
    checksum = source_schema.row_checksum(t.id, changes.column1, t.column2, changes.column3)
FROM changes
WHERE t.id = changes.id AND t.created_date = changes.created_date;

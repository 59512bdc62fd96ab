-- Rows `first_id` to `last_id` of new_source_table, as of `until`.
-- One is created every 522.72 s from 2024-01-01 on: 20,000 by the end of April. Three Weyl
-- sequences (an id times an odd constant, modulo 2^32) replace random numbers, so that every run
-- makes the same rows. Faulty rows have fixed ids, 23 in a thousand:
--   blank column1            4   mod(id, 250) = 11
--   unknown status           8   mod(id, 125) = 23
--   negative amount          4   mod(id, 250) = 37
--   amount out of range      2   mod(id, 500) = 53
--   updated before created   5   mod(id, 200) = 71, by an hour: a clock of the other season
-- and, without being wrong: canaries among the names (mod(id, 100) = 3), names and amounts that are
-- missing, stray spaces, rows that were never updated.
WITH drawn AS (
    SELECT
        id,
        date_trunc(
            'second', TIMESTAMP '2024-01-01' + (id - 1) * INTERVAL '522.72 seconds'
        ) AS created_date,
        mod(id * 2654435761, 4294967296) / 4294967296.0 :: DOUBLE PRECISION AS u,
        mod(id * 2246822519, 4294967296) / 4294967296.0 :: DOUBLE PRECISION AS v,
        mod(id * 3266489917, 4294967296) / 4294967296.0 :: DOUBLE PRECISION AS w
    FROM generate_series(%(first_id)s :: BIGINT, %(last_id)s :: BIGINT) AS id
),

names AS (
    SELECT
        ARRAY[
            'Amara', 'Björn', 'Chen', 'Dolores', 'Emeka', 'Fatima', 'Grace', 'Hiroshi', 'Ingrid',
            'José', 'Katarzyna', 'Liam', 'Mei', 'Nadia', 'Oluwaseun', 'Priya', 'Quentin', 'Rosa',
            'Siobhán', 'Tariq', 'Ursula', 'Viktor', 'Wanjiru', 'Yusuf', 'Zoë'
        ] AS given,
        ARRAY[
            'Abara', 'Bergström', 'Castillo', 'Dubois', 'Eriksen', 'Fischer', 'García', 'Haddad',
            'Ivanova', 'Johnson', 'Kowalska', 'Lindqvist', 'Müller', 'Nakamura', 'O''Neill',
            'Papadopoulos', 'Quispe', 'Rossi', 'Silva', 'Tanaka', 'Usman', 'Van den Berg', 'Wang'
        ] AS family
),

-- Materialised: the outer query uses some of the long expressions twice.
generated AS MATERIALIZED (
    SELECT
        id,
        CASE
            WHEN mod(id, 250) = 11 THEN '   '
            WHEN mod(id, 20) = 7 THEN '  savings-' || lpad(id :: TEXT, 7, '0') || ' '
            ELSE (ARRAY['current', 'savings', 'credit', 'mortgage'])[1 + mod(id, 4)]
                || '-' || lpad(id :: TEXT, 7, '0')
        END AS column1,
        CASE
            WHEN mod(id, 100) = 3 THEN 'CANARY-' || md5(id :: TEXT)
            WHEN mod(id, 100) = 41 THEN NULL
            WHEN mod(id, 50) = 19 THEN ' ' || given[1 + floor(v * 25) :: INTEGER] || '  '
            ELSE given[1 + floor(v * 25) :: INTEGER] || ' ' || family[1 + floor(w * 23) :: INTEGER]
        END AS column2,
        CASE
            WHEN mod(id, 250) = 37 THEN -round((1 + u * 500) :: NUMERIC, 2)
            WHEN mod(id, 500) = 53 THEN round((1000000 + u * 9000000) :: NUMERIC, 2)
            WHEN mod(id, 500) = 59 THEN NULL
            ELSE round((u * u * u * 250000) :: NUMERIC, 2)
        END AS column3,
        CASE
            WHEN mod(id, 125) = 23 THEN 'ARCHIVED'
            WHEN w < 0.80 THEN 'ACTIVE'
            WHEN w < 0.92 THEN 'PENDING'
            ELSE 'INACTIVE'
        END AS status,
        created_date,
        CASE
            WHEN mod(id, 200) = 71 THEN created_date - INTERVAL '1 hour'
            WHEN mod(id, 10) = 9 THEN NULL
            ELSE date_trunc(
                'second',
                created_date
                + v * least(INTERVAL '10 days', %(until)s :: TIMESTAMP - created_date)
            )
        END AS updated_date,
        'branch-' || mod(id, 7) AS created_by,
        CASE WHEN mod(id, 20) = 3 THEN 'CONFIDENTIAL' ELSE 'INTERNAL' END AS data_classification
    FROM drawn
    CROSS JOIN names
)

INSERT INTO source_schema.new_source_table (
    id, column1, column2, column3, status, created_date, updated_date, created_by, updated_by,
    data_classification, checksum, version_number
)
SELECT
    id,
    column1,
    column2,
    column3,
    status,
    created_date,
    updated_date,
    created_by,
    CASE WHEN updated_date IS NOT NULL THEN created_by END,
    data_classification,
    source_schema.row_checksum(id, column1, column2, column3),
    CASE WHEN updated_date IS NOT NULL THEN 2 ELSE 1 END
FROM generated
ON CONFLICT (id, created_date) DO NOTHING;

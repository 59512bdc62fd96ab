-- The source tables of the specification (3.1), in PostgreSQL's SQL. Times are UTC, in TIMESTAMP
-- columns without a zone. Its data_lineage is a table of the lakehouse: docs/decisions, 51.

CREATE SCHEMA IF NOT EXISTS source_schema;

-- PostgreSQL wants the partition column in the primary key.
CREATE TABLE IF NOT EXISTS source_schema.new_source_table (
    id                  BIGINT NOT NULL CHECK (id > 0),
    column1             VARCHAR(100) NOT NULL,
    column2             VARCHAR(255),
    column3             DECIMAL(10, 2),
    status              VARCHAR(20) DEFAULT 'ACTIVE', -- any value: bad ones occur in real life
    created_date        TIMESTAMP NOT NULL,
    updated_date        TIMESTAMP,
    created_by          VARCHAR(50),
    updated_by          VARCHAR(50),
    data_classification VARCHAR(20) DEFAULT 'INTERNAL'
        CHECK (data_classification IN ('PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED')),
    checksum            VARCHAR(64) CHECK (length(checksum) = 64),
    version_number      INTEGER DEFAULT 1 CHECK (version_number >= 1),
    PRIMARY KEY (id, created_date)
) PARTITION BY RANGE (created_date);

CREATE TABLE IF NOT EXISTS source_schema.p_2024_01 PARTITION OF source_schema.new_source_table
    FOR VALUES FROM (MINVALUE) TO ('2024-02-01');
CREATE TABLE IF NOT EXISTS source_schema.p_2024_02 PARTITION OF source_schema.new_source_table
    FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE IF NOT EXISTS source_schema.p_2024_03 PARTITION OF source_schema.new_source_table
    FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
CREATE TABLE IF NOT EXISTS source_schema.p_future PARTITION OF source_schema.new_source_table
    DEFAULT;

CREATE INDEX IF NOT EXISTS idx_created_date_status
    ON source_schema.new_source_table (created_date, status);
CREATE INDEX IF NOT EXISTS idx_column1_hash
    ON source_schema.new_source_table USING HASH (column1);
CREATE INDEX IF NOT EXISTS idx_updated_date
    ON source_schema.new_source_table (updated_date) WHERE updated_date IS NOT NULL;

-- What the application writes into `checksum`, against accidents: anyone who guesses the values
-- can compute it.
CREATE OR REPLACE FUNCTION source_schema.row_checksum(
    id BIGINT, column1 TEXT, column2 TEXT, column3 NUMERIC
) RETURNS VARCHAR(64) STABLE LANGUAGE SQL
    RETURN encode(sha256(convert_to(concat_ws('|', id, column1, column2, column3), 'UTF8')), 'hex');

CREATE TABLE IF NOT EXISTS source_schema.existing_table_1 (
    id            INTEGER PRIMARY KEY,
    code          VARCHAR(4) NOT NULL UNIQUE,
    name          VARCHAR(120) NOT NULL,
    latitude      DOUBLE PRECISION NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude     DOUBLE PRECISION NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    altitude_feet INTEGER NOT NULL,
    time_zone     VARCHAR(60),
    updated_date  TIMESTAMP NOT NULL
);

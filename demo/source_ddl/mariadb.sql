-- The source tables of the specification (3.1), in MariaDB's and MySQL's SQL. Times are UTC, in
-- DATETIME columns. Its data_lineage is a table of the lakehouse: docs/decisions, 51.

CREATE DATABASE IF NOT EXISTS source_schema CHARACTER SET utf8mb4;

-- The partition column has to be in the primary key. InnoDB makes an ordered index of one that
-- says HASH, and has no index on a part of the rows.
CREATE TABLE IF NOT EXISTS source_schema.new_source_table (
    id                  BIGINT NOT NULL CHECK (id > 0),
    column1             VARCHAR(100) NOT NULL,
    column2             VARCHAR(255),
    column3             DECIMAL(10, 2),
    status              VARCHAR(20) DEFAULT 'ACTIVE', -- any value: bad ones occur in real life
    created_date        DATETIME(6) NOT NULL,
    updated_date        DATETIME(6),
    created_by          VARCHAR(50),
    updated_by          VARCHAR(50),
    data_classification VARCHAR(20) DEFAULT 'INTERNAL'
        CHECK (data_classification IN ('PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED')),
    checksum            VARCHAR(64) CHECK (char_length(checksum) = 64),
    version_number      INTEGER DEFAULT 1 CHECK (version_number >= 1),
    PRIMARY KEY (id, created_date),
    INDEX idx_created_date_status (created_date, status),
    INDEX idx_column1_hash (column1),
    INDEX idx_updated_date (updated_date)
) PARTITION BY RANGE COLUMNS (created_date) (
    PARTITION p_2024_01 VALUES LESS THAN ('2024-02-01'),
    PARTITION p_2024_02 VALUES LESS THAN ('2024-03-01'),
    PARTITION p_2024_03 VALUES LESS THAN ('2024-04-01'),
    PARTITION p_future VALUES LESS THAN (MAXVALUE)
);

CREATE TABLE IF NOT EXISTS source_schema.existing_table_1 (
    id            INTEGER PRIMARY KEY,
    code          VARCHAR(4) NOT NULL UNIQUE,
    name          VARCHAR(120) NOT NULL,
    latitude      DOUBLE NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude     DOUBLE NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    altitude_feet INTEGER NOT NULL,
    time_zone     VARCHAR(60),
    updated_date  DATETIME(6) NOT NULL
);

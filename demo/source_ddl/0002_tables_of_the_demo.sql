-- A year of flights, in PostgreSQL's SQL. Times are UTC, in TIMESTAMP columns without a zone.

CREATE TABLE IF NOT EXISTS source_schema.airports (
    code      VARCHAR(3) PRIMARY KEY,
    name      VARCHAR(120) NOT NULL,
    time_zone VARCHAR(60)
);

CREATE TABLE IF NOT EXISTS source_schema.planes (
    tail_number  VARCHAR(10) PRIMARY KEY,
    manufacturer VARCHAR(60) NOT NULL,
    model        VARCHAR(40) NOT NULL,
    built_year   INTEGER CHECK (built_year BETWEEN 1903 AND 2013),
    engines      INTEGER NOT NULL CHECK (engines > 0),
    seats        INTEGER NOT NULL CHECK (seats > 0),
    engine_kind  VARCHAR(30) NOT NULL
);

-- One row per scheduled flight, with the data of its aircraft.
CREATE TABLE IF NOT EXISTS source_schema.aircraft (
    flight_id           BIGINT NOT NULL CHECK (flight_id > 0),
    tail_number         VARCHAR(10),          -- null: cancelled before an aircraft was assigned
    carrier             VARCHAR(2) NOT NULL,
    flight_number       INTEGER NOT NULL,
    origin              VARCHAR(3) NOT NULL,
    destination         VARCHAR(3) NOT NULL,  -- four of them are not in `airports`
    scheduled_departure TIMESTAMP NOT NULL,
    departed_at         TIMESTAMP,            -- null: cancelled, or not known to have landed yet
    arrived_at          TIMESTAMP,
    distance_miles      INTEGER NOT NULL CHECK (distance_miles > 0),
    manufacturer        VARCHAR(60),          -- null from here to engine_kind: not in `planes`
    model               VARCHAR(40),
    built_year          INTEGER,
    engines             INTEGER,
    seats               INTEGER,
    engine_kind         VARCHAR(30),
    created_date        TIMESTAMP NOT NULL,
    updated_date        TIMESTAMP NOT NULL,
    PRIMARY KEY (flight_id, created_date),
    CHECK (arrived_at > departed_at),
    CHECK (updated_date >= created_date)
) PARTITION BY RANGE (created_date);

CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_01 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-01-01') TO ('2013-02-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_02 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-02-01') TO ('2013-03-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_03 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-03-01') TO ('2013-04-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_04 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-04-01') TO ('2013-05-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_05 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-05-01') TO ('2013-06-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_06 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-06-01') TO ('2013-07-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_07 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-07-01') TO ('2013-08-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_08 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-08-01') TO ('2013-09-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_09 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-09-01') TO ('2013-10-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_10 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-10-01') TO ('2013-11-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_11 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-11-01') TO ('2013-12-01');
CREATE TABLE IF NOT EXISTS source_schema.aircraft_2013_12 PARTITION OF source_schema.aircraft
    FOR VALUES FROM ('2013-12-01') TO ('2014-01-01');
-- The last evening in New York is already the next year in UTC.
CREATE TABLE IF NOT EXISTS source_schema.aircraft_later PARTITION OF source_schema.aircraft DEFAULT;

CREATE INDEX IF NOT EXISTS idx_aircraft_updated_date ON source_schema.aircraft (updated_date);

-- The completed log, from which the table above is brought to any moment. No part of the source:
-- it contains the future. Unlogged: a crash empties it, and it is filled again from the package.
CREATE SCHEMA IF NOT EXISTS carrier_log;

CREATE UNLOGGED TABLE IF NOT EXISTS carrier_log.flights (
    flight_id           BIGINT NOT NULL,
    tail_number         VARCHAR(10),
    carrier             VARCHAR(2) NOT NULL,
    flight_number       INTEGER NOT NULL,
    origin              VARCHAR(3) NOT NULL,
    destination         VARCHAR(3) NOT NULL,
    scheduled_departure TIMESTAMP NOT NULL,
    departed_at         TIMESTAMP,
    arrived_at          TIMESTAMP,
    distance_miles      INTEGER NOT NULL,
    completed_at        TIMESTAMP
);

"""A table of thirty columns that nobody has seen, with people in it, and one without any time."""

from __future__ import annotations

CANARY = "Zephyrine"
NUMBERS = ("4111111111111111", "5555555555554444", "4012888888881881")
"""Card numbers that no one has."""

TABLES = """
CREATE SCHEMA clinic;
CREATE TYPE clinic.ward AS ENUM ('North', 'South');
CREATE DOMAIN clinic.post_code AS varchar(5) CHECK (length(VALUE) = 5);
CREATE TABLE clinic.insurers (code char(3) PRIMARY KEY, label text NOT NULL);
CREATE TABLE clinic."Unknown Patients" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "eMail" varchar(200) NOT NULL UNIQUE,
    vorname text,
    full_name text,
    "Geburtsdatum" date,
    telefon text,
    plz clinic.post_code,
    card text,
    gehalt numeric(10, 2) CHECK (gehalt >= 0),
    remarks text,
    email_digest text,
    email_lower text GENERATED ALWAYS AS (lower("eMail")) STORED,
    ward clinic.ward NOT NULL,
    insurer char(3) REFERENCES clinic.insurers (code),
    visits integer NOT NULL CHECK (visits BETWEEN 0 AND 500),
    weight real,
    height double precision,
    share numeric,
    tags text[],
    document jsonb,
    photo bytea,
    token uuid,
    stay daterange,
    seen time,
    active boolean NOT NULL,
    "order" smallint,
    "first visit" date,
    "last.visit" date,
    valid_from timestamptz,
    updated_at timestamptz NOT NULL,
    CHECK ("first visit" <= "last.visit")
);
COMMENT ON TABLE clinic."Unknown Patients" IS 'Who was there.';
COMMENT ON COLUMN clinic."Unknown Patients".telefon IS 'Where they are called: # at home';
INSERT INTO clinic.insurers VALUES ('AAA', 'first'), ('BBB', 'second');
"""
INSERT = """
INSERT INTO clinic."Unknown Patients" (
    "eMail", vorname, full_name, "Geburtsdatum", telefon, plz, card, gehalt, remarks, email_digest,
    ward, insurer, visits, weight, height, share, tags, document, photo, token, stay, seen, active,
    "order", "first visit", "last.visit", valid_from, updated_at
)
SELECT
    lower(%(canary)s) || n || '@clinic.example', %(canary)s || n,
    %(canary)s || n || ' Quillfeather',
    DATE '1950-01-01' + n, '+49 30 1234' || (1000 + n), (10000 + n)::text,
    (%(cards)s::text[])[1 + n %% 3], 3000.50 + n,
    'Came with ' || %(canary)s || n || ', who is a friend',
    encode(sha256(convert_to(lower(%(canary)s) || n || '@clinic.example', 'UTF8')), 'hex'),
    (ARRAY['North', 'South'])[1 + n %% 2]::clinic.ward, CASE n %% 3 WHEN 0 THEN 'AAA' END, n,
    n / 3.0, n / 7.0, 'NaN', ARRAY['a', n::text], jsonb_build_object('n', n), '\\x00ff', %(token)s,
    daterange('2024-01-01', NULL), '08:30:00.5', n %% 2 = 0, NULLIF(n, 5), '2024-01-01',
    '2024-02-01', NULL, '2024-03-01'
FROM generate_series(1, 40) AS n
"""
VALUES = {
    "canary": CANARY,
    "cards": list(NUMBERS),
    "token": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
}
CLEAR = {
    "id": "id", "ward": "ward", "insurer": "insurer", "visits": "visits", "share": "share",
    "tags": "tags", "document": "document", "token": "token", "stay": "stay", "seen": "seen",
    "active": "active", "order": "order", "first_visit": "first visit", "last_visit": "last.visit",
}  # fmt: skip
"""Columns that are stored in the clear, with their names in the source."""

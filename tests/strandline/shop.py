"""A database that nobody here knows: twelve tables and views in two schemas, and its reader."""

from __future__ import annotations

READER = "shop_reader"

SHOP = """
CREATE SCHEMA sales; CREATE SCHEMA hr;
CREATE TYPE sales.channel AS ENUM ('web', 'shop', 'phone');
CREATE TABLE sales.customers (
    customer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, city varchar(80), email text,
    preferences jsonb, tags text[], created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sales.products (
    sku varchar(20) PRIMARY KEY, title text NOT NULL, price numeric(10, 2) CHECK (price > 0),
    weight real, discontinued boolean NOT NULL DEFAULT false,
    updated_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE sales.orders (
    order_id bigint PRIMARY KEY, customer_id bigint REFERENCES sales.customers,
    channel sales.channel, placed_on date NOT NULL, total numeric(12, 2),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sales.order_lines (
    order_id bigint REFERENCES sales.orders, line integer,
    sku varchar(20) REFERENCES sales.products, quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, line)
);
CREATE TABLE sales.warehouses (code char(3) PRIMARY KEY, name text, opens time, address inet);
CREATE TABLE sales.stock (
    code char(3) REFERENCES sales.warehouses, sku varchar(20), amount integer,
    PRIMARY KEY (code, sku)
);
CREATE TABLE sales.price_log_of_day (
    id bigint PRIMARY KEY, sku varchar(20), price numeric(10, 2), changed_at timestamptz NOT NULL
);
CREATE TABLE sales.imported (line text, number integer);
CREATE TABLE hr.employees (
    id integer PRIMARY KEY, first_name text, last_name text, iban text, born date
);
CREATE TABLE hr.teams (id integer PRIMARY KEY, name text);
CREATE TABLE hr.salaries (
    employee integer REFERENCES hr.employees, since date, amount money,
    PRIMARY KEY (employee, since)
);
CREATE VIEW sales.open_orders AS SELECT order_id, total FROM sales.orders;
INSERT INTO sales.customers (city, email, preferences, tags, updated_at)
SELECT
    'City ' || n % 50, 'person' || n || '@mail.example', '{"news": true}', '{a,b}',
    timestamptz '2024-01-01' + n * interval '1 minute'
FROM generate_series(1, 200) AS n;
INSERT INTO sales.products
SELECT 'SKU' || n, 'Thing ' || n, n % 90 + 0.5, n, false, timestamp '2024-01-01' + n * interval '1h'
FROM generate_series(1, 60) AS n;
INSERT INTO sales.orders
SELECT
    n, n % 200 + 1, 'web', date '2024-01-01' + n % 100, n,
    timestamptz '2024-02-01' + n * interval '1 minute'
FROM generate_series(1, 500) AS n;
ANALYZE;
CREATE ROLE shop_reader LOGIN PASSWORD 'open sesame';
GRANT USAGE ON SCHEMA sales, hr TO shop_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO shop_reader;
GRANT SELECT ON hr.teams TO shop_reader;
"""

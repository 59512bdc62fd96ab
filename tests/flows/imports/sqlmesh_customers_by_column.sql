MODEL (
  name scd.customers_by_column,
  kind SCD_TYPE_2_BY_COLUMN (
    unique_key (region, customer_id),
    columns [city, credit],
    invalidate_hard_deletes true
  ),
  cron '@hourly',
  start '2024-01-01',
  columns (
    region TEXT, customer_id BIGINT, city TEXT, email TEXT, credit DECIMAL(12, 2),
    updated_at TIMESTAMPTZ
  )
);

SELECT region, customer_id, city, email, credit, updated_at FROM crm.customers

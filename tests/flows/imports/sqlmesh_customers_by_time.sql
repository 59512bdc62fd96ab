MODEL (
  name scd.customers_by_time,
  kind SCD_TYPE_2_BY_TIME (
    unique_key customer_id,
    updated_at_name updated_at,
    invalidate_hard_deletes true,
    time_data_type TIMESTAMPTZ
  ),
  cron '@hourly',
  start '2024-01-01',
  columns (
    region TEXT, customer_id BIGINT, city TEXT, email TEXT, credit DECIMAL(12, 2),
    updated_at TIMESTAMPTZ
  )
);

SELECT region, customer_id, city, email, credit, updated_at FROM crm.customers

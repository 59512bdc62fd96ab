{% snapshot customers_legacy %}
{{
    config(
      schema='snapshots',
      unique_key='customer_id',
      strategy='timestamp',
      updated_at='updated_at'
    )
}}
select customer_id, city, updated_at from {{ source('shop', 'customers') }}
{% endsnapshot %}

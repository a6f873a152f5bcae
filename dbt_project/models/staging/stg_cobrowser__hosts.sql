-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'hosts') %}
{%- set there = columns_of(table) %}
select
    coalesce({{ column('id', there) }}, '') as id,
    cast({{ column('account_id', there) }} as varchar) as account_id,
    cast({{ column('hostname', there) }} as varchar) as hostname,
    cast({{ column('multiple_acc_id', there) }} as varchar) as multiple_acc_id,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'accounts') %}
{%- set there = columns_of(table) %}
select
    coalesce({{ column('id', there) }}, '') as id,
    cast({{ column('name', there) }} as varchar) as name,
    cast({{ column('postfix', there) }} as varchar) as postfix,
    cast({{ column('reseller_id', there) }} as varchar) as reseller_id,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

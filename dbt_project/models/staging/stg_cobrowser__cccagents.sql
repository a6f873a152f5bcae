-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'cccagents') %}
{%- set there = columns_of(table) %}
select
    coalesce({{ column('id', there) }}, '') as id,
    cast({{ column('username', there) }} as varchar) as username,
    cast({{ column('firstname', there) }} as varchar) as firstname,
    cast({{ column('lastname', there) }} as varchar) as lastname,
    cast({{ column('email', there) }} as varchar) as email,
    cast({{ column('cccaccount_id', there) }} as varchar) as cccaccount_id,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

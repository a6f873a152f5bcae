-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'agents') %}
{%- set there = columns_of(table) %}
select
    coalesce({{ column('id', there) }}, '') as id,
    cast({{ column('username', there) }} as varchar) as username,
    cast({{ column('firstname', there) }} as varchar) as firstname,
    cast({{ column('lastname', there) }} as varchar) as lastname,
    cast({{ column('email', there) }} as varchar) as email,
    cast({{ column('account_id', there) }} as varchar) as account_id,
    cast({{ column('cccagent_id', there) }} as varchar) as cccagent_id,
    cast({{ column('disabled', there) }} as boolean) as disabled,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

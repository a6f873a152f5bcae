-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'cccagentgroups') %}
{%- set there = columns_of(table) %}
select
    coalesce({{ column('cccagent_id', there) }}, '') as cccagent_id,
    coalesce({{ column('cccgroup_id', there) }}, '') as cccgroup_id,
    cast({{ column('cccgroup_name', there) }} as varchar) as cccgroup_name,
    cast({{ column('cccaccount_id', there) }} as varchar) as cccaccount_id,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'cccslotsactivity') %}
{%- set there = columns_of(table) %}
select
    cast({{ column('cccagent_id', there) }} as varchar) as cccagent_id,
    {{ utc(column('time_start', there)) }} as time_start,
    {{ local(utc(column('time_start', there))) }} as time_start_local,
    cast({{ column('action', there) }} as varchar) as action,
    cast({{ column('account_id', there) }} as varchar) as account_id,
    cast({{ column('browse_id', there) }} as varchar) as browse_id,
    cast({{ column('session_id', there) }} as varchar) as session_id,
    coalesce({{ column('activity_id', there) }}, '') as activity_id,
    cast({{ column('numslots_used', there) }} as bigint) as numslots_used,
    cast({{ column('numslots_max', there) }} as bigint) as numslots_max,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

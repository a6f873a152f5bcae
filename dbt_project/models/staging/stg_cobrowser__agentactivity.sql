-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'agentactivity') %}
{%- set there = columns_of(table) %}
select
    cast({{ column('agent_id', there) }} as varchar) as agent_id,
    {{ utc(column('time_start', there)) }} as time_start,
    {{ local(utc(column('time_start', there))) }} as time_start_local,
    {{ utc(column('time_end', there)) }} as time_end,
    {{ local(utc(column('time_end', there))) }} as time_end_local,
    cast({{ column('state', there) }} as varchar) as state,
    cast({{ column('duration_secs', there) }} as double precision) as duration_secs,
    cast({{ column('account_id', there) }} as varchar) as account_id,
    coalesce({{ column('activity_id', there) }}, '') as activity_id,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

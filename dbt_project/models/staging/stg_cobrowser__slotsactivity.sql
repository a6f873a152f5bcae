-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'slotsactivity') %}
{%- set there = columns_of(table) %}
select
    cast({{ column('agent_id', there) }} as varchar) as agent_id,
    {{ utc(column('time_start', there)) }} as time_start,
    {{ local(utc(column('time_start', there))) }} as time_start_local,
    cast({{ column('action', there) }} as varchar) as action,
    cast({{ column('account_id', there) }} as varchar) as account_id,
    cast({{ column('browse_id', there) }} as varchar) as browse_id,
    cast({{ column('session_id', there) }} as varchar) as session_id,
    coalesce({{ column('activity_id', there) }}, '') as activity_id,
    cast({{ column('numslots_used', there) }} as bigint) as numslots_used,
    cast({{ column('numslots_max', there) }} as bigint) as numslots_max,
    cast({{ column('open_duration', there) }} as double precision) as open_duration,
    cast({{ column('closed_duration', there) }} as double precision) as closed_duration,
    cast({{ column('new_duration', there) }} as double precision) as new_duration,
    cast({{ column('sleeping_duration', there) }} as double precision) as sleeping_duration,
    cast({{ column('burning_duration', there) }} as double precision) as burning_duration,
    cast({{ column('presetName', there) }} as varchar) as preset_name,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'agentperformance') %}
{%- set there = columns_of(table) %}
select
    coalesce({{ column('agent_id', there) }}, '') as agent_id,
    coalesce({{ column('session_id', there) }}, '') as session_id,
    coalesce({{ column('preset', there) }}, '') as preset,
    {{ utc(column('session_start', there)) }} as session_start,
    {{ local(utc(column('session_start', there))) }} as session_start_local,
    cast({{ column('numChats', there) }} as bigint) as num_chats,
    cast({{ column('numBreaks', there) }} as bigint) as num_breaks,
    cast({{ column('numIgnored', there) }} as bigint) as num_ignored,
    cast({{ column('numAbandoned', there) }} as bigint) as num_abandoned,
    cast({{ column('avgConcurrency', there) }} as double precision) as avg_concurrency,
    cast({{ column('firstResponseDuration', there) }} as double precision) as first_response_duration,
    cast({{ column('openDuration', there) }} as double precision) as open_duration,
    cast({{ column('closedDuration', there) }} as double precision) as closed_duration,
    cast({{ column('newDuration', there) }} as double precision) as new_duration,
    cast({{ column('sleepingDuration', there) }} as double precision) as sleeping_duration,
    cast({{ column('burningDuration', there) }} as double precision) as burning_duration,
    cast({{ column('onlineDuration', there) }} as double precision) as online_duration,
    cast({{ column('offlineDuration', there) }} as double precision) as offline_duration,
    cast({{ column('availableDuration', there) }} as double precision) as available_duration,
    cast({{ column('idleDuration', there) }} as double precision) as idle_duration,
    cast({{ column('sessionDuration', there) }} as double precision) as session_duration,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'filterstatshourly') %}
{%- set there = columns_of(table) %}
select
    coalesce({{ column('account_id', there) }}, '') as account_id,
    {{ utc(column('hourBegin_time', there)) }} as hour_begin_time,
    {{ local(utc(column('hourBegin_time', there))) }} as hour_begin_time_local,
    {{ utc(column('hourEnd_time', there)) }} as hour_end_time,
    {{ local(utc(column('hourEnd_time', there))) }} as hour_end_time_local,
    cast({{ column('hourOfDay', there) }} as bigint) as hour_of_day,
    coalesce({{ column('id', there) }}, '') as id,
    cast({{ column('filtername', there) }} as varchar) as filtername,
    cast({{ column('num_proactive', there) }} as bigint) as num_proactive,
    cast({{ column('num_proactive_accepted', there) }} as bigint) as num_proactive_accepted,
    cast({{ column('num_proactive_declined', there) }} as bigint) as num_proactive_declined,
    cast({{ column('num_proactive_match', there) }} as bigint) as num_proactive_match,
    cast({{ column('num_proactive_cancelled', there) }} as bigint) as num_proactive_cancelled,
    cast({{ column('num_proactive_no_availability', there) }} as bigint) as num_proactive_no_availability,
    cast({{ column('num_proactive_expired', there) }} as bigint) as num_proactive_expired,
    cast({{ column('num_proactive_ignored', there) }} as bigint) as num_proactive_ignored,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'accountspecshourly') %}
{%- set there = columns_of(table) %}
select
    coalesce({{ column('account_id', there) }}, '') as account_id,
    {{ utc(column('hourBegin_time', there)) }} as hour_begin_time,
    {{ local(utc(column('hourBegin_time', there))) }} as hour_begin_time_local,
    {{ utc(column('hourEnd_time', there)) }} as hour_end_time,
    {{ local(utc(column('hourEnd_time', there))) }} as hour_end_time_local,
    cast({{ column('hourOfDay', there) }} as bigint) as hour_of_day,
    cast({{ column('num_vists', there) }} as bigint) as num_visits,
    cast({{ column('num_pageviews', there) }} as bigint) as num_pageviews,
    cast({{ column('num_visitors', there) }} as bigint) as num_visitors,
    cast({{ column('num_reactive', there) }} as bigint) as num_reactive,
    cast({{ column('num_reactive_accepted', there) }} as bigint) as num_reactive_accepted,
    cast({{ column('num_proactive', there) }} as bigint) as num_proactive,
    cast({{ column('num_proactive_accepted', there) }} as bigint) as num_proactive_accepted,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

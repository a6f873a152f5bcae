{%- set moments = {
    'conversations': 'conversation_start_local',
    'emails': 'sent_at_local',
    'agentactivity': 'time_start_local',
    'slotsactivity': 'time_start_local',
    'agentperformance': 'session_start_local',
    'accountspecshourly': 'hour_begin_time_local',
    'hostspecshourly': 'hour_begin_time_local',
    'filterstatshourly': 'hour_begin_time_local',
} -%}
with counted as (
    {%- for stream, moment in moments.items() %}
    select '{{ stream }}' as stream, cast({{ moment }} as date) as day, count(*) as row_count
    from {{ ref('stg_cobrowser__' ~ stream) }}
    group by cast({{ moment }} as date)
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- A stream whose table is not there has no row here.
streams as (
    select stream
    from {{ ref('cobrowser__stream_status') }}
    where is_loaded and stream in ({% for stream in moments %}'{{ stream }}'{{ ', ' if not loop.last }}{% endfor %})
),

days as (
    select distinct day from {{ ref('cobrowser__hours') }}
)

select
    streams.stream,
    days.day,
    coalesce(counted.row_count, 0) as row_count
from days
cross join streams
left join counted on streams.stream = counted.stream and days.day = counted.day

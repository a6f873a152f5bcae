-- Every hour that the data speak of, counted from the first day's midnight in the account's zone,
-- so that a day has 23 or 25 of them when the clock is changed. States and sessions of agents may
-- have begun before the days that were loaded: they count only if nothing else is there.
with moments as (
    {%- for stream, moment in {
        'accountspecshourly': 'hour_begin_time',
        'hostspecshourly': 'hour_begin_time',
        'filterstatshourly': 'hour_begin_time',
        'conversations': 'conversation_start',
        'emails': 'sent_at',
        'agentactivity': 'time_start',
        'slotsactivity': 'time_start',
        'agentperformance': 'session_start',
    }.items() %}
    select {{ moment }} as moment, {{ stream in ['agentactivity', 'slotsactivity', 'agentperformance'] }} as reaches_back
    from {{ ref('stg_' ~ stream) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

limits as (
    select
        coalesce(min(case when not reaches_back then moment end), min(moment)) as first_moment,
        max(moment) as last_moment
    from moments
),

bounds as (
    select
        {{ from_local('cast(cast(' ~ local('first_moment') ~ ' as date) as timestamp)') }} as first_moment,
        last_moment
    from limits
),

-- 2 to the power of 18 hours are thirty years
numbers as (
    {{ dbt.generate_series(262144) }}
),

hours as (
    select {{ dbt.dateadd('hour', 'cast(numbers.generated_number - 1 as integer)', 'bounds.first_moment') }} as hour_begin
    from bounds
    inner join numbers
        on {{ dbt.datediff('bounds.first_moment', 'bounds.last_moment', 'hour') }} >= numbers.generated_number - 1
)

select
    hour_begin,
    {{ dbt.dateadd('hour', 1, 'hour_begin') }} as hour_end,
    {{ local('hour_begin') }} as hour_begin_local,
    cast({{ local('hour_begin') }} as date) as day
from hours

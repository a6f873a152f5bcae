-- Every hour that the data speak of, counted from the first day's midnight in the account's zone,
-- so that a day has 23 or 25 of them when the clock is changed. States and sessions of agents may
-- have begun before the days that were loaded: they count only if nothing else is there.
with limits as (
    select
        coalesce(
            min(case when stream not in ('agentactivity', 'slotsactivity', 'agentperformance') then first_row end),
            min(first_row)
        ) as first_moment,
        max(last_row) as last_moment
    from {{ ref('cobrowser__stream_status') }}
    where stream <> 'cccslotsactivity'
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

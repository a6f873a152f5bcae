-- Every hour that the data speak of, counted from the first day's midnight in the account's zone,
-- so that a day has 23 or 25 of them when the clock is changed.
with moments as (
    select hour_begin_time as moment from {{ ref('stg_accountspecshourly') }}
    union all
    select hour_begin_time as moment from {{ ref('stg_hostspecshourly') }}
    union all
    select hour_begin_time as moment from {{ ref('stg_filterstatshourly') }}
    union all
    select conversation_start as moment from {{ ref('stg_conversations') }}
    union all
    select sent_at as moment from {{ ref('stg_emails') }}
),

bounds as (
    select
        {{ from_local('cast(cast(' ~ local('min(moment)') ~ ' as date) as timestamp)') }} as first_moment,
        max(moment) as last_moment
    from moments
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

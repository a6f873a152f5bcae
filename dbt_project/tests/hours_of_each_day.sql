{{ config(severity='warn') }}
-- Days on which an active account has fewer or more hours than the day has: 24, or 23 and 25 when
-- the clock is changed. The last day is not over. The API's page does not promise silent hours.
with days as (
    select day, count(*) as hours
    from {{ ref('cobrowser__hours') }}
    where day < (select max(day) from {{ ref('cobrowser__hours') }})
    group by day
),

found as (
    select account_id, cast(hour_begin_time_local as date) as day, count(*) as hours
    from {{ ref('stg_cobrowser__accountspecshourly') }}
    group by account_id, cast(hour_begin_time_local as date)
)

select found.account_id, found.day, found.hours, days.hours as expected
from found
inner join days on found.day = days.day
where found.hours <> days.hours

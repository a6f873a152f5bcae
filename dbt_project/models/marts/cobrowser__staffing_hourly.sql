-- Requests come from the hourly statistics, agents from their states: either may be there alone.
with asked as (
    select
        coalesce(account_id, '') as account_id,
        hour_begin,
        sum(reactive) as reactive,
        sum(reactive) - sum(reactive_accepted) as missed,
        sum(chats) as chats
    from {{ ref('cobrowser__chat_hourly') }}
    group by coalesce(account_id, ''), hour_begin
),

worked as (
    select
        coalesce(account_id, '') as account_id,
        hour_begin,
        sum(online_seconds) as online_seconds
    from {{ ref('cobrowser__agent_hours') }}
    group by coalesce(account_id, ''), hour_begin
),

pairs as (
    select account_id, hour_begin from asked
    union
    select account_id, hour_begin from worked
)

select
    pairs.account_id,
    pairs.hour_begin,
    hours.hour_begin_local,
    hours.day,
    cast(extract(hour from hours.hour_begin_local) as integer) as hour_of_day,
    {{ weekday('hours.hour_begin_local') }} as weekday,
    accounts.name as account_name,
    asked.reactive,
    asked.missed,
    {{ ratio('asked.missed', 'asked.reactive') }} as missed_share,
    asked.chats,
    worked.online_seconds,
    {{ ratio('worked.online_seconds', '3600') }} as agents_online
from pairs
inner join {{ ref('cobrowser__hours') }} as hours on pairs.hour_begin = hours.hour_begin
left join asked on pairs.account_id = asked.account_id and pairs.hour_begin = asked.hour_begin
left join worked on pairs.account_id = worked.account_id and pairs.hour_begin = worked.hour_begin
left join {{ ref('stg_cobrowser__accounts') }} as accounts on pairs.account_id = accounts.id

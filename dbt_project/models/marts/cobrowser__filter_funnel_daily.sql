with days as (
    select
        account_id,
        id as filter_id,
        cast(hour_begin_time_local as date) as day,
        max(filtername) as filter_name,
        sum(num_proactive_match) as matches,
        sum(num_proactive) as invited,
        sum(num_proactive_accepted) as accepted,
        sum(num_proactive_declined) as declined,
        sum(num_proactive_expired) as expired,
        sum(num_proactive_ignored) as ignored,
        sum(num_proactive_cancelled) as cancelled,
        sum(num_proactive_no_availability) as no_agent
    from {{ ref('stg_cobrowser__filterstatshourly') }}
    group by account_id, id, cast(hour_begin_time_local as date)
)

select
    days.account_id,
    days.filter_id,
    days.day,
    days.filter_name,
    accounts.name as account_name,
    days.matches,
    days.invited,
    {{ ratio('days.invited', 'days.matches') }} as invitation_rate,
    days.accepted,
    {{ ratio('days.accepted', 'days.invited') }} as acceptance_rate,
    days.declined,
    days.expired,
    days.ignored,
    days.cancelled,
    days.no_agent
from days
left join {{ ref('stg_cobrowser__accounts') }} as accounts on days.account_id = accounts.id

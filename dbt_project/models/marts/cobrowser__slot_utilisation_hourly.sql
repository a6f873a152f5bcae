select
    agent_hours.account_id,
    agent_hours.hour_begin,
    agent_hours.hour_begin_local,
    agent_hours.day,
    max(accounts.name) as account_name,
    count(*) as agents_online,
    sum(agent_hours.online_seconds) as online_seconds,
    sum(agent_hours.busy_seconds) as busy_seconds,
    sum(agent_hours.used_slot_seconds) as used_slot_seconds,
    sum(agent_hours.usable_slot_seconds) as usable_slot_seconds,
    {{ ratio('sum(agent_hours.used_slot_seconds)', 'sum(agent_hours.usable_slot_seconds)') }} as utilisation
from {{ ref('cobrowser__agent_hours') }} as agent_hours
left join {{ ref('stg_cobrowser__accounts') }} as accounts on agent_hours.account_id = accounts.id
group by
    agent_hours.account_id,
    agent_hours.hour_begin,
    agent_hours.hour_begin_local,
    agent_hours.day

select
    hourly.account_id,
    hourly.host_id,
    hourly.hour_begin_time as hour_begin,
    hourly.hour_begin_time_local as hour_begin_local,
    cast(hourly.hour_begin_time_local as date) as day,
    hourly.hour_of_day,
    {{ weekday('hourly.hour_begin_time_local') }} as weekday,
    accounts.name as account_name,
    hosts.hostname as host_name,
    hourly.num_visits as visits,
    hourly.num_visitors as visitors,
    hourly.num_pageviews as page_views,
    hourly.num_reactive as reactive,
    hourly.num_reactive_accepted as reactive_accepted,
    {{ ratio('hourly.num_reactive_accepted', 'hourly.num_reactive') }} as reactive_acceptance,
    hourly.num_proactive as proactive,
    hourly.num_proactive_accepted as proactive_accepted,
    {{ ratio('hourly.num_proactive_accepted', 'hourly.num_proactive') }} as proactive_acceptance,
    coalesce(hourly.num_reactive_accepted, 0) + coalesce(hourly.num_proactive_accepted, 0) as chats
from {{ ref('stg_cobrowser__hostspecshourly') }} as hourly
left join {{ ref('stg_cobrowser__accounts') }} as accounts on hourly.account_id = accounts.id
left join {{ ref('stg_cobrowser__hosts') }} as hosts on hourly.host_id = hosts.id

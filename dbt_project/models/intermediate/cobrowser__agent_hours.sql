-- Of each agent and hour: how long they were online, and what their slots did in that time.
with moments as (
    select max(time_start) as moment from {{ ref('stg_cobrowser__agentactivity') }}
    union all
    select max(time_end) as moment from {{ ref('stg_cobrowser__agentactivity') }}
    union all
    select max(time_start) as moment from {{ ref('stg_cobrowser__slotsactivity') }}
),

-- What lasts is counted until the last moment that any row speaks of.
present as (
    select max(moment) as moment from moments
),

online as (
    select
        activity.agent_id,
        coalesce(activity.account_id, '') as account_id,
        activity.time_start as began,
        coalesce(activity.time_end, present.moment) as ended
    from {{ ref('stg_cobrowser__agentactivity') }} as activity
    cross join present
    where activity.state = 'online'
),

-- A change of slots holds until the agent's next one. Of two at the same second, the one that
-- frees a slot comes first.
slots as (
    select
        changes.agent_id,
        changes.time_start as began,
        coalesce(
            lead(changes.time_start) over (
                partition by changes.agent_id
                order by changes.time_start, changes.action desc, changes.activity_id
            ),
            present.moment
        ) as ended,
        changes.numslots_used,
        changes.numslots_max
    from {{ ref('stg_cobrowser__slotsactivity') }} as changes
    cross join present
),

online_hours as (
    select
        online.agent_id,
        online.account_id,
        hours.hour_begin,
        hours.hour_begin_local,
        hours.day,
        greatest(online.began, hours.hour_begin) as began,
        least(online.ended, hours.hour_end) as ended
    from online
    inner join {{ ref('cobrowser__hours') }} as hours
        on online.began < hours.hour_end and online.ended > hours.hour_begin
),

time_online as (
    select
        agent_id,
        account_id,
        hour_begin,
        hour_begin_local,
        day,
        sum({{ dbt.datediff('began', 'ended', 'second') }}) as online_seconds
    from online_hours
    group by agent_id, account_id, hour_begin, hour_begin_local, day
),

parts as (
    select
        online_hours.agent_id,
        online_hours.account_id,
        online_hours.hour_begin,
        slots.numslots_used,
        slots.numslots_max,
        greatest(online_hours.began, slots.began) as began,
        least(online_hours.ended, slots.ended) as ended
    from online_hours
    inner join slots
        on
            online_hours.agent_id = slots.agent_id
            and online_hours.began < slots.ended
            and online_hours.ended > slots.began
),

seconds as (
    select
        agent_id,
        account_id,
        hour_begin,
        numslots_used,
        numslots_max,
        {{ dbt.datediff('began', 'ended', 'second') }} as seconds
    from parts
),

in_slots as (
    select
        agent_id,
        account_id,
        hour_begin,
        sum(case when numslots_used > 0 then seconds else 0 end) as busy_seconds,
        sum(numslots_used * seconds) as used_slot_seconds,
        sum(numslots_max * seconds) as usable_slot_seconds
    from seconds
    group by agent_id, account_id, hour_begin
)

select
    time_online.agent_id,
    time_online.account_id,
    time_online.hour_begin,
    time_online.hour_begin_local,
    time_online.day,
    time_online.online_seconds,
    coalesce(in_slots.busy_seconds, 0) as busy_seconds,
    coalesce(in_slots.used_slot_seconds, 0) as used_slot_seconds,
    coalesce(in_slots.usable_slot_seconds, 0) as usable_slot_seconds
from time_online
left join in_slots
    on
        time_online.agent_id = in_slots.agent_id
        and time_online.account_id = in_slots.account_id
        and time_online.hour_begin = in_slots.hour_begin

-- A session has a row for each preset, and each has the whole session's durations: the greatest
-- of them is the session's, whereas chats are those of the preset and add up.
with sessions as (
    select
        agent_id,
        session_id,
        cast(min(session_start_local) as date) as day,
        max(online_duration) as online_seconds,
        max(offline_duration) as offline_seconds,
        max(session_duration) as session_seconds,
        max(num_breaks) as breaks,
        sum(num_chats) as chats,
        sum(num_ignored) as ignored,
        sum(num_abandoned) as abandoned
    from {{ ref('stg_cobrowser__agentperformance') }}
    group by agent_id, session_id
),

session_days as (
    select
        agent_id,
        day,
        count(*) as sessions,
        sum(online_seconds) as session_online_seconds,
        sum(offline_seconds) as session_offline_seconds,
        sum(session_seconds) as session_seconds,
        sum(breaks) as breaks,
        sum(chats) as chats,
        sum(ignored) as ignored,
        sum(abandoned) as abandoned
    from sessions
    group by agent_id, day
),

online_days as (
    select
        agent_id,
        day,
        sum(online_seconds) as online_seconds,
        sum(busy_seconds) as busy_seconds,
        sum(used_slot_seconds) as used_slot_seconds
    from {{ ref('cobrowser__agent_hours') }}
    group by agent_id, day
),

agent_days as (
    select agent_id, day from session_days
    union
    select agent_id, day from online_days
)

select
    agent_days.agent_id,
    agent_days.day,
    agents.account_id,
    trim(coalesce(agents.firstname, '') || ' ' || coalesce(agents.lastname, '')) as agent_name,
    coalesce(online_days.online_seconds, 0) as online_seconds,
    coalesce(online_days.busy_seconds, 0) as busy_seconds,
    {{ ratio('online_days.busy_seconds', 'online_days.online_seconds') }} as occupancy,
    coalesce(online_days.used_slot_seconds, 0) as used_slot_seconds,
    {{ ratio('online_days.used_slot_seconds', 'online_days.busy_seconds') }} as concurrency,
    coalesce(session_days.sessions, 0) as sessions,
    session_days.session_seconds,
    session_days.session_online_seconds,
    session_days.session_offline_seconds,
    session_days.breaks,
    session_days.chats,
    session_days.ignored,
    {{ ratio('session_days.ignored', 'session_days.chats') }} as ignored_share,
    session_days.abandoned,
    {{ ratio('session_days.abandoned', 'session_days.chats') }} as abandoned_share
from agent_days
left join session_days on agent_days.agent_id = session_days.agent_id and agent_days.day = session_days.day
left join online_days on agent_days.agent_id = online_days.agent_id and agent_days.day = online_days.day
left join {{ ref('stg_cobrowser__agents') }} as agents on agent_days.agent_id = agents.id

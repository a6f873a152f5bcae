-- Agents whose time in sessions is not that of their sessions, each counted once: a sum over the
-- presets of `agentperformance` overstates it.
with sessions as (
    select agent_id, session_id, max(online_duration) as online_seconds
    from {{ ref('stg_cobrowser__agentperformance') }}
    group by agent_id, session_id
),

once as (
    select agent_id, sum(online_seconds) as online_seconds
    from sessions
    group by agent_id
),

daily as (
    select agent_id, sum(session_online_seconds) as online_seconds
    from {{ ref('cobrowser__agent_daily') }}
    group by agent_id
)

select once.agent_id, once.online_seconds, daily.online_seconds as in_agent_daily
from once
left join daily on once.agent_id = daily.agent_id
where daily.online_seconds is null or abs(daily.online_seconds - once.online_seconds) > 0.5

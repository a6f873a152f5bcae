{{ config(severity='warn') }}
-- Sessions whose presets have different durations of the whole session. `agent_daily` takes the
-- greatest, which holds only if they are the same; the API's page does not say.
select agent_id, session_id
from {{ ref('stg_cobrowser__agentperformance') }}
group by agent_id, session_id
having
    max(online_duration) > min(online_duration)
    or max(offline_duration) > min(offline_duration)
    or max(session_duration) > min(session_duration)

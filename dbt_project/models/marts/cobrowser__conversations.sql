{{ config(
    materialized='incremental',
    unique_key=['browse_id', 'conversation_start'],
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
) }}
-- The one table that grows with every chat: only what was loaded since the last run is built again.
-- A day is kept in hand, since not every target's load time is in UTC.
select
    browse_id,
    conversation_start,
    conversation_start_local,
    cast(conversation_start_local as date) as day,
    cast(extract(hour from conversation_start_local) as integer) as hour_of_day,
    {{ weekday('conversation_start_local') }} as weekday,
    account_id,
    accept_host_id as host_id,
    assigned_agent_id,
    last_agent_id,
    coalesce(assigned_agent_id <> last_agent_id, false) as was_handed_over,
    visitor_id,
    case request_type
        when 'ask_proactive' then 'proactive'
        when 'ask_reactive' then 'reactive'
        else request_type
    end as channel,
    num_messages as messages,
    duration_secs as duration_seconds,
    decision_time as decision_seconds,
    first_response_time as first_response_seconds,
    first_response_time <= {{ var('response_target_seconds') }} as responded_within_target,
    first_reply_time as first_reply_seconds,
    avg_response_time as mean_response_seconds,
    max_response_time as longest_response_seconds,
    successcode as success_code,
    accept_url,
    transcript_url,
    loaded_at
from {{ ref('stg_cobrowser__conversations') }}
{% if is_incremental() %}
where
    loaded_at is null
    or loaded_at >= (select {{ dbt.dateadd('day', -1, 'max(loaded_at)') }} from {{ this }})
    or not exists (select 1 from {{ this }})
{% endif %}

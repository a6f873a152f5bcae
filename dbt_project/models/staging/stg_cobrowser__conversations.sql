-- Made from the catalog: python -m tools.staging
{%- set table = source('cobrowser', 'conversations') %}
{%- set there = columns_of(table) %}
select
    {{ utc(column('conversation_start', there)) }} as conversation_start,
    {{ local(utc(column('conversation_start', there))) }} as conversation_start_local,
    coalesce({{ column('browse_id', there) }}, '') as browse_id,
    cast({{ column('account_id', there) }} as varchar) as account_id,
    cast({{ column('num_messages', there) }} as bigint) as num_messages,
    cast({{ column('duration_secs', there) }} as double precision) as duration_secs,
    cast({{ column('avgMessageLength', there) }} as double precision) as avg_message_length,
    cast({{ column('maxMessageLength', there) }} as double precision) as max_message_length,
    cast({{ column('last_agent_id', there) }} as varchar) as last_agent_id,
    cast({{ column('reseller_id', there) }} as varchar) as reseller_id,
    cast({{ column('visitor_id', there) }} as varchar) as visitor_id,
    cast({{ column('requestType', there) }} as varchar) as request_type,
    cast({{ column('assigned_agent_id', there) }} as varchar) as assigned_agent_id,
    cast({{ column('acceptUrl', there) }} as varchar) as accept_url,
    cast({{ column('accept_host_id', there) }} as varchar) as accept_host_id,
    cast({{ column('decisionTime', there) }} as double precision) as decision_time,
    cast({{ column('firstResponseTime', there) }} as double precision) as first_response_time,
    cast({{ column('transcriptUrl', there) }} as varchar) as transcript_url,
    cast({{ column('avgResponseTime', there) }} as double precision) as avg_response_time,
    cast({{ column('maxResponseTime', there) }} as double precision) as max_response_time,
    cast({{ column('successcode', there) }} as varchar) as successcode,
    cast({{ column('firstReplyTime', there) }} as double precision) as first_reply_time,
    {{ utc(column('_sdc_batched_at', there)) }} as loaded_at
from {{ rows_of(table) }}

{%- set moments = {
    'accounts': none,
    'agents': none,
    'hosts': none,
    'conversations': 'conversation_start',
    'emails': 'sent_at',
    'agentactivity': 'time_start',
    'slotsactivity': 'time_start',
    'agentperformance': 'session_start',
    'accountspecshourly': 'hour_begin_time',
    'hostspecshourly': 'hour_begin_time',
    'filterstatshourly': 'hour_begin_time',
    'cccagents': none,
    'cccagentgroups': none,
    'cccgroupaccounts': none,
    'cccslotsactivity': 'time_start',
} -%}
{%- set loaded = loaded_streams() -%}
with found as (
    {%- for stream, moment in moments.items() %}
    select
        '{{ stream }}' as stream,
        {{ stream in loaded }} as is_loaded,
        count(*) as row_count,
        min({{ moment or 'cast(null as timestamp)' }}) as first_row,
        max({{ moment or 'cast(null as timestamp)' }}) as last_row,
        max(loaded_at) as loaded_at
    from {{ ref('stg_cobrowser__' ~ stream) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    stream,
    is_loaded,
    row_count,
    first_row,
    last_row,
    {{ local('last_row') }} as last_row_local,
    loaded_at
from found

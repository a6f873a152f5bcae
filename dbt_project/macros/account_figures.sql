{# The figures of each account and of all together, for spans of days: a query.

   `days` is a query whose rows are the days of the spans, with the columns in `keys` and `day`.
   Percentiles do not add up, so those of all accounts (`is_total`) are computed from the conversations. #}
{% macro account_figures(days, keys) -%}
with days as (
    {{ days }}
),

spans as (
    select distinct {{ keys | join(', ') }} from days
),

scopes as (
    select false as is_total
    union all
    select true as is_total
),

{%- set sums = {
    'asked': [ref('cobrowser__chat_hourly'), 'visits, reactive, reactive_accepted, proactive, proactive_accepted, chats'],
    'worked': [ref('cobrowser__agent_hours'), 'online_seconds, busy_seconds, used_slot_seconds'],
} -%}
{%- for name, (table, columns) in sums.items() %}

{{ name }} as (
    select
        {% for key in keys %}days.{{ key }}, {% endfor -%}
        scopes.is_total,
        case when not scopes.is_total then coalesce(figures.account_id, '') end as account_id
        {%- for column in columns.split(', ') %},
        sum(figures.{{ column }}) as {{ column }}
        {%- endfor %}
    from days
    inner join {{ table }} as figures on days.day = figures.day
    cross join scopes
    group by {% for key in keys %}days.{{ key }}, {% endfor -%}
        scopes.is_total, case when not scopes.is_total then coalesce(figures.account_id, '') end
),
{%- endfor %}

waited as (
    select
        {% for key in keys %}days.{{ key }}, {% endfor -%}
        scopes.is_total,
        case when not scopes.is_total then coalesce(figures.account_id, '') end as account_id,
        count(*) as conversations,
        count(figures.first_response_seconds) as responded,
        sum(case when figures.responded_within_target then 1 else 0 end) as within_target,
        {{ percentile('figures.first_response_seconds', 0.5) }} as first_response_p50,
        {{ percentile('figures.first_response_seconds', 0.9) }} as first_response_p90
    from days
    inner join {{ ref('cobrowser__conversations') }} as figures on days.day = figures.day
    cross join scopes
    group by {% for key in keys %}days.{{ key }}, {% endfor -%}
        scopes.is_total, case when not scopes.is_total then coalesce(figures.account_id, '') end
),

accounts as (
    {%- for name in ['asked', 'worked', 'waited'] %}
    select is_total, account_id from {{ name }}
    {%- if not loop.last %}
    union
    {%- endif %}
    {%- endfor %}
)

select
    {% for key in keys %}spans.{{ key }}, {% endfor -%}
    accounts.is_total,
    accounts.account_id,
    named.name as account_name,
    asked.visits,
    asked.reactive,
    asked.reactive_accepted,
    asked.reactive - asked.reactive_accepted as missed,
    {{ ratio('asked.reactive_accepted', 'asked.reactive') }} as reactive_acceptance,
    asked.proactive,
    asked.proactive_accepted,
    {{ ratio('asked.proactive_accepted', 'asked.proactive') }} as proactive_acceptance,
    asked.chats,
    waited.conversations,
    waited.responded,
    waited.within_target,
    {{ ratio('waited.within_target', 'waited.responded') }} as share_within_target,
    waited.first_response_p50,
    waited.first_response_p90,
    worked.online_seconds,
    worked.busy_seconds,
    {{ ratio('worked.busy_seconds', 'worked.online_seconds') }} as occupancy,
    worked.used_slot_seconds,
    {{ ratio('worked.used_slot_seconds', 'worked.busy_seconds') }} as concurrency
from spans
cross join accounts
left join {{ ref('stg_cobrowser__accounts') }} as named on accounts.account_id = named.id
{%- for name in ['asked', 'worked', 'waited'] %}
left join {{ name }}
    on
        {% for key in keys %}spans.{{ key }} = {{ name }}.{{ key }} and {% endfor -%}
        accounts.is_total = {{ name }}.is_total
        and coalesce(accounts.account_id, '') = coalesce({{ name }}.account_id, '')
{%- endfor %}
{%- endmacro %}

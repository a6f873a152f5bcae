{# Prints the figures for the page of charts as one line of JSON: `dbt --quiet run-operation figures`.
   Each figure is a sum, or a percentile over conversations; the page computes the rates. #}
{% macro figures() %}
    {%- set queries = {} -%}

    {%- set period -%}
        select min(day) as first_day, max(day) as last_day, count(distinct day) as days
        from {{ ref('coverage_daily') }}
    {%- endset -%}
    {%- do queries.update(period=period) -%}

    {%- set hours -%}
        select weekday, hour_of_day, sum(chats) as chats, count(distinct day) as days
        from {{ ref('chat_hourly') }}
        group by weekday, hour_of_day
    {%- endset -%}
    {%- do queries.update(hours=hours) -%}

    {%- for grain in ['day', 'account_id'] -%}
        {%- set acceptance -%}
            select
                {{ grain }},
                max(account_name) as account_name,
                sum(visits) as visits,
                sum(reactive) as reactive,
                sum(reactive_accepted) as reactive_accepted,
                sum(proactive) as proactive,
                sum(proactive_accepted) as proactive_accepted
            from {{ ref('chat_hourly') }}
            group by {{ grain }}
            order by {{ grain }}
        {%- endset -%}
        {%- do queries.update({'acceptance_by_' ~ grain: acceptance}) -%}
    {%- endfor -%}

    {%- for grain in ["''", 'day', 'account_id'] -%}
        {%- set responses -%}
            select
                {{ 'conversations.' ~ grain if loop.index > 1 else 'count(*) as conversations' }},
                max(accounts.name) as account_name,
                count(conversations.first_response_seconds) as responded,
                sum(case when conversations.responded_within_target then 1 else 0 end) as within_target,
                {{ percentile('conversations.first_response_seconds', 0.5) }} as p50,
                {{ percentile('conversations.first_response_seconds', 0.9) }} as p90
            from {{ ref('conversations') }} as conversations
            left join {{ ref('stg_accounts') }} as accounts on conversations.account_id = accounts.id
            {%- if loop.index > 1 %}
            group by conversations.{{ grain }}
            order by conversations.{{ grain }}
            {%- endif %}
        {%- endset -%}
        {%- do queries.update({'responses' ~ ('_by_' ~ grain if loop.index > 1 else ''): responses}) -%}
    {%- endfor -%}

    {%- set agents -%}
        select
            agent_id,
            max(agent_name) as agent_name,
            sum(online_seconds) as online_seconds,
            sum(busy_seconds) as busy_seconds,
            sum(used_slot_seconds) as used_slot_seconds,
            sum(chats) as chats,
            sum(ignored) as ignored,
            sum(abandoned) as abandoned
        from {{ ref('agent_daily') }}
        group by agent_id
        order by agent_id
    {%- endset -%}
    {%- do queries.update(agents=agents) -%}

    {%- set filters -%}
        select
            filter_id,
            max(filter_name) as filter_name,
            sum(matches) as matches,
            sum(invited) as invited,
            sum(accepted) as accepted,
            sum(declined) as declined,
            sum(expired) as expired,
            sum(ignored) as ignored,
            sum(cancelled) as cancelled,
            sum(no_agent) as no_agent
        from {{ ref('filter_funnel_daily') }}
        group by account_id, filter_id
        order by account_id, filter_id
    {%- endset -%}
    {%- do queries.update(filters=filters) -%}

    {%- set coverage -%}
        select stream, day, row_count from {{ ref('coverage_daily') }} order by stream, day
    {%- endset -%}
    {%- do queries.update(coverage=coverage) -%}

    {%- set found = {'timezone': timezone(), 'target_seconds': var('response_target_seconds')} -%}
    {%- for name, query in queries.items() -%}
        {%- set rows = [] -%}
        {%- for row in run_query(query).rows -%}
            {%- set cells = {} -%}
            {%- for column, value in row.dict().items() -%}
                {%- if value is none or value is string -%}
                    {%- do cells.update({column | lower: value}) -%}
                {%- elif value is number -%}
                    {%- do cells.update({column | lower: value | float}) -%}
                {%- else -%}
                    {%- do cells.update({column | lower: value | string | truncate(10, true, '', 0)}) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- do rows.append(cells) -%}
        {%- endfor -%}
        {%- do found.update({name: rows}) -%}
    {%- endfor -%}
    {%- do print(tojson(found)) -%}
{% endmacro %}

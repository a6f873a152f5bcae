{# Prints the figures for the page of charts as one line of JSON: `dbt --quiet run-operation figures`.
   Each is a sum, or a percentile over conversations; the page computes the rates. The total of all
   accounts has the account `*`. #}
{% macro figures() %}
    {%- set queries = {} -%}

    {#- `.example` is reserved: no real host or account has such a name. -#}
    {%- set status -%}
        select
            (select min(day) from {{ ref('cobrowser__hours') }}) as first_day,
            (select max(day) from {{ ref('cobrowser__hours') }}) as last_day,
            (select max(last_row_local) from {{ ref('cobrowser__stream_status') }}) as data_until,
            (
                (select count(*) from {{ ref('stg_cobrowser__hosts') }} where hostname like '%.example')
                + (select count(*) from {{ ref('stg_cobrowser__accounts') }} where postfix like '%.example')
                + (
                    select count(*) from {{ ref('cobrowser__conversations') }}
                    where transcript_url like 'https://client.cobrowser.example/%'
                )
            ) as made_up
    {%- endset -%}
    {%- do queries.update(status=status) -%}

    {%- set periods -%}
        select weeks, part, first_day, last_day from {{ ref('cobrowser__periods') }} order by weeks, part
    {%- endset -%}
    {%- do queries.update(periods=periods) -%}

    {#- The accounts that can be chosen on the page: those with the most chats. -#}
    {%- set accounts -%}
        select account_id, account_name
        from {{ ref('cobrowser__account_periods') }}
        where
            not is_total
            and part = 'current'
            and weeks = (select max(weeks) from {{ ref('cobrowser__periods') }})
        order by coalesce(chats, conversations, 0) desc, account_id
        limit {{ var('report_accounts') }}
    {%- endset -%}
    {%- do queries.update(accounts=accounts) -%}
    {%- set shown = "(is_total or account_id in (select account_id from (" ~ accounts ~ ") as shown))" -%}
    {%- set account = "case when is_total then '*' else account_id end as account" -%}
    {%- set figures -%}
        visits, reactive, reactive_accepted, missed, proactive, proactive_accepted, chats, responded,
        within_target, first_response_p50, first_response_p90, online_seconds, busy_seconds
    {%- endset -%}

    {%- set summary -%}
        select weeks, part, {{ account }}, {{ figures }}, used_slot_seconds
        from {{ ref('cobrowser__account_periods') }}
        where {{ shown }}
        order by weeks, part, account
    {%- endset -%}
    {%- do queries.update(summary=summary) -%}

    {%- set days -%}
        select day, {{ account }}, {{ figures }}
        from {{ ref('cobrowser__account_daily') }}
        where
            {{ shown }}
            and day between (select min(first_day) from {{ ref('cobrowser__periods') }} where part = 'current')
            and (select max(last_day) from {{ ref('cobrowser__periods') }})
        order by account, day
    {%- endset -%}
    {%- do queries.update(days=days) -%}

    {#- Of each hour of the week: how many there are in the period, and the sums over them. -#}
    {%- set hours -%}
        with scoped as (
            select account_id, false as is_total, day, hour_begin, chats, reactive, missed, online_seconds
            from {{ ref('cobrowser__staffing_hourly') }}
            union all
            select account_id, true as is_total, day, hour_begin, chats, reactive, missed, online_seconds
            from {{ ref('cobrowser__staffing_hourly') }}
        ),

        slots as (
            select
                periods.weeks,
                hours.hour_begin,
                cast(extract(hour from hours.hour_begin_local) as integer) as hour_of_day,
                {{ weekday('hours.hour_begin_local') }} as weekday
            from {{ ref('cobrowser__hours') }} as hours
            inner join {{ ref('cobrowser__periods') }} as periods
                on hours.day between periods.first_day and periods.last_day and periods.part = 'current'
        ),

        counted as (
            select weeks, weekday, hour_of_day, count(*) as hours
            from slots
            group by weeks, weekday, hour_of_day
        ),

        summed as (
            select
                slots.weeks,
                case when scoped.is_total then '*' else scoped.account_id end as account,
                slots.weekday,
                slots.hour_of_day,
                sum(scoped.chats) as chats,
                sum(scoped.reactive) as reactive,
                sum(scoped.missed) as missed,
                sum(scoped.online_seconds) as online_seconds
            from scoped
            inner join slots on scoped.hour_begin = slots.hour_begin
            where {{ shown }}
            group by
                slots.weeks,
                case when scoped.is_total then '*' else scoped.account_id end,
                slots.weekday,
                slots.hour_of_day
        )

        select
            summed.weeks,
            summed.account,
            summed.weekday,
            summed.hour_of_day,
            counted.hours,
            summed.chats,
            summed.reactive,
            summed.missed,
            summed.online_seconds
        from summed
        inner join counted
            on
                summed.weeks = counted.weeks
                and summed.weekday = counted.weekday
                and summed.hour_of_day = counted.hour_of_day
        order by summed.weeks, summed.account, summed.weekday, summed.hour_of_day
    {%- endset -%}
    {%- do queries.update(hours=hours) -%}

    {%- set agents -%}
        select
            periods.weeks,
            coalesce(agents.account_id, '') as account,
            agents.agent_id,
            max(agents.agent_name) as agent_name,
            sum(agents.online_seconds) as online_seconds,
            sum(agents.busy_seconds) as busy_seconds,
            sum(agents.used_slot_seconds) as used_slot_seconds,
            sum(agents.chats) as chats,
            sum(agents.ignored) as ignored,
            sum(agents.abandoned) as abandoned
        from {{ ref('cobrowser__agent_daily') }} as agents
        inner join {{ ref('cobrowser__periods') }} as periods
            on agents.day between periods.first_day and periods.last_day and periods.part = 'current'
        group by periods.weeks, coalesce(agents.account_id, ''), agents.agent_id
        order by periods.weeks, agents.agent_id
    {%- endset -%}
    {%- do queries.update(agents=agents) -%}

    {%- set filters -%}
        select
            periods.weeks,
            filters.account_id as account,
            filters.filter_id,
            max(filters.filter_name) as filter_name,
            sum(filters.matches) as matches,
            sum(filters.invited) as invited,
            sum(filters.accepted) as accepted,
            sum(filters.declined) as declined,
            sum(filters.expired) as expired,
            sum(filters.ignored) as ignored,
            sum(filters.cancelled) as cancelled,
            sum(filters.no_agent) as no_agent
        from {{ ref('cobrowser__filter_funnel_daily') }} as filters
        inner join {{ ref('cobrowser__periods') }} as periods
            on filters.day between periods.first_day and periods.last_day and periods.part = 'current'
        group by periods.weeks, filters.account_id, filters.filter_id
        order by periods.weeks, filters.account_id, filters.filter_id
    {%- endset -%}
    {%- do queries.update(filters=filters) -%}

    {%- set streams -%}
        select
            status.stream,
            status.row_count,
            status.last_row_local as last_row,
            count(coverage.day) as days,
            sum(case when coverage.row_count = 0 then 1 else 0 end) as empty_days
        from {{ ref('cobrowser__stream_status') }} as status
        left join {{ ref('cobrowser__coverage_daily') }} as coverage
            on
                status.stream = coverage.stream
                and coverage.day <= (select max(last_day) from {{ ref('cobrowser__periods') }})
        where status.is_loaded
        group by status.stream, status.row_count, status.last_row_local
        order by status.stream
    {%- endset -%}
    {%- do queries.update(streams=streams) -%}

    {%- set coverage -%}
        select stream, day, row_count
        from {{ ref('cobrowser__coverage_daily') }}
        where
            day > (select {{ dbt.dateadd('day', -84, 'max(last_day)') }} from {{ ref('cobrowser__periods') }})
            and day <= (select max(last_day) from {{ ref('cobrowser__periods') }})
        order by stream, day
    {%- endset -%}
    {%- do queries.update(coverage=coverage) -%}

    {%- set found = {
        'timezone': timezone(),
        'target_seconds': var('response_target_seconds'),
        'goal': var('service_level_goal'),
    } -%}
    {%- for name, query in queries.items() -%}
        {%- set rows = [] -%}
        {%- for row in run_query(query).rows -%}
            {%- set cells = {} -%}
            {%- for column, value in row.dict().items() -%}
                {%- if value is none or value is string -%}
                    {%- do cells.update({column | lower: value}) -%}
                {%- elif value is number -%}
                    {%- do cells.update({column | lower: value | float}) -%}
                {%- elif column | lower in ['data_until', 'last_row'] -%}
                    {%- do cells.update({column | lower: (value | string)[:16]}) -%}
                {%- else -%}
                    {%- do cells.update({column | lower: (value | string)[:10]}) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- do rows.append(cells) -%}
        {%- endfor -%}
        {%- do found.update({name: rows}) -%}
    {%- endfor -%}
    {%- do print(tojson(found)) -%}
{% endmacro %}

{# The tables that the target has loaded. Any may be missing: its staging view is then empty. #}

{# The columns of a table; some may have been deselected in the tap's catalog. #}
{% macro columns_of(table) -%}
    {%- set names = [] -%}
    {%- if execute and table and load_relation(table) -%}
        {%- for each in adapter.get_columns_in_relation(table) -%}
            {%- do names.append(each.name | lower) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{%- endmacro %}

{# What to select from: the table, or nothing if it is not there. That no table is there is an error. #}
{% macro rows_of(table) -%}
    {%- if not execute or load_relation(table) -%}
        {{ table }}
    {%- else -%}
        {%- if not loaded_streams() -%}
            {{ exceptions.raise_compiler_error(
                "There is no table of tap-cobrowser in " ~ table.without_identifier()
                ~ ". Load one, or set the variables `source_database` and `source_schema`."
            ) }}
        {%- endif -%}
        {{ log("Stream " ~ table.identifier ~ " is not loaded; its models are empty.", info=true) }}
        (select 1 as nothing where 1 = 0) as nothing
    {%- endif -%}
{%- endmacro %}

{# The names of the streams whose tables are there. #}
{% macro loaded_streams() -%}
    {%- set found = [] -%}
    {%- if execute -%}
        {%- for each in graph.sources.values() if each.package_name == 'cobrowser' -%}
            {%- if adapter.get_relation(each.database, each.schema, each.identifier) -%}
                {%- do found.append(each.name) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{# For `dbt source freshness`: when a stream gave its last sign of life.

   That is the last load, as long as the stream's rows come as often as before. If at that time it had
   been silent for longer than ever in the eight weeks before, it is the time of its last row.
   A table that is not there is no reason for a warning. #}
{% macro last_sign_of(table, moment=none) -%}
    {%- set there = columns_of(table) -%}
    {%- if not there -%}
        select {{ now_in_utc() }} as moment
    {%- else -%}
        {%- set loads = [] -%}
        {#- Streams without dates are loaded whole in each run: they show when the last one was. -#}
        {%- for each in graph.sources.values() if each.package_name == 'cobrowser' -%}
            {%- if each.name == table.identifier | lower or each.name in ('accounts', 'agents', 'hosts') -%}
                {%- set other = adapter.get_relation(each.database, each.schema, each.identifier) -%}
                {%- if '_sdc_batched_at' in columns_of(other) -%}
                    {%- do loads.append(other) -%}
                {%- endif -%}
            {%- endif -%}
        {%- endfor %}
        with loads as (
            {%- for each in loads %}
            select max({{ utc(column('_sdc_batched_at', ['_sdc_batched_at'])) }}) as moment from {{ each }} union all
            {%- endfor %}
            select {{ 'null' if loads else now_in_utc() }} as moment
        ),

        last_load as (
            select max(moment) as moment from loads
        )

        {%- if moment and moment | lower in there %},

        events as (
            select distinct {{ utc(column(moment, there)) }} as moment from {{ table }}
        ),

        last_event as (
            select max(moment) as moment from events
        ),

        pauses as (
            select
                events.moment,
                {{ dbt.datediff('lag(events.moment) over (order by events.moment)', 'events.moment', 'second') }} as seconds
            from events
            cross join last_event
            where events.moment >= {{ dbt.dateadd('day', -56, 'last_event.moment') }}
        ),

        longest as (
            select coalesce(max(seconds), 0) as seconds from pauses
        )

        select
            case
                when {{ dbt.datediff('last_event.moment', 'last_load.moment', 'second') }} > longest.seconds
                    then last_event.moment
                else last_load.moment
            end as moment
        from last_load
        cross join last_event
        cross join longest
        {%- else %}

        select moment from last_load
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
